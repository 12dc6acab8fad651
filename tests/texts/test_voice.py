"""Whatever is shown has words, and every word has been recorded."""

from __future__ import annotations

import pytest
from panel_facts import NOT_FOR, every_screen, refusals

from firmware.flow.screens import Screen
from firmware.flow.states import State
from firmware.panel.render import render
from firmware.panel.sample_data import CONTACT, OFFERS
from firmware.texts import city_words, voice, voice_parts
from firmware.texts.texts import Texts, languages

JA, EN = Texts.load("ja"), Texts.load("en")


def say(name: str, texts: Texts = EN, **facts: object) -> tuple[str, ...]:
    return voice.words(Screen(name, 1, texts.language, facts=facts), texts)


# All languages have the same keys and values (test_languages.py): two stand for all of them.
@pytest.mark.parametrize("language", ["ja-easy", "en"])
def test_every_screen_has_words_and_all_are_recorded(language: str) -> None:
    texts = Texts.load(language)
    titles = [offer.title for offer in OFFERS]
    own = [(("ja", "<市>"),), (("ja", NOT_FOR),), CONTACT.office, *titles]
    recorded = {*voice.phrases(texts), *city_words.phrases(own, (language,))}
    said = set()
    for screen in every_screen(language):
        words = voice.words(screen, texts)
        assert words, screen.name
        assert set(words) <= recorded, screen.name
        said.add(screen.name)
    assert said == {state.screen for state in State}


@pytest.mark.parametrize("language", languages())
def test_no_phrase_holds_a_placeholder_or_furigana(language: str) -> None:
    assert not [
        p for p in voice.phrases(Texts.load(language)) if set(p) & set("{}｜《》") or not p.strip()
    ]


def test_the_pin_is_never_spoken() -> None:
    spoken = {say("pin", notice="", tries=3, digits=digits) for digits in range(5)}
    assert len(spoken) == 1  # not even how many digits there are


def test_errors_are_told_first() -> None:
    assert say("pin", notice="pin-wrong", tries=2, digits=0)[0] == "The PIN is wrong."
    assert "You have 2 tries left." in say("pin", notice="pin-wrong", tries=2, digits=0)
    assert say("paying", due=200, inserted=100, missing=100, notice="coin-returned")[0].startswith(
        "The coin"
    )


@pytest.mark.parametrize("code", refusals())
def test_a_refusal_says_cause_next_step_and_telephone(code: str) -> None:
    words = say(
        "refused", code=code, opens_at="", returned=100, office="x", phone="078-918", hours="y"
    )
    assert words[:2] == (EN.get(f"refusal.{code}.cause"), EN.get(f"refusal.{code}.next"))
    assert words[2:4] == (EN.get("label.office"), EN.get("spoken.phone"))
    assert words[4:10] == tuple("078918")
    assert words[10:12] == ("Money returned to you", "100 yen")


def test_nothing_of_a_person_is_spoken_aloud() -> None:
    """Not a name, not a birth date, not an address: the screen shows them, and the voice asks to
    look there. The city's office has the city's name, which is nobody's address.
    """
    offices = set(city_words.phrases([CONTACT.office], ("ja",)))
    for screen in every_screen("ja"):
        said = [word for word in voice.words(screen, JA) if word not in offices]
        assert not [word for word in said if "明石" in word or "GARCIA" in word or "昭和" in word]
        assert (JA.get("screen.confirm.check") in said) is (screen.name == "confirm")


def test_the_end_reminds_of_all_that_is_the_persons() -> None:
    assert set(say("thanks", notice="", change=400)[2:]) == {
        "My Number Card",
        "Certificate",
        "Receipt",
        "Change",
    }
    assert set(say("thanks", notice="no-receipt", change=0)[2:]) == {
        "My Number Card",
        "Certificate",
    }
    assert say("receipt", notice="", change=400)[:3] == (
        "Take your receipt and your change",
        "Change",
        "400 yen",
    )


def test_an_amount_is_said_exactly() -> None:
    for amount in range(0, 10_000, 10):
        words = list(voice_parts.say_amount(EN, amount))
        assert sum(int(word.removesuffix(" yen")) for word in words) == amount


