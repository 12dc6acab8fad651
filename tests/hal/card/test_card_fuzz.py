"""Arbitrary bytes as a card's answers, and as what reaches the virtual card.

`CARD_FUZZ` in the environment sets the number of sessions; each is a seed of its own, so a failure
tells its number.
"""

from __future__ import annotations

import os
import random
import resource
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from card_bench import PIN, Direct, until, whole_session
from cryptography import x509

from hal.card.exchange import MOST_APDUS
from hal.card.jpki import CardRefused
from hal.faults import DeviceFault, Reason
from hal.sim.card.applet import AID, Applet
from hal.sim.card.pki import CardCa, load_card
from hal.sim.card.wire import CardProgram

SESSIONS = int(os.environ.get("CARD_FUZZ", "1000"))
COMMANDS, CONNECTIONS = 10_000, 40
CARDS: tuple[dict[str, Any], ...] = (
    {},
    {"kind": "android"},
    {"short_ef": False},
    {"t0": True, "chunk": 100, "exact_le": True},
    {"first_6f00": True, "read_limit": 90},
)
STATUS_WORDS = bytes.fromhex(
    "9000610061FF620062826300630163C063C163C363CF670069826983698469856986"
    "6A806A816A826A866A886B006C006C016CFF6D006E006F006F85FFFF0000"
)
HEADS = (
    "00a4040c0a" + AID.hex(),
    "00a4020c02",
    "00a404000a" + AID.hex(),  # with P2 = 00, where 0C was refused
    "00a4020002",
    "00b0",
    "00200080",
    "00200098",
    "00c00000",
    "802a0080",
    "802a0097",
)
VERIFY = {f"0020{p1p2}04{PIN.encode().hex()}" for p1p2 in ("0080", "0098")}


@dataclass(frozen=True)
class Recording:
    """What one card answers to each command of a good session."""

    answers: Mapping[bytes, bytes]
    fingerprint: str


class Recorder(Direct):
    def __init__(self, applet: Applet) -> None:
        super().__init__(applet)
        self.answers: dict[bytes, bytes] = {}

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        command = bytes(apdu)
        answer = super().transmit(apdu)
        self.answers[command] = (
            answer  # of the same command twice, the later: a first 6F00 is no recording
        )
        return answer


class Liar:
    """Answers as recorded, or not, as one seed has it: once, or again and again. Notes what it is
    sent.
    """

    def __init__(self, recording: Recording, seed: int) -> None:
        self.sent: list[str] = []
        self._recorded = recording.answers
        self._luck = luck = random.Random(seed)
        self._odds = luck.choice((0.0, 0.0, 0.0, 0.02, 0.1, 0.3, 1.0))
        self._once = luck.randrange(12)
        self._lies = luck.sample(LIES, luck.randint(1, 3))

    @property
    def exchanged(self) -> int:
        return len(self.sent)

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        self.sent.append(apdu.hex())
        answer = self._recorded.get(bytes(apdu), b"\x6a\x86")
        once = not self._odds and len(self.sent) - 1 == self._once
        if not once and self._luck.random() >= self._odds:
            return answer
        return self._luck.choice(self._lies)(answer, self._luck)

    def disconnect(self) -> None:
        pass


def flipped(answer: bytes, luck: random.Random) -> bytes:
    changed = bytearray(answer)
    for _ in range(luck.choice((1, 1, 1, 4, 32))):
        changed[luck.randrange(len(changed))] ^= 1 << luck.randrange(8)
    return bytes(changed)


def removed(answer: bytes, luck: random.Random) -> bytes:
    raise DeviceFault("card", luck.choice((Reason.REMOVED, Reason.SILENT, Reason.GARBLED)))


def other_status(answer: bytes, luck: random.Random) -> bytes:
    at = 2 * luck.randrange(len(STATUS_WORDS) // 2)
    return luck.choice((answer[:-2], b"")) + STATUS_WORDS[at : at + 2]


LIES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flipped,
    removed,
    *[other_status] * 3,
    lambda answer, luck: luck.randbytes(luck.choice((0, 1, 2, 3, 16, 256, 258, 300))),
    lambda answer, luck: answer[: luck.randrange(len(answer))],
    lambda answer, luck: answer[luck.randrange(len(answer)) :],
    lambda answer, luck: answer[:-2] + luck.randbytes(luck.randrange(300)) + answer[-2:],
    lambda answer, luck: luck.randbytes(luck.randrange(257)) + b"\x90\x00",
    lambda answer, luck: luck.randbytes(luck.randrange(3)) + b"\x61" + luck.randbytes(1),
    lambda answer, luck: b"\x30\x82" + luck.randbytes(luck.randrange(255)) + b"\x90\x00",
    lambda answer, luck: b"\x30\x82\x0f\xff\x00\x90\x00",
    lambda answer, luck: b"\x30\x90\x00",
)


