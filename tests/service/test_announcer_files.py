"""The voice and its files: one that is missing or damaged is not heard, and ends nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_announcer import EN, AtOnce, Ears, members

from firmware.flow.session import Mode
from firmware.service import announcer
from firmware.service.announcer import Announcer
from firmware.texts import recordings
from firmware.texts.phrase import Phrase, SpokenTexts
from firmware.texts.texts import Texts
from firmware.texts.voice import often, phrases
from firmware.tools.voice import record
from hal.faults import DeviceFault, Reason
from hal.speaker import wav


def bytes_of(phrase: Phrase, rate: int = 8000, samples: int = 80) -> bytes:
    return wav.encode(wav.Recording(rate, np.ones(samples, np.int16), str(phrase)))


def broken(kind: str, phrase: Phrase) -> bytes:
    whole = bytes_of(phrase)
    return {
        "nothing": b"",
        "random": bytes(np.random.default_rng(1).integers(0, 256, 500, np.uint8)),
        "a header": whole[:12],
        "cut short": whole[:-30],
        "longer": whole + b"\0" * 4096,
        "no sound": bytes_of(phrase, samples=0),
        "slow": bytes_of(phrase, rate=1),
        "fast": bytes_of(phrase, rate=2**30),
    }[kind]


BROKEN = ("nothing", "random", "a header", "cut short", "longer", "no sound", "slow", "fast")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder in which all of the screen of members is recorded."""
    for phrase in {*phrases(EN), *phrases(Texts.load("ja"))}:
        path = file_of(tmp_path, phrase)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes_of(phrase))
    return tmp_path


def file_of(folder: Path, phrase: Phrase) -> Path:
    return recordings._path(folder, recordings.VOICES[phrase.language], phrase)


def log_of(caplog: pytest.LogCaptureFixture) -> str:
    return repr([vars(record).get("facts") for record in caplog.records])


def says(folder: Path, slow: bool) -> tuple[tuple[str, ...], Announcer]:
    heard = Ears()
    voice = Announcer(heard, AtOnce(), folder, 60, ("en",), ("en",), private=True)
    voice.say(members(modes=frozenset({Mode.SLOW} if slow else ())))
    return heard.heard[-1], voice


def spoil(path: Path, kind: str, phrase: Phrase) -> None:
    if kind == "a folder":
        path.unlink(missing_ok=True)
        path.mkdir()
    elif kind == "in a circle":
        path.unlink(missing_ok=True)
        path.symlink_to(path.name)
    else:
        path.write_bytes(broken(kind, phrase))


@pytest.mark.parametrize("slow", [False, True])
def test_a_recording_that_is_damaged_is_left_out_and_named(
    recorded: Path, slow: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    whole, _ = says(recorded, slow)
    lost = SpokenTexts.of(EN).get("spoken.person", n=1)
    for kind in (*BROKEN, "a folder", "in a circle"):
        path = file_of(recorded, lost)
        spoil(path, kind, lost)
        caplog.clear()
        heard, _ = says(recorded, slow)
        assert heard == tuple(words for words in whole if words != lost), kind
        assert f"en/{path.name}" in log_of(caplog), kind
        path.rmdir() if path.is_dir() else path.unlink()
    caplog.clear()
    assert says(recorded, slow)[0] == heard  # one that is missing
    assert not caplog.records


def test_a_recording_of_which_any_part_is_lost_or_changed_is_whole_or_damaged(
    recorded: Path,
) -> None:
    dice = np.random.default_rng(7)
    phrase = SpokenTexts.of(EN).get("page.close")
    path, whole = file_of(recorded, phrase), bytes_of(phrase)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(recordings.Damaged):
            recordings.load(recorded, phrase)
    for _ in range(300):
        changed = bytearray(whole)
        changed[dice.integers(len(whole))] = dice.integers(256)
        path.write_bytes(changed)
        try:
            made = recordings.load(recorded, phrase)
        except recordings.Damaged:
            continue
        assert made is not None
        announcer._slower(made)


def test_the_log_does_not_spell_a_name(recorded: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for sound in "アカシ":
        file_of(recorded, Phrase(sound, "ja")).write_bytes(b"")
    assert "カ" not in says(recorded, slow=False)[0]
    assert "a sound of names" in log_of(caplog)
    for sound in "アカシ":
        assert file_of(recorded, Phrase(sound, "ja")).stem not in log_of(caplog)


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "voice"
    folder.write_text("no folder")
    heard, voice = says(folder, slow=True)
    assert heard == ()
    assert voice.spoken("ko") == "en"


def test_a_sound_device_that_is_dead_ends_nothing(recorded: Path) -> None:
    class Dead(Ears):
        def play(self, recordings: tuple[bytes, ...]) -> None:
            raise DeviceFault("speaker", Reason.SILENT, "dead")

    voice = Announcer(Dead(), AtOnce(), recorded, 60, ("en",), ("en",))
    voice.say(members())
    voice.confirm()
    voice.touched("hear", "next")


# -- languages that become complete


def test_a_language_speaks_as_soon_as_it_is_noted_as_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = Announcer(Ears(), AtOnce(), tmp_path, 60, ("ja", "en", "ko"), ("ja", "en"))
    made = voice_tool_records(monkeypatch)
    assert voice.spoken("ko") == "en"
    record(tmp_path, ("ko",), lambda _: None, often)  # what a demo begins with
    assert voice.spoken("ko") == "ko"
    assert len(made) == len(often(Texts.load("ko")))
    monkeypatch.setattr(recordings, "noted", pytest.fail)
    assert voice.spoken("ko") == "ko"  # nobody looks again


@pytest.mark.parametrize("note", [b"", b"something else", b"\xff" * 64])
def test_a_note_about_other_texts_is_none(tmp_path: Path, note: bytes) -> None:
    voice = Announcer(Ears(), AtOnce(), tmp_path, 60, ("ja", "en", "ko"), ("ja", "en"))
    (tmp_path / "ko").mkdir()
    (tmp_path / "ko" / "complete-ko").write_bytes(note)
    assert voice.spoken("ko") == "en"


def test_nobody_looks_for_each_recording_while_a_screen_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "missing", pytest.fail)
    voice = Announcer(Ears(), AtOnce(), tmp_path, 60, ("ja", "en", "ko"), ("ja", "en"))
    assert voice.spoken("ko") == "en"


def test_what_is_recorded_already_is_noted_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice_tool_records(monkeypatch)
    record(tmp_path, ("id", "tl"), lambda _: None)
    note = tmp_path / "id" / "complete-id"
    note.unlink()
    record(tmp_path, ("id", "tl"), lambda _: None)
    assert note.read_text() == recordings.mark("id", phrases(Texts.load("id")))


def voice_tool_records(monkeypatch: pytest.MonkeyPatch) -> list[Phrase]:
    """It records without the engines."""
    made: list[Phrase] = []

    def make(wanted: list[Phrase], folder: Path, _: object) -> None:
        made.extend(wanted)
        for phrase in wanted:
            path = file_of(folder, phrase)
            path.parent.mkdir(exist_ok=True)
            path.touch()

    monkeypatch.setattr("firmware.tools.voice._make", make)
    return made
