"""What the proof of a document costs: `python tests/sheets/admit_time.py`. Milliseconds, medians,
warm.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

from sheet_cases import RIGHT, SESSION_KEY, TRUST, Case

from firmware.sheets import layout, page, pdf, redraw
from firmware.sheets.admit import admit, read_terms
from firmware.sheets.compare import compare
from firmware.sheets.expected import expect
from firmware.sheets.glyphs import load_glyphs
from firmware.sheets.own_font import load_own_font
from firmware.sheets.prepare import prepare

TIMES = 9


def timed(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1000)
    return median(spent)


def stages(case: Case) -> dict[str, float]:
    manifest, ordered, glyphs = case.manifest(), case.ordered(), load_glyphs()
    terms, answer, content = case.signed_terms(), case.answer(), case.content
    addresses = ["https://verify.akashi.example/v#" + "A" * 236 for _ in content.sheets]
    with pdf.opened(case.pdf, content.pages) as found:
        pages = [page.read(each, n) for n, each in enumerate(found, 1)]
        drawn = redraw.redraw(found, pages, glyphs)
        read = timed(lambda: [page.read(each, n) for n, each in enumerate(found, 1)])
        drawing = timed(lambda: redraw.redraw(found, pages, glyphs))

    def check_content() -> None:
        compare(content, expect(ordered, read_terms(terms, TRUST.terms_keys), manifest).content)

    def check_places() -> None:
        for n, each in enumerate(pages, 1):
            layout.check(each, content, n, 18.0, glyphs, load_own_font())

    return {
        "content": timed(check_content),
        "read": read,
        "places": timed(check_places),
        "drawn again": drawing,
        "dots": timed(lambda: prepare(drawn, addresses, case.target)),
        "all": timed(
            lambda: admit(ordered, terms, answer, SESSION_KEY.private, TRUST, case.target)
        ),
    }


def main() -> None:
    for name, make in RIGHT.items():
        case = make()
        sheets = case.content.pages
        figures = "  ".join(f"{stage} {ms / sheets:.1f}" for stage, ms in stages(case).items())
        sys.stdout.write(f"{name} ({sheets} sheets), ms a sheet:  {figures}\n")


if __name__ == "__main__":
    main()
