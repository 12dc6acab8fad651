from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware.flow.states import State
from testbed.customer import DOES
from testbed.screen import read

HTML = """<main class="screen pin" lang="ja" data-screen="pin">
<h1><ruby>暗証<rt>あんしょう</rt></ruby>番号</h1>
<div class="main"><dt>あと</dt><dd><span>1,200円</span></dd></div>
<button data-action="digit" data-value="7">7</button>
<button role="radio" aria-checked="true" data-action="pick"
 data-value="a"><svg><text>x</text></svg>A</button>
<button class="certificate shut" data-action="choose"></button></main>"""


def test_sees_name_words_and_buttons() -> None:
    seen = read(5, HTML)
    assert (seen.number, seen.name, seen.language) == (5, "pin", "ja")
    assert seen.text.startswith("暗証番号 あと 1,200円 7")
    assert seen.marked["main"] == "あと 1,200円"
    assert seen.offers("digit", "7") and not seen.offers("digit", "8") and seen.offers("choose")
    assert [button.chosen for button in seen.buttons] == [None, True, None]
    assert seen.buttons[2].classes == {"certificate", "shut"}


@given(st.text())
def test_any_fragment_can_be_read(html: str) -> None:
    read(0, html)


def test_the_person_knows_screens_that_exist() -> None:
    assert set(DOES) <= {state.screen for state in State}
