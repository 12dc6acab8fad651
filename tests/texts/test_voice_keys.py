"""By ear alone: every screen says what it is, what can be chosen with which key, what is chosen
now, and the keys that go on or back.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from panel_facts import every_screen, options

from firmware.flow.keys import ASIDE, DIGITS, GO, NAMES, Press, choices, keys
from firmware.flow.screens import Screen
from firmware.flow.session import Mode
from firmware.panel import samples
from firmware.texts import voice
from firmware.texts.texts import Texts
from firmware.texts.voice_names import SOUNDS, spell

EN = Texts.load("en")
OFFERED = ("ja", "en")


@pytest.mark.parametrize("language", ["ja-easy", "vi"])
def test_every_screen_says_its_keys(language: str) -> None:
    texts = Texts.load(language)
    pressed = {
        key: texts.about("card").get("spoken.press", button=texts.get(f"key.{name}"))
        for key, name in NAMES.items()
    }
    for screen in every_screen(language):
        words = voice.words(screen, texts, OFFERED)
        known = keys(screen, OFFERED)
        offered = choices(screen, OFFERED)
        assert words[0].strip(), screen.name
        said = [word for word in words if word in pressed.values()]
        wanted = [pressed[key] for key, _ in zip(DIGITS, offered, strict=False)]
        if offered and offered[0].action == "language":
            wanted = [
                Texts.load(each.value).get("spoken.press", button=key)
                for key, each in zip(DIGITS, offered, strict=False)
            ]
        assert all(word in words for word in wanted), (screen.name, words)
        for key in GO:
            if key in known and known[key] not in [known[k] for k in GO if k < key and k in known]:
                assert pressed[key] in said or known[key] in [known.get(k) for k in GO if k != key]
        for before, now in pairwise(words):
            assert not (before in pressed.values() and now in pressed.values()), screen.name
        chosen = [each for each in screen.facts.get("choices", ()) if each["chosen"]]
        assert words.count(texts.get("spoken.chosen")) == len(chosen), screen.name


def test_a_key_does_one_thing_and_every_button_that_goes_on_has_one() -> None:
    for screen in every_screen("ja"):
        known = keys(screen, OFFERED)
        assert all(known[key] == press for key, press in ASIDE.items())
        done = {press.action for press in known.values()}
        left = {*screen.actions} - done - {"language", "mode", "more-time"}
        if screen.facts.get("sensor"):
            left -= {"taken"}  # the sensor says so
        assert not left, (screen.name, left)


def test_the_digits_of_the_pin_have_no_words() -> None:
    pin = Screen("pin", 1, "en", ("enter", "clear", "cancel"), facts={"notice": "", "tries": 3})
    for digit in "0123456789":
        assert keys(pin, ())[digit] == Press("digit", digit)
        assert voice.stepped(pin, EN, Press("digit", digit)) == ()


def members(*chosen: str) -> Screen:
    facts = options("members", "many", ("m1", "m2"), ("明石　太郎", "GARCIA"), minimum=1)
    for each, own, reading in zip(
        facts["choices"], (True, False), ("アカシ　タロウ", ""), strict=True
    ):
        each |= {"own": own, "reading": reading, "chosen": each["id"] in chosen}
    return Screen("options", 1, "en", ("pick", "next", "back", "cancel"), facts=facts)


def test_people_are_told_by_position() -> None:
    words = voice.words(members(), EN)
    at = words.index("Person 1")
    assert words[at : at + 5] == ("Person 1", "yourself", "press 1.", "Person 2", "press 2.")
    assert EN.get("spoken.none-chosen") in words


def test_people_are_told_by_name_where_nobody_else_can_hear() -> None:
    words = voice.words(members(), EN, private=True)
    at = words.index("yourself")
    assert words[at + 1 : at + 8] == (*"アカシタロウ", "press 1.")
    assert {phrase.language for phrase in spell("アカシ")} == {"ja"}
    assert set(spell("アカシ　タロウ")) <= voice.phrases(Texts.load("ja"))


@pytest.mark.parametrize(
    ("reading", "sounds"),
    [
        ("シュミット　アナ", ("シュ", "ミ", "小さいツ", "ト", "ア", "ナ")),
        ("キャサリン・リー", ("キャ", "サ", "リ", "ン", "リ", "のばす音")),
        ("GARCIA", ()),
        ("明石", ()),
        ("", ()),
    ],
)
def test_a_reading_is_spelled_or_left_out_as_a_whole(reading: str, sounds: tuple[str, ...]) -> None:
    assert spell(reading) == sounds
    assert len(set(SOUNDS)) == len(SOUNDS)


def test_only_what_has_changed_is_said() -> None:
    said = voice.changed(members(), members("m2"), EN)
    assert said[:2] == ("Person 2", "This is chosen.")
    assert said[2:4] == ("Next", "press Enter.")
    said = voice.changed(members("m2"), members(), EN)
    assert said[:2] == ("Person 2", "This is not chosen any more.")
    assert voice.changed(members(), members(), EN) == ()


def test_slower_is_said() -> None:
    slow = Screen("menu", 1, "en", modes=frozenset({Mode.SLOW}))
    usual = Screen("menu", 1, "en")
    assert voice.changed(usual, slow, EN) == ("I speak more slowly.",)
    assert voice.changed(slow, usual, EN) == ("I speak at the usual speed.",)


def test_more_choices_than_digits_are_reached_by_steps() -> None:
    facts = options("members", "many", tuple(f"m{n}" for n in range(12)), ("名",) * 12, minimum=1)
    words = voice.words(Screen("options", 1, "en", ("pick", "next"), facts=facts), EN)
    assert EN.get("spoken.more") in words
    assert "Person 12" in words
    assert voice.stepped(
        Screen("options", 1, "en", ("pick",), facts=facts), EN, Press("pick", "m11")
    )


def test_a_fiscal_year_is_said() -> None:
    year = options("year", "one", ("y2026",), ("令和8年度",))
    words = voice.words(Screen("options", 1, "en", ("pick",), facts=year), EN)
    said = ("Fiscal year 2026", "Reiwa 8", "Income of the year 2025", "press 1.")
    assert said == words[2:6]


def test_where_a_device_is_is_said() -> None:
    places = {"coins": "left", "card": "right"}
    screens = {screen.name: screen for screen in samples.screens("en")}
    assert EN.get("page.coins.left") in voice.words(screens["paying"], EN, cabinet=places)
    assert EN.get("page.card.right") in voice.words(screens["place"], EN, cabinet=places)
