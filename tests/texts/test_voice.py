"""Whatever is shown has words, and every word has been recorded."""

from __future__ import annotations

import pytest
from panel_facts import every_screen, refusals

from firmware.flow.screens import Screen
from firmware.flow.states import State
from firmware.texts import voice
from firmware.texts.texts import Texts, languages

JA, EN = Texts.load("ja"), Texts.load("en")


def say(name: str, texts: Texts = EN, **facts: object) -> tuple[str, ...]:
    return voice.words(Screen(name, 1, texts.language, facts=facts), texts)


@pytest.mark.parametrize("language", languages())
def test_every_screen_has_words_and_all_are_recorded(language: str) -> None:
    texts = Texts.load(language)
    recorded = voice.phrases(texts)
    said = set()
    for screen in every_screen(language):
        words = voice.words(screen, texts)
        assert words, screen.name
        assert set(words) <= recorded, screen.name
        said.add(screen.name)
    assert said == {state.screen for state in State}


@pytest.mark.parametrize("language", languages())
def test_no_phrase_holds_a_placeholder_or_furigana(language: str) -> None:
    assert not [p for p in voice.phrases(Texts.load(language)) if set(p) & set("{}｜《》") or not p.strip()]


def test_the_pin_is_never_spoken() -> None:
    spoken = {say("pin", notice="", tries=3, digits=digits) for digits in range(5)}
    assert len(spoken) == 1  # not even how many digits there are


def test_errors_are_told_first() -> None:
    assert say("pin", notice="pin-wrong", tries=2, digits=0)[0] == "The PIN is wrong."
    assert "You have 2 tries left." in say("pin", notice="pin-wrong", tries=2, digits=0)
    assert say("paying", due=200, inserted=100, missing=100, notice="coin-returned")[0].startswith("That coin")


@pytest.mark.parametrize("code", refusals())
def test_a_refusal_says_cause_next_step_and_telephone(code: str) -> None:
    words = say("refused", code=code, opens_at="", returned=100, office="x", phone="078-918", hours="y")
    assert words[:2] == (EN.get(f"refusal.{code}.cause"), EN.get(f"refusal.{code}.next"))
    assert words[3:9] == tuple("078918")
    assert words[9:11] == ("Money given back", "100 yen")


def test_names_of_people_are_not_spoken() -> None:
    for screen in every_screen("ja"):
        assert not [word for word in voice.words(screen, JA) if "明石" in word or "GARCIA" in word]


def test_the_end_reminds_of_all_that_is_the_persons() -> None:
    assert set(say("thanks", notice="", change=400)[2:]) == {"My Number card", "Certificate", "Receipt", "Change"}
    assert set(say("thanks", notice="no-receipt", change=0)[2:]) == {"My Number card", "Certificate"}
    assert say("receipt", notice="", change=400)[:3] == ("Take your receipt and your change", "Change", "400 yen")


def test_an_amount_is_said_exactly() -> None:
    for amount in range(0, 10_000, 10):
        words = list(voice._yen(EN, amount))
        assert sum(int(word.removesuffix(" yen")) for word in words) == amount


@pytest.mark.parametrize("amount", [5, 105, 99_999])
def test_an_amount_that_cannot_be_said_exactly_is_left_to_the_screen(amount: int) -> None:
    assert not list(voice._yen(EN, amount))


def test_when_it_opens_in_each_languages_order() -> None:
    facts = {"code": "closed", "opens_at": "2026-11-24T06:30:00+09:00"}
    assert say("closed", JA, **facts)[3:] == ("次に使えるのは、", "11月", "24日", "火曜日", "6時", "30分")
    assert say("closed", EN, **facts)[3:] == (
        "It opens next on", "Tuesday", "24", "November", "6 hours", "30 minutes",
    )  # fmt: skip


def test_a_reader_that_is_not_sure_is_said_to_be_checked() -> None:
    for name in ("remove", "removealarm", "hold", "takecard", "cardleft"):
        assert say(name, notice="", unknown=True)[0] == EN.get("notice.reader.title")
        assert say(name, notice="", unknown=False)[0] == EN.get(f"screen.{name}.title")
