"""The texts are complete, alike in all languages, and nothing in them is idle."""

from __future__ import annotations

import inspect
import re
import string

import pytest
from panel_facts import every_screen

from firmware.flow import actions, table
from firmware.link.messages import RefusalCode
from firmware.panel.render import LEFT, RIGHT, STEPS, page, render
from firmware.service.terms import refusal
from firmware.texts import voice
from firmware.texts.texts import MissingText, Texts, languages

LANGUAGES = languages()
ALL = [Texts.load(language) for language in LANGUAGES]

# What the kiosk itself refuses for: of the table, of the actions, and of the card (CardFailed.cause).
OWN_CODES = (
    "pin-locked pin-kept card-unreadable card-reader printer coins cancelled too-slow card-left line-down "
    "document-rejected print-failed change-owed not-mynumber no-certificate card-unsupported"
).split()
TOLD = [code.value for code in RefusalCode if refusal(code) == code.value]  # the others are between machines
PROBLEMS = "line-down card-reader card-left printer receipt-printer coins case-open leftover config other".split()
KANJI = re.compile(r"[\u3400-\u9fff]")


def shape(texts: Texts) -> dict[str, set[str]]:
    """Keys without their plural form, each with the values it holds."""
    shapes: dict[str, set[str]] = {}
    for key, text in texts.known.items():
        fields = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        shapes.setdefault(key.removesuffix(".one").removesuffix(".other"), set()).update(fields)
    return shapes


def test_japanese_comes_first() -> None:
    assert LANGUAGES[0] == "ja"
    assert "en" in LANGUAGES


@pytest.mark.parametrize("texts", ALL[1:], ids=LANGUAGES[1:])
def test_every_language_has_the_same_texts(texts: Texts) -> None:
    theirs, ours = shape(texts), shape(ALL[0])
    assert theirs.keys() == ours.keys()
    different = {key for key in ours if theirs[key] != ours[key] and not key.startswith("format.")}
    assert not different  # how a date is put together is the language's own affair


@pytest.mark.parametrize("texts", ALL, ids=LANGUAGES)
def test_no_text_is_empty_or_has_a_stray_mark(texts: Texts) -> None:
    for key in texts.known:
        values = dict.fromkeys(shape(texts)[key.removesuffix(".one").removesuffix(".other")], 1)
        plain = texts.get(key, **values)
        assert plain.strip() == plain != "", key
        assert not set("｜《》{}<>") & set(plain), key


@pytest.mark.parametrize("texts", ALL, ids=LANGUAGES)
@pytest.mark.parametrize("code", [*TOLD, *OWN_CODES])
def test_every_refusal_has_cause_and_next_step(texts: Texts, code: str) -> None:
    assert texts.get(f"refusal.{code}.cause") != texts.get(f"refusal.{code}.next")


@pytest.mark.parametrize("texts", ALL, ids=LANGUAGES)
def test_one_cause_one_message(texts: Texts) -> None:
    causes = [text for key, text in texts.known.items() if re.fullmatch(r"refusal\..*\.cause", key)]
    assert len(set(causes)) == len(causes)


@pytest.mark.parametrize("texts", ALL, ids=LANGUAGES)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_problem_says_what_to_do(texts: Texts, problem: str) -> None:
    assert voice.problem_key(problem, texts) == f"problem.{problem}"
    assert texts.get(f"problem.{problem}.next")


def test_an_unknown_problem_is_the_other_problem() -> None:
    assert voice.problem_key("flux-capacitor", ALL[0]) == "problem.other"


def test_the_flow_uses_no_code_that_is_not_listed_here() -> None:
    source = [inspect.getsource(module) for module in (table, actions)]
    found = {code for text in source for code in re.findall(r'(?:refuse|unwind)\("([a-z-]+)"\)', text)}
    found |= {code for text in source for code in re.findall(r'refusal="([a-z-]+)"', text)}
    found |= {code for text in source for code in re.findall(r'refusal or "([a-z-]+)"', text)}
    assert found and found <= {*OWN_CODES, *RefusalCode}
    notices = {code for text in source for code in re.findall(r'notice="([a-z-]+)"', text)}
    assert notices == {key.removeprefix("notice.") for key in ALL[0].known if re.fullmatch(r"notice\.[a-z-]+", key)}


@pytest.mark.parametrize("texts", ALL, ids=LANGUAGES)
def test_the_neutral_refusal_gives_no_reason(texts: Texts) -> None:
    words = " ".join(texts.get(f"refusal.not-available.{part}") for part in ("cause", "next")).lower()
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


def test_japanese_has_furigana_over_its_kanji() -> None:
    """All but dates and the names of certificates, whose kanji the voice needs bare."""
    bare = ("format.", "name.", "shell.", "kind.", "spoken.")
    for key, text in ALL[0].known.items():
        if not key.startswith(bare):
            rest = re.sub(r"(?:｜[^｜《》]+|[\u3400-\u9fff々]+)《[^《》]+》", "", text)
            assert set(KANJI.findall(rest)) <= {"円", "秒"}, (key, rest)


def test_furigana_is_shown_and_not_said() -> None:
    texts = Texts("ja", {"a": "明日《あした》、12月｜1日《ついたち》に{n}枚《まい》"})
    assert texts.get("a", n=3) == "明日、12月1日に3枚"
    assert texts.html("a", n=3) == (
        "<ruby>明日<rt>あした</rt></ruby>、12月<ruby>1日<rt>ついたち</rt></ruby>に3<ruby>枚<rt>まい</rt></ruby>"
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


def test_one_and_many() -> None:
    english = Texts.load("en")
    assert english.get("count.sheets", n=1) == "1 sheet in all."
    assert english.get("count.sheets", n=2) == "2 sheets in all."


def test_a_moment_as_people_read_it() -> None:
    assert Texts.load("ja").moment("2026-11-24T06:30:00+09:00") == "2026年11月24日（火）6時30分"
    assert Texts.load("en").moment("2026-11-24T06:05:00+09:00") == "Tuesday, 24 November 2026, 6:05"
    assert Texts.load("ja").moment("tomorrow") == Texts.load("ja").moment("") == ""


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
    for screen in every_screen("ja"):
        render(screen, texts)
        voice.words(screen, texts)
    page()
    idle = {
        key for key in known if key not in known.used and not key.startswith(("format.", "spoken.weekday.", "kind."))
    }
    assert idle == {"name.language", "shell.waiting", "shell.elsewhere"}  # of all languages at once, on the page


def test_every_step_and_action_has_a_label() -> None:
    offered = {a for spec in table.SPECS.values() for a in spec.actions} | {"more-time", "repeat", *LEFT, *RIGHT}
    drawn = {"language", "choose", "pick"}  # labelled by what they choose
    for texts in ALL:
        assert not [a for a in offered - drawn if not texts.has(f"action.{a}")]
        assert all(texts.has(f"step.{step}") for step in STEPS)
