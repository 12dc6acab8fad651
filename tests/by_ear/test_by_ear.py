"""Whole journeys with the ten-key pad and the spoken words alone: nobody looks at the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pad import LANGUAGES, Kiosk, recorded
from person import KEY_SOUND, Person

from firmware.panel.size import CABINET
from firmware.texts import recordings
from testbed.scenario_file import Script, Step

MOST_STEPS = 60
NOTHING = Script(title="by ear", steps=())
each_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "load", recorded)


def walk(
    language: str,
    card: str,
    wants: tuple[str, ...],
    stops: str = "",
    until: str = "",
    kiosk: Kiosk | None = None,
) -> tuple[Kiosk, list[str]]:
    """The kiosk behind the journey, and everything that was heard. The person wants words of these
    keys, or names; and ends at the first screen, or where the words of the key `until` are heard.
    """
    kiosk = kiosk or Kiosk(NOTHING)
    person = Person("ja", ())
    person.heard = kiosk.speaker.playing
    if language != "ja":  # "English press 2."
        other = Person(language, ())
        other.heard = kiosk.speaker.playing
        kiosk.press(other.offers()[other.word("name.language")])
    words = Person(language, ()).texts
    wanted = tuple(words.get(each) if words.has(each) else each for each in wants)
    person = Person(language, wanted, stops)
    hands: dict[str, Callable[[], object]] = {
        "screen.place.title": lambda: kiosk.card(Step(card=card)),
        "screen.pin.title": lambda: enter_pin(kiosk),
        "screen.remove.title": lambda: kiosk.card(Step(card="off")),
        "screen.paying.title": lambda: kiosk.coin(Step(coin=100)),
        "screen.sheets.title": lambda: kiosk.take(Step(take="sheets")),
    }
    welcome = Person("ja", ())
    everything: list[str] = []
    for _ in range(MOST_STEPS):
        person.heard = list(kiosk.speaker.playing)
        began = len(everything) > 0
        welcome.heard = person.heard  # the next person's screen begins in Japanese
        if (until and person.says(until)) or (began and welcome.says("screen.menu.title")):
            return kiosk, everything + person.heard
        everything += person.heard
        does = next((hands[title] for title in hands if person.says(title)), None)
        if does and not (stops and person.says(stops)):
            does()
        elif key := person.decide():
            kiosk.press(key)
        kiosk._settle()
    raise AssertionError(f"lost after {everything[-30:]}")


def enter_pin(kiosk: Kiosk) -> None:
    for digit in "1234":
        kiosk.press(digit)
        assert kiosk.speaker.playing == [KEY_SOUND]
    kiosk.press("Enter")


@each_language
@pytest.mark.parametrize("kind", ["juminhyo", "inkan", "kazei"])
def test_a_certificate(language: str, kind: str) -> None:
    kiosk, heard = walk(language, "taro", (f"kind.{kind}",))
    assert Person(language, ()).word("screen.thanks.title") in heard
    first = kiosk._journeys[0]
    assert first.permits.facts.fee.kept == 100
    assert first.flow.session.kind == kind


@each_language
def test_a_part_of_the_household_by_position(language: str) -> None:
    wants = ("kind.juminhyo", "option.scope.some", "spoken.own")
    kiosk, heard = walk(language, "taro", wants)
    assert Person(language, ()).texts.get("spoken.person", n=1) in heard
    assert kiosk._journeys[0].permits.facts.fee.kept == 100
    assert dict(kiosk._journeys[0].flow.session.answers)["scope"] == ("some",)


@each_language
def test_a_part_of_the_household_by_name_in_headphones(language: str) -> None:
    kiosk = Kiosk(NOTHING)
    kiosk.plug(True)
    wants = ("kind.juminhyo", "option.scope.some", "アカシハナコ")
    walk(language, "taro", wants, until="screen.confirm.title", kiosk=kiosk)
    hears = Person(language, ())
    hears.heard = kiosk.speaker.playing
    assert {"アカシハナコ", "アカシケンタ"} <= hears.names()
    members = kiosk.screen.facts["people"]["members"]
    printed = [each["reading"] for each in members if each["printed"]]
    assert printed == ["アカシ　ハナコ"]
    kiosk.plug(False)
    assert kiosk.speaker.playing == []  # quiet, in the middle of a name
    kiosk.press("*")
    hears.heard = kiosk.speaker.playing
    assert hears.word("screen.confirm.title") in hears.heard
    assert not hears.names()


@each_language
def test_where_on_this_cabinet_each_device_is(language: str) -> None:
    kiosk = Kiosk(NOTHING, cabinet=CABINET)
    _, heard = walk(language, "taro", ("kind.inkan",), kiosk=kiosk)
    words = Person(language, ()).word
    for part in ("card", "coins", "sheets", "receipt"):
        assert words(f"page.{part}.{CABINET[part]}") in heard, part


@each_language
def test_who_forgets_the_paper_is_told_again_where_it_is(language: str) -> None:
    kiosk = Kiosk(NOTHING, cabinet=CABINET)
    walk(language, "taro", ("kind.inkan",), until="screen.sheets.title", kiosk=kiosk)
    kiosk.announcer.speaker.stop()
    kiosk.wait(Step(wait="remind"))
    words = Person(language, ()).word
    assert {words("screen.sheets.title"), words(f"page.sheets.{CABINET['sheets']}")} <= {
        *kiosk.speaker.playing
    }


@each_language
def test_a_refusal(language: str) -> None:
    _, heard = walk(language, "yui", ("kind.inkan",), until="refusal.seal-not-registered.cause")
    words = Person(language, ()).word
    assert words("refusal.seal-not-registered.next") in heard
    assert words("action.back") in heard


@each_language
def test_a_cancel_before_paying(language: str) -> None:
    _, heard = walk(language, "taro", ("kind.inkan",), stops="screen.paying.title")
    assert Person(language, ()).word("refusal.cancelled.cause") in heard


@each_language
def test_time_runs_out_and_it_is_said_that_nothing_was_charged(language: str) -> None:
    kiosk, _ = walk(language, "taro", ("kind.inkan",), until="screen.paying.title")
    began = len(kiosk.speaker.history)
    kiosk.wait(Step(wait="limit"))
    kiosk._settle()
    warned = kiosk.speaker.history[began:]
    for key in ("time.third", "time.ten", "time.up.returns", "action.more-time"):
        assert Person(language, ()).word(key) in warned, key
    assert Person(language, ()).word("refusal.too-slow.cause") in kiosk.speaker.playing