@pytest.mark.parametrize("amount", [5, 105, 99_999])
def test_an_amount_that_cannot_be_said_exactly_is_left_to_the_screen(amount: int) -> None:
    assert not list(voice_parts.say_amount(EN, amount))


def test_when_it_opens_in_each_languages_order() -> None:
    facts = {"code": "closed", "opens_at": "2026-11-24T06:30:00+09:00"}
    assert say("closed", JA, **facts)[3:] == (
        "次に利用できるのは、",
        "11月",
        "24日",
        "火曜日",
        "6時",
        "30分",
    )
    assert say("closed", EN, **facts)[3:] == (
        "It is available again on", "Tuesday", "24", "November", "6 hours", "30 minutes",
    )  # fmt: skip


def test_a_reader_that_is_not_sure_is_said_to_be_checked() -> None:
    for name in ("remove", "removealarm", "hold", "takecard", "cardleft"):
        assert say(name, notice="", unknown=True)[0] == EN.get("notice.reader.title")
        assert say(name, notice="", unknown=False)[0] == EN.get(f"screen.{name}.title")


def test_the_menu_says_until_when_the_kiosk_serves_today() -> None:
    words = say("menu", certificates=(), hours={"from": "06:30", "until": "23:00"})
    at = words.index(EN.get("spoken.today"))
    hour = [EN.get("spoken.hour", n=n) for n in (6, 23)]
    half = EN.get("spoken.minute", n=30)
    starts, ends = EN.get("spoken.starts"), EN.get("spoken.ends")
    assert words[at + 1 : at + 6] == (starts, hour[0], half, ends, hour[1])
    assert EN.get("spoken.today") not in say("menu", certificates=(), hours=None)


@pytest.mark.parametrize("language", languages())
def test_a_day_that_ends_at_midnight_is_told_to_end_at_24(language: str) -> None:
    """Seen and heard, in every language: at 0:00 the day begins."""
    texts = Texts.load(language)
    facts = {
        "certificates": (),
        "city": "x",
        "exact_only": False,
        "hours": {"from": "13:00", "until": "24:00"},
    }
    screen = Screen("menu", 1, language, facts=facts)
    assert "24:00" in render(screen, texts)
    words = voice.words(screen, texts)
    assert words[words.index(texts.get("spoken.ends")) + 1] == texts.get("spoken.hour", n=24)


@pytest.mark.parametrize(
    ("cause", "label"),
    [
        ("", "label.shut"),  # a city of an older build does not tell
        ("closed", "label.shut"),
        ("maintenance", "label.maintenance"),
        ("year-not-yet", "label.year-not-yet"),
    ],
)
def test_the_menu_says_why_a_certificate_is_shut_and_when_it_is_to_be_had(
    cause: str, label: str
) -> None:
    """None is told as another: one that is in maintenance is not outside its hours."""
    shut = {
        "kind": "kazei",
        "title": "所得・課税証明書",
        "fee": 100,
        "open": False,
        "opens_at": "2026-11-24T06:30:00+09:00",
        "refusal": cause,
    }
    facts = {"certificates": [shut], "city": "x", "exact_only": False, "hours": None}
    screen = Screen("menu", 1, "ja", facts=facts)
    said, shown = voice.words(screen, JA), render(screen, JA)
    at = said.index(JA.get(label))
    assert said[at + 1 : at + 3] == ("次に利用できるのは、", "11月")
    told = {
        each
        for each in ("label.shut", "label.maintenance", "label.year-not-yet")
        if JA.get(each) in shown
    }
    assert told == {label}
    assert JA.moment(shut["opens_at"]) in shown
    unknown = say("menu", JA, certificates=[{**shut, "opens_at": ""}])
    assert JA.get(label) in unknown
    assert "次に利用できるのは、" not in unknown


def test_whom_to_ask_about_another_citys_certificate_is_said() -> None:
    words = say(
        "refused", code="taxed-elsewhere", opens_at="", phone="078", returned=0, elsewhere=True
    )
    assert EN.get("label.inquiry") in words
    assert EN.get("label.office") not in words
