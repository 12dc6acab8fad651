from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hal.speaker import wav

samples = arrays.arrays(np.int16, st.integers(0, 300))
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@given(st.integers(1, 96_000), samples, texts)
def test_round_trip(rate: int, heard: wav.Samples, text: str) -> None:
    again = wav.decode(wav.encode(wav.Recording(rate, heard, text)))
    assert (again.rate, again.text, again.seconds) == (rate, text, len(heard) / rate)
    assert np.array_equal(again.samples, heard)


def test_others_read_it() -> None:
    made = wav.encode(
        wav.Recording(24_000, np.arange(480, dtype=np.int16), "カードを置いてください。")
    )
    with wave.open(io.BytesIO(made)) as file:
        assert file.getparams()[:4] == (1, 2, 24_000, 480)
        assert file.readframes(480) == np.arange(480, dtype="<i2").tobytes()


def test_a_recording_of_others() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(22_050)
        writer.writeframes(b"\x01\x00\x02\x00")
    assert wav.decode(file.getvalue()).samples.tolist() == [1, 2]
    assert wav.decode(file.getvalue()).text == ""


def test_a_data_length_as_programs_write_to_a_pipe() -> None:
    made = bytearray(wav.encode(wav.Recording(8000, np.array([5, 6], np.int16))))
    made[-8:-4] = b"\x00\xf0\xff\x7f"
    assert wav.decode(bytes(made)).samples.tolist() == [5, 6]


@given(st.binary(max_size=200))
def test_random_bytes(raw: bytes) -> None:
    for candidate in (raw, b"RIFF\0\0\0\0WAVE" + raw):
        try:
            wav.decode(candidate)
        except wav.WavError:
            continue


@given(samples, st.integers(-20, 200))
def test_volume(heard: wav.Samples, percent: int) -> None:
    scaled = wav.scale(wav.Recording(8000, heard, "x"), percent)
    assert scaled.text == "x"
    assert np.all(
        np.abs(scaled.samples.astype(int))
        <= np.abs(heard.astype(int)) * min(max(percent, 0), 100) / 100 + 1
    )
    assert percent < 100 or np.array_equal(scaled.samples, heard)
    assert percent > 0 or not scaled.samples.any()


@pytest.mark.parametrize(("channels", "width"), [(2, 2), (1, 1)])
def test_other_formats_are_refused(channels: int, width: int) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(8000)
        writer.writeframes(b"\0" * 8)
    with pytest.raises(wav.WavError):
        wav.decode(file.getvalue())
