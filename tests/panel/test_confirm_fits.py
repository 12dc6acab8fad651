"""What somebody confirms is shown whole, on every size of panel, in the letters of the paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from panel_facts import FIELDS, confirm, fields

from firmware.flow.screens import Screen
from firmware.flow.states import State
from firmware.flow.table import SPECS

sync_api = pytest.importorskip("playwright.sync_api")

from testbed.drawing.geometry import Least, inspect  # noqa: E402
from testbed.drawing.sheet import CHROMIUM, MODES, PANELS, Sheet, browser, sheet  # noqa: E402

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium"),
]

LONG = "WIJESINGHE ARACHCHIGE DON MARIA FERNANDA ALEXANDRA DE LA CONCEPCION MENDOZA"
VARIANT = "葛\U000e0102城"  # a variation selector
BEYOND = "\U00020bb7野"  # a character beyond the basic plane
ADDRESS = (
    "兵庫県明石市大久保町ゆりのき通三丁目千二百三十四番地の五十六　明石海峡大橋大久保第二団地"
    f"{VARIANT}棟{BEYOND}館一千二百三十四号室　明石方東西南北"
)
NAMES = (
    "明石　太郎",
    f"明石　{VARIANT}介",
    f"{BEYOND}　次郎",
    "明石　さくら",
    "GARCIA MARTINEZ MARIA FERNANDA",
)
ORDINARY = {"name": NAMES[1], "birth": "昭和33年4月1日", "address": "兵庫県明石市中崎一丁目5番1号"}
LONGEST = {"name": LONG, "birth": "1958年12月31日", "address": ADDRESS}


def people(
    scope: str, names: tuple[str, ...] = (), omitted: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {"scope": scope, "names": names, "omitted": omitted}


YEAR = {
    "option": "year",
    "type": "one",
    "chosen": [{"id": "y2026", "name": "令和8年度"}],
    "omitted": [],
}
CASES: dict[str, dict[str, Any]] = {
    "holder": confirm(
        1, 100, holder=ORDINARY, people=people("self"), summary=[fields("relationship")]
    ),
    "year": confirm(1, 100, holder=ORDINARY, people=people("self"), summary=[YEAR]),
    "household": confirm(
        3, 450, holder=ORDINARY, people=people("household", NAMES), summary=[fields(*FIELDS)]
    ),
    "some": confirm(
        3, 450, holder=ORDINARY, people=people("some", NAMES[:2], NAMES[2:]), summary=[fields()]
    ),
    "family register": confirm(3, 1350, holder=ORDINARY, people=people("family", NAMES)),
    "some of a family register": confirm(
        1,
        450,
        holder=ORDINARY,
        people=people("chosen", NAMES[1:2], (NAMES[0], *NAMES[2:])),
        summary=[fields("domicile")],
    ),
    "longest holder": confirm(
        3, 450, holder=LONGEST, people=people("self"), summary=[fields(*FIELDS[:2])]
    ),
    "longest household": confirm(
        10,
        450,
        holder=LONGEST,
        people=people("some", (LONG,) * 4, (LONG,) * 2),
        summary=[fields(*FIELDS[:2])],
    ),
}
TITLES = {"ja": "住民票の写し", "en": "Certificate of residence"}


@pytest.fixture(scope="module")
def sheets() -> Iterator[dict[str, Sheet]]:
    with browser() as chromium:
        yield {name: sheet(chromium, panel) for name, panel in PANELS.items()}


def screen(facts: dict[str, Any], language: str = "ja") -> Screen:
    spec = SPECS[State.CONFIRM]
    facts = facts | {"title": TITLES[language], "printed_title": TITLES["ja"]}
    return Screen("confirm", 1, language, spec.actions, spec.limit_s, 1, facts=facts)


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_is_cut(sheets: dict[str, Sheet], panel: str) -> None:
    least = Least()
    for language in TITLES:
        for case, facts in CASES.items():
            inspect(sheets[panel], screen(facts, language), MODES[""], least, case)
    assert least.wrong == []


@pytest.mark.parametrize("panel", ["15.6", "21.5 upright"])
def test_an_ordinary_confirmation_is_one_page(sheets: dict[str, Sheet], panel: str) -> None:
    for case in ("holder", "year"):
        sheets[panel].show(screen(CASES[case]))
        assert len(list(sheets[panel].pages())) == 1, case


@pytest.mark.parametrize("text", [VARIANT, BEYOND, ADDRESS, LONG, "髙﨑　邉"])
def test_the_letters_are_those_of_the_paper(sheets: dict[str, Sheet], text: str) -> None:
    """Where the certificate's font has the character, the screen shows that font's glyph and no
    other's.
    """
    holder = {"name": text, "birth": "1958年12月31日", "address": text}
    sheets["15.6"].show(Screen("starting", 1, "ja"))  # from its first page
    sheets["15.6"].show(screen(confirm(holder=holder)))
    page = sheets["15.6"].page
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    node = session.send("DOM.querySelector", {"nodeId": root, "selector": ".holder .name"})[
        "nodeId"
    ]
    fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    assert {font["familyName"] for font in fonts} == {"IPAmjMincho"}, fonts


def test_a_variant_is_not_shown_as_the_plain_character(sheets: dict[str, Sheet]) -> None:
    pictures = []
    for name in ("葛", "葛\U000e0102"):
        sheets["10.1"].show(Screen("starting", 1, "ja"))
        sheets["10.1"].show(screen(confirm(holder=ORDINARY | {"name": name})))
        pictures.append(sheets["10.1"].page.locator(".holder .name").first.screenshot())
    assert pictures[0] != pictures[1]
