"""WAV recordings: 16-bit mono PCM, what is said in LIST/INFO INAM (UTF-8). Pure.

Source: RIFF, "Multimedia Programming Interface and Data Specifications 1.0" (1991). A chunk has a
4-byte name, a little-endian length and is padded to even.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
# PCM, channels, rate, bytes a second, bytes a sample, bits a sample
FORMAT = struct.Struct("<HHIIHH")


class WavError(ValueError):
    """Not a 16-bit mono PCM recording."""


@dataclass(frozen=True)
class Recording:
    """`rate` in samples a second, `samples` shape (n,), `text` what is said, "" when the recording
    does not tell.
    """

    rate: int
    samples: Samples
    text: str = ""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def encode(recording: Recording) -> bytes:
    rate = recording.rate
    title = recording.text.encode() + b"\x00"
    chunks = (
        _chunk(b"fmt ", FORMAT.pack(1, 1, rate, 2 * rate, 2, 16))
        + _chunk(b"LIST", b"INFO" + _chunk(b"INAM", title))
        + _chunk(b"data", recording.samples.astype("<i2").tobytes())
    )
    return _chunk(b"RIFF", b"WAVE" + chunks)


def decode(wav: bytes) -> Recording:
    """Raises WavError. The data chunk may promise more than there is: programs that write to a pipe
    do that.
    """
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        raise WavError("not a WAV file")
    chunks = _chunks(wav[12:])
    if len(chunks.get(b"fmt ", b"")) < FORMAT.size or b"data" not in chunks:
        raise WavError("no format or no data")
    coding, channels, rate, _, _, bits = FORMAT.unpack_from(chunks[b"fmt "])
    if (coding, channels, bits) != (1, 1, 16) or not rate:
        raise WavError(f"coding {coding}, {channels} channels, {bits} bits")
    data = chunks[b"data"]
    info = chunks.get(b"LIST", b"")
    title = _chunks(info[4:]).get(b"INAM", b"") if info[:4] == b"INFO" else b""
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)
    return Recording(rate, samples, title.rstrip(b"\x00").decode("utf-8", "replace"))


def scale(recording: Recording, percent: int) -> Recording:
    """As loud as `percent` (0..100) of what it is."""
    louder = recording.samples.astype(np.int32) * max(0, min(percent, 100)) // 100
    return Recording(recording.rate, louder.astype(np.int16), recording.text)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)


def _chunks(raw: bytes) -> dict[bytes, bytes]:
    """The first chunk of each name."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at + 8 <= len(raw):
        (length,) = struct.unpack_from("<I", raw, at + 4)
        found.setdefault(raw[at : at + 4], raw[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return found