@pytest.fixture(scope="module")
def recordings(folder: Path, ca: CardCa) -> list[Recording]:
    made = []
    for options in CARDS:
        recorder = Recorder(load_card(folder, options=options))
        profile = whole_session(recorder, [ca.certificate])
        made.append(Recording(recorder.answers, profile.fingerprint))
    return made


def test_any_answers_end_in_a_typed_refusal_or_fault(
    recordings: list[Recording], ca: CardCa
) -> None:
    trusted = [ca.certificate]
    ends = {"passed": 0, "refused": 0, "fault": 0}
    longest, memory = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(SESSIONS):
        recording = recordings[seed % len(recordings)]
        liar = Liar(recording, seed)
        end = session(liar, trusted, recording)
        ends[end] += 1
        longest = max(longest, liar.exchanged)
        assert liar.exchanged <= MOST_APDUS, seed
        verified = [apdu for apdu in liar.sent if apdu.startswith("0020") and len(apdu) > 8]
        assert set(verified) <= VERIFY, seed
        assert len(verified) <= 1, f"{seed}: a try was spent that nobody asked for"
        assert all(apdu.startswith(HEADS) for apdu in liar.sent), seed
    assert min(ends.values()) > SESSIONS // 1000, ends
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert grown < 64_000, f"{grown} KiB more"
    print(f"\n{SESSIONS} sessions: {ends}, {longest} APDUs at most, {grown} KiB more memory")


def session(liar: Liar, trusted: list[x509.Certificate], recording: Recording) -> str:
    try:
        profile = whole_session(liar, trusted)
    except CardRefused:
        return "refused"
    except DeviceFault:
        return "fault"
    assert profile.fingerprint == recording.fingerprint, "a certificate passed that nobody issued"
    return "passed"


def test_any_command_leaves_the_virtual_card_standing(folder: Path) -> None:
    luck = random.Random(1)
    cards = [
        load_card(folder, options={**options, "extended": True})
        for options in (*CARDS, {"state_query": True})
    ]
    for number in range(COMMANDS):
        card = luck.choice(cards)
        apdu = any_command(luck)
        before = card.tries
        answer = card.handle(apdu)
        assert 2 <= len(answer) <= 65_538, number
        assert card.tries >= before or is_verify(apdu), number
        if luck.random() < 0.02:
            luck.choice((card.power_off, card.reset))()


def any_command(luck: random.Random) -> bytes:
    apdu = bytes.fromhex(
        luck.choice((*HEADS, HEADS[0], "00b08a00", "00a4020c02000a", "00c0000000", ""))
    )
    if luck.random() < 0.7:
        apdu += luck.choice(
            (b"\x00", b"", b"\x00\x00\x00", b"\x04", b"\x00\x00\x04")
        ) + luck.randbytes(luck.choice((0, 0, 2, 4)))
    else:
        apdu += luck.randbytes(luck.randrange(300))
    return flipped(apdu, luck) if apdu and luck.random() < 0.2 else apdu


def is_verify(apdu: bytes) -> bool:
    """A well-formed VERIFY of the four-digit PIN, with a short or an extended length."""
    data = apdu[4:]
    return (
        apdu[:3] == b"\x00\x20\x00"
        and (data[:1] == b"\x04" or data[:3] == b"\x00\x00\x04")
        and len(data) in (5, 7)
    )


def test_anything_on_the_wire_leaves_the_card_program_serving(
    folder: Path, listener: socket.socket, ca: CardCa
) -> None:
    luck = random.Random(2)
    program = CardProgram(load_card(folder), listener.getsockname()[:2])
    program.insert()
    listener.settimeout(5)
    for _ in range(CONNECTIONS):
        reader, _ = listener.accept()
        with reader:
            reader.settimeout(0.01)
            for _ in range(luck.randrange(4)):
                command = any_command(luck)
                noise = luck.randbytes(luck.randrange(9))
                payload = luck.choice(
                    (b"\x01", b"\x04", b"\x02", noise if is_verify(command) else command, noise)
                )
                size = luck.choice((len(payload), len(payload), luck.randrange(65_536)))
                try:
                    reader.sendall(size.to_bytes(2, "big") + payload)
                    reader.recv(4096)
                except OSError:
                    break
    reader, _ = listener.accept()
    with reader:
        until(lambda: program.connected)
        reader.settimeout(5)
        reader.sendall(b"\x00\x01\x01\x00\x01\x04")
        assert reader.recv(64)[2:4] == b"\x3b\xe0"
    program.remove()
    assert program.applet.tries == 3, "no frame of these holds a PIN"
    assert whole_session(Direct(program.applet), [ca.certificate])
