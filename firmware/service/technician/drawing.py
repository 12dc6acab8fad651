"""What a page of the technician's screens looks like: the facts of its template."""

from __future__ import annotations

from typing import Final

from firmware.panel.render import render_technician
from firmware.service.technician.console import Console
from firmware.service.technician.counters import Row
from firmware.service.technician.pages import (
    BACK,
    LEAVE,
    PAGES,
    POINTS,
    STAFF,
    Button,
    Page,
    Touched,
    result_words,
)

FORM: Final = (Page.COINS, Page.BOOK)  # these show what was typed


def draw(console: Console) -> str:
    """The HTML fragment."""
    spec = PAGES[console.page]
    above = spec.above
    return render_technician(
        name=console.page.value,
        public={"page": console.page.value, "result": console.result},
        title=spec.title,
        text=spec.text,
        result=result_words(console.result) if console.result else None,
        rows=_rows(console),
        keypad=console.page is Page.COINS,
        buttons=console.buttons,
        back=Button(Touched.OPEN, above.value, BACK) if above else None,
        leave=Button(Touched.LEAVE, "", LEAVE),
        staff=STAFF,
        point=POINTS[console.point] if console.page is Page.TOUCH else "",
    )


def _rows(console: Console) -> list[Row]:
    if console.page is Page.WAIT:
        return []
    return console.form.rows() if console.page in FORM else console.rows
