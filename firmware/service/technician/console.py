"""What the technician's screens do with a touch: which page comes, and which act is wanted.

It has no devices, no clock and no files; the program (program.py) carries the acts out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from firmware.service.config import CashSection
from firmware.service.technician.counters import Row
from firmware.service.technician.pages import (
    MOST_BESIDE,
    PAGES,
    POINTS,
    Act,
    Button,
    Page,
    Touched,
)
from firmware.service.technician.till_form import TillForm


@dataclass
class Console:
    """`stopped`: whether the kiosk is out of service by a technician's word."""

    section: CashSection
    stopped: bool = False
    page: Page = Page.HOME
    result: str = ""  # of the last act
    rows: list[Row] = field(default_factory=list)
    point: int = 0  # of POINTS, on the page of touches
    beside: int = 0  # touches beside it
    form: TillForm = field(init=False)

    def __post_init__(self) -> None:
        self.form = TillForm(self.section)

    def touched(self, action: str, value: str) -> Act | None:
        """The act that is wanted now. A touch on what is not offered does nothing."""
        if not self.offers(action, value):
            return None
        self.result = ""
        return _ANSWERS[Touched(action)](self, value)

    def offers(self, action: str, value: str) -> bool:
        if self.page is Page.TOUCH and action in (Touched.POINT, Touched.BESIDE):
            return True
        above = PAGES[self.page].above
        if above is not None and (action, value) == (Touched.OPEN, above.value):
            return True
        return any((each.action, each.value) == (action, value) for each in self.buttons)

    @property
    def buttons(self) -> tuple[Button, ...]:
        if self.page is Page.PLACES:
            return self.form.place_buttons()
        if self.page is Page.COINS:
            return self.form.keys()
        hidden = (Page.STOP if self.stopped else Page.RESUME).value
        return tuple(each for each in PAGES[self.page].buttons if each.value != hidden)

    def done(self, result: str, page: Page | None = None) -> None:
        """What came of an act."""
        self.result = result
        self.page = page or self.page

    # -- one for each action of a touch

    def _open(self, value: str) -> None:
        self.page, self.rows = Page(value), []
        self.point = self.beside = 0

    def _choose(self, value: str) -> None:
        if self.form.choose(value):
            self.page = Page.COINS if self.form.place else Page.PLACES

    def _digit(self, value: str) -> None:
        self.form.digit(value)

    def _clear(self, _: str) -> None:
        self.form.clear()

    def _enter(self, _: str) -> None:
        self.form.enter()
        if self.form.asked is None:
            self.page = Page.BOOK

    def _point(self, _: str) -> None:
        self.point, self.beside = self.point + 1, 0
        if self.point == len(POINTS):
            self.done("touch-well", Page.CALIBRATE)

    def _beside(self, _: str) -> None:
        self.beside += 1
        if self.beside > MOST_BESIDE:
            self.done("touch-beside", Page.CALIBRATE)

    def _do(self, value: str) -> Act:
        return Act(value)


_ANSWERS: Mapping[Touched, Callable[[Console, str], Act | None]] = {
    Touched.OPEN: Console._open,
    Touched.DO: Console._do,
    Touched.CHOOSE: Console._choose,
    Touched.DIGIT: Console._digit,
    Touched.CLEAR: Console._clear,
    Touched.ENTER: Console._enter,
    Touched.POINT: Console._point,
    Touched.BESIDE: Console._beside,
}
