"""Speech is really made. (The recipe lives with the texts; what it makes is for the speaker.)"""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware.texts import engines, recordings
from firmware.texts.phrase import Phrase
from hal.speaker import wav
from hal.speaker.loudness import TARGET, loudness, true_peak

JAPANESE = pytest.mark.skipif(
    importlib.util.find_spec("pyopenjtalk") is None, reason="pyopenjtalk-plus is missing"
)
ESPEAK = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is missing")
OTHERS = {
    "en": "Please place your card on the reader.",
    "zh-Hans": "请把卡放在读卡器上。",
    "zh-Hant": "請把卡放在讀卡器上。",
    "ko": "카드를 판독기에 올려놓으세요.",
    "vi": "Vui lòng đặt thẻ lên đầu đọc.",
    "pt": "Coloque o cartão no leitor.",
    "ne": "कार्ड रिडरमा राख्नुहोस्।",
    "id": "Letakkan kartu di pembaca.",
}
PHRASES = [
    pytest.param(
        Phrase("マイナンバーカードを置《お》いてください。", "ja"), marks=JAPANESE, id="ja"
    ),
    *(pytest.param(Phrase(text, each), marks=ESPEAK, id=each) for each, text in OTHERS.items()),
]


def test_every_voice_is_tried() -> None:
    assert {*recordings.VOICES} == {*OTHERS, "ja", "ja-easy"}


@pytest.mark.parametrize("phrase", PHRASES)
def test_it_is_speech(phrase: Phrase, tmp_path: Path) -> None:
    recordings.record(phrase, tmp_path)
    made = recordings.load(tmp_path, phrase)
    assert made is not None
    speech = wav.decode(made)
    assert speech.text == str(phrase)
    assert 1.0 < speech.seconds < 5
    heard = speech.samples.astype(float) / 32768
    # syllables: the loudness of 20 ms pieces rises and falls; a tone or noise does not
    piece = speech.rate // 50
    pieces = np.sqrt((heard[: len(heard) // piece * piece].reshape(-1, piece) ** 2).mean(axis=1))
    assert pieces.std() > 0.4 * pieces.mean()
    # and most of what is heard lies where voices do
    power = np.abs(np.fft.rfft(heard)) ** 2
    frequency = np.fft.rfftfreq(len(heard), 1 / speech.rate)
    assert power[(frequency > 80) & (frequency < 4000)].sum() > 0.8 * power.sum()


LEVELLED = [
    *(pytest.param(Phrase(text, "ja"), marks=JAPANESE) for text in ("1", "は、1。", "百円", "ア")),
    *(pytest.param(Phrase(text, "en"), marks=ESPEAK) for text in ("2", "press 2.", "100 yen", "A")),
    *PHRASES,
]


@pytest.mark.parametrize("phrase", LEVELLED)
def test_all_recordings_are_equally_loud(phrase: Phrase, tmp_path: Path) -> None:
    recordings.record(phrase, tmp_path)
    speech = wav.decode(recordings.load(tmp_path, phrase) or b"")
    heard = speech.samples / 32768
    assert loudness(heard, speech.rate) == pytest.approx(TARGET, abs=0.5)
    assert true_peak(heard) < -0.9


@JAPANESE
def test_the_readings_that_a_text_gives_are_kept_to() -> None:
    assert engines.as_read("何通《なんつう》いりますか") == "なんつういりますか"
    assert engines.as_read("市役所《しやくしょ》へ") == "市役所へ"


@pytest.mark.parametrize("phrase", [PHRASES[0], PHRASES[1]])
def test_only_what_is_missing(
    phrase: Phrase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings.record(phrase, tmp_path)
    voice = recordings.VOICES[phrase.language]
    (file,) = (tmp_path / voice.folder).iterdir()
    silent = {phrase.language: replace(voice, speak=pytest.fail)}
    monkeypatch.setattr(recordings, "VOICES", {**recordings.VOICES, **silent})
    recordings.record(phrase, tmp_path)
    assert list((tmp_path / voice.folder).iterdir()) == [file]
    other = Phrase(f"{phrase}!", phrase.language)
    assert recordings.load(tmp_path, other) is None
    assert recordings.missing(tmp_path, [phrase, other]) == [other]


@JAPANESE
def test_languages_of_one_voice_share_their_recordings(tmp_path: Path) -> None:
    recordings.record(Phrase("1", "ja"), tmp_path)
    assert recordings.load(tmp_path, Phrase("1", "ja-easy")) is not None


def test_another_reading_is_another_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "VOICES", {"ja": recordings.Voice("ja", "a tone", tone)})
    recordings.record(Phrase("市《し》", "ja"), tmp_path)
    assert recordings.load(tmp_path, Phrase("市《し》", "ja")) is not None
    assert recordings.load(tmp_path, Phrase("市《いち》", "ja")) is None


@pytest.mark.parametrize("left", [0, 11, 500])
def test_a_damaged_one_is_missing_and_made_anew(
    left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut to so many bytes, as a copy that was interrupted leaves it."""
    monkeypatch.setattr(recordings, "VOICES", {"ja": recordings.Voice("ja", "a tone", tone)})
    phrase = Phrase("市", "ja")
    recordings.record(phrase, tmp_path)
    [path] = (tmp_path / "ja").iterdir()
    whole = path.read_bytes()
    assert recordings.missing(tmp_path, [phrase]) == []
    path.write_bytes(whole[:left])
    assert recordings.missing(tmp_path, [phrase]) == [phrase]
    recordings.record(phrase, tmp_path)
    assert path.read_bytes() == whole


def tone(_: Phrase) -> engines.Speech:
    return np.sin(np.arange(8000.0)), 8000


def test_silence_is_not_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = recordings.Voice("en", "silent", lambda _phrase: (np.zeros(100), 8000))
    monkeypatch.setattr(recordings, "VOICES", {"en": silent})
    with pytest.raises(engines.VoiceError):
        recordings.record(Phrase("hello", "en"), tmp_path)
    assert recordings.load(tmp_path, Phrase("hello", "en")) is None


def test_a_language_without_a_voice(tmp_path: Path) -> None:
    with pytest.raises(engines.VoiceError):
        recordings.record(Phrase("Kumusta", "tl"), tmp_path)
    assert recordings.load(tmp_path, Phrase("Kumusta", "tl")) is None
    assert recordings.missing(tmp_path, [Phrase("Kumusta", "tl")])
    assert recordings.ready(("ja", "tl", "en"), None) == ("ja", "en")
    assert recordings.ready(("ja", "tl", "en"), ()) == ()
    assert recordings.ready(("ja", "tl", "en"), ("ja",)) == ("ja",)
