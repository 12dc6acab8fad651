"""Every code that the kiosk can give has its words, and nothing in the texts is idle."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from panel_facts import confirm, every_screen, options

from firmware.flow import actions, cashless, money, screens, table
from firmware.flow.screens import EITHER, PHONE, Screen
from firmware.link.messages import RefusalCode
from firmware.panel.render import LEFT, RIGHT, STEPS, page, render
from firmware.service import card_desk, cash_desk, city_desk, closure, health_desk, paper_desk, stop
from firmware.service.handlers import cases
from firmware.service.terms import refusal
from firmware.texts import voice, voice_screens
from firmware.texts.texts import MissingText, Texts, languages
from hal.cashless.contract import Decline
from hal.printer.contract import Outlet, PaperSupply, PrinterState, PrinterStatus

ROOT = Path(__file__).parents[2]
LANGUAGES = languages()
ALL = [Texts.load(language) for language in LANGUAGES]

# What the kiosk itself refuses for: of the table, of the actions, and of the card
# (CardFailed.cause).
OWN_CODES = (
    "pin-locked pin-kept card-unreadable card-reader printer coins cancelled too-slow card-left "
    "line-down document-rejected print-failed print-held print-part money-held change-owed "
    "charge-held reversal-held "
    "not-mynumber no-certificate card-unsupported"
).split()
TOLD = [
    code.value for code in RefusalCode if refusal(code) == code.value
]  # the others are between machines


@pytest.mark.parametrize("texts", ALL, ids=LANGUAGES)
@pytest.mark.parametrize("code", [*TOLD, *OWN_CODES])
def test_every_refusal_has_cause_and_next_step(texts: Texts, code: str) -> None:
    assert texts.get(f"refusal.{code}.cause") != texts.get(f"refusal.{code}.next")


def test_no_words_are_there_for_a_refusal_that_nobody_gives() -> None:
    worded = {key.split(".")[1] for key in ALL[0].known if key.startswith("refusal.")}
    assert worded == {*TOLD, *OWN_CODES}


@pytest.mark.parametrize("texts", ALL, ids=LANGUAGES)
def test_one_cause_one_message(texts: Texts) -> None:
    causes = [text for key, text in texts.known.items() if re.fullmatch(r"refusal\..*\.cause", key)]
    assert len(set(causes)) == len(causes)


def problems() -> set[str]:
    """Every code for which the kiosk can be out of service, from where it is given."""
    states, papers, outlets = PrinterState, PaperSupply, Outlet
    statuses = map(PrinterStatus, *zip(*product(states, papers, outlets), strict=True))
    printers = {paper_desk.trouble(status) for status in statuses} - {""}
    givers = (
        screens.out,
        health_desk.case_open,
        health_desk.HealthDesk.look,
        health_desk.HealthDesk._disk_trouble,
        cases.open_case,
        cash_desk.CashDesk.trouble,
        card_desk.CardDesk.trouble,
        city_desk.CityDesk.problem,
        city_desk.CityDesk._note,
    )
    source = "\n".join(inspect.getsource(giver) for giver in givers)
    given = re.findall(r'(?:problem = |trouble = |return |else |or \()"([a-z-]+)"', source)
    given += re.findall(r'problem="([a-z-]+)"', source)
    return {
        *printers,
        *(f"receipt-{code}" for code in printers),
        *given,
        closure.STORAGE,
        closure.PROGRAM,
        stop.SUSPENDED,
        "other",  # of what a newer device may say
    }


def test_every_cause_of_being_out_of_service_has_words_and_no_words_are_idle() -> None:
    worded = {key.split(".")[1] for key in ALL[0].known if re.fullmatch(r"problem\..*\.cause", key)}
    assert worded == problems()
    assert {"paper-out", "cover-open", "receipt-paper-out", "clock", "config"} <= worded
    for problem in worded:
        assert voice_screens.problem_key(problem, ALL[0]) == f"problem.{problem}"


def test_an_unknown_problem_is_the_other_problem() -> None:
    assert voice_screens.problem_key("flux-capacitor", ALL[0]) == "problem.other"


def test_the_flow_uses_no_code_that_is_not_listed_here() -> None:
    source = [inspect.getsource(module) for module in (table, actions, cashless, money)]
    found = {
        code for text in source for code in re.findall(r'(?:refuse|unwind)\("([a-z-]+)"\)', text)
    }
    found |= {code for text in source for code in re.findall(r'refusal="([a-z-]+)"', text)}
    found |= {code for text in source for code in re.findall(r'refusal or "([a-z-]+)"', text)}
    assert found and found <= {*OWN_CODES, *RefusalCode}
    notices = {code for text in source for code in re.findall(r'notice="([a-z-]+)"', text)}
    notices |= {
        f"charge-{reason}" for reason in (*Decline, "terminal")
    }  # made of the terminal's own reasons
    assert notices == {
        key.removeprefix("notice.") for key in ALL[0].known if re.fullmatch(r"notice\.[a-z-]+", key)
    }


@pytest.mark.parametrize("texts", ALL, ids=LANGUAGES)
def test_the_neutral_refusal_gives_no_reason(texts: Texts) -> None:
    words = " ".join(
        texts.get(f"refusal.not-available.{part}") for part in ("cause", "next")
    ).lower()
    telling = (
        "支援",
        "保護",
        "措置",
        "制限",
        "理由",
        "あなた",
        "protect",
        "restrict",
        "measure",
        "suppress",
        "support",
    )
    assert not [word for word in telling if word in words]


@pytest.mark.parametrize("texts", ALL, ids=LANGUAGES)
def test_what_is_said_otherwise_of_a_phone_is_said_of_a_card_too(texts: Texts) -> None:
    """A text that only a phone has would be said of no card, and nobody would notice."""
    for about in (PHONE, EITHER):
        own = {key.removeprefix(f"{about}.") for key in texts.known if key.startswith(f"{about}.")}
        assert own and own <= texts.known.keys()
        for key in own:
            assert texts.about(about).get(key) != texts.get(key), key


def test_furigana_is_shown_and_not_said() -> None:
    words = {"a": "明日《あした》、12月｜1日《ついたち》に{n}枚《まい》"}
    easy = Texts("ja-easy", words | {"name.furigana": "yes"})
    assert easy.get("a", n=3) == "明日、12月1日に3枚"
    assert easy.html("a", n=3) == (
        "<ruby>明日<rt>あした</rt></ruby>、12月<ruby>1日<rt>ついたち</rt></ruby>に3<ruby>枚<rt>まい</rt></ruby>"
    )
    assert Texts("ja", words | {"name.furigana": "no"}).html("a", n=3) == easy.get("a", n=3)
    assert easy.draw("市役所《しやくしょ》<b>") == (
        "<ruby>市役所<rt>しやくしょ</rt></ruby>&lt;b&gt;"
    )


def test_markup_in_a_text_or_a_value_is_escaped() -> None:
    assert Texts("en", {"a": "<b> {x}"}).html("a", x="<i>") == "&lt;b&gt; &lt;i&gt;"


def test_a_missing_text_value_or_language_is_an_error() -> None:
    with pytest.raises(MissingText):
        ALL[0].get("screen.nowhere.title")
    with pytest.raises(KeyError):
        ALL[0].get("count.tries")
    with pytest.raises(MissingText):
        Texts.load("../en")


class Recording(dict[str, str]):
    """Texts that remember which of them were wanted."""

    def __init__(self, known: dict[str, str]) -> None:
        super().__init__(known)
        self.used: set[str] = set()

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        if key in self:
            self.used.add(key)
        return super().get(key, default)


def test_no_text_is_idle() -> None:
    known = Recording(dict(ALL[0].known))
    texts = Texts("ja", known)
    warnings = {"third", "ten"}
    for screen in every_screen("ja"):
        warning = warnings.pop() if screen.limit_s and warnings else ""
        shown = replace(screen, warning=warning)
        render(shown, texts)
        voice.words(shown, texts, LANGUAGES)
    actions_there = ("next", "confirm", "back", "cancel")
    for option in ("payment", "vehicle", "removed"):  # of certificates of one entry
        asked = options(option, "one", ("e1",), ("令和8年度",))
        render(Screen("options", 1, "ja", actions_there, 60, 1, facts=asked), texts)
    for option in ("payment", "vehicle"):  # whose entry was removed stands among the people
        chosen = [{"id": "e1", "name": "令和8年度"}]
        stated = confirm(
            summary=[{"option": option, "type": "one", "chosen": chosen, "omitted": []}]
        )
        render(Screen("confirm", 1, "ja", actions_there, 60, 1, facts=stated), texts)
    page()
    # `page.`: where each device is, of which a cabinet has one place. `key.`, `spoken.`: what is
    # said between two screens.
    aside = ("format.", "kind.", "page.", "key.", "spoken.", "time.up.")
    idle = {key for key in known if key not in known.used and not key.startswith(aside)}
    assert idle == {
        "name.language",
        "name.tag",
        "shell.waiting",
        "shell.elsewhere",  # of all languages at once, on the page
        "screen.confirm.japanese",  # in other languages only
        "option.scope.chosen",  # of a family register: tests/panel/test_confirm_fits.py shows both
        "option.scope.family",
    }


def test_no_text_between_two_screens_is_idle() -> None:
    """Named in the source by the whole key, or by the group where the rest is a table's."""
    folders = ("firmware/texts", "firmware/panel", "firmware/service", "firmware/flow")
    source = "".join(
        path.read_text("utf-8")
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".jinja", ".js")
    )
    for key in ALL[0].known:
        common = key.removesuffix(".other")
        if common.startswith(("page.", "key.", "spoken.", "time.up.")):
            parts = common.split(".")
            groups = [".".join(parts[:n]) for n in range(1, len(parts))]
            made = any(f"{group}.{{" in source or f'"{group}." ~' in source for group in groups)
            assert common in source or made, key


def test_every_step_and_action_has_a_label() -> None:
    offered = {a for spec in table.SPECS.values() for a in spec.actions} | {
        "more-time",
        "repeat",
        *LEFT,
        *RIGHT,
    }
    drawn = {"language", "choose", "pick"}  # labelled by what they choose
    for texts in ALL:
        assert not [a for a in offered - drawn if not texts.has(f"action.{a}")]
        assert all(texts.has(f"step.{step}") for step in STEPS)
