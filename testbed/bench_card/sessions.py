"""Whole sessions with one virtual card, by three clients through the same pcscd."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from firmware.service.card_desk import load_trust
from hal.card import jpki
from hal.card.check import check_card_certificate, check_signature
from hal.card.contract import CardPresence, Stay
from hal.card.jpki import DIGEST_INFO_SHA256
from hal.card.pcsc import PcscReader
from hal.faults import DeviceFault
from hal.sim.card.pki import load_card
from hal.sim.card.wire import CardFaults, CardProgram
from testbed.ports import HOST
from testbed.rehearsal_error import RehearsalError

SOURCE: Final = Path(__file__).with_name("session.c")
COMPILE: Final = ("gcc", "-O2", "-I/usr/include/PCSC", str(SOURCE), "-lpcsclite", "-o")
TEXT: Final = b"a session to be measured"
COME_S: Final = 10.0
CLIENTS: Final = {
    "kiosk": "kiosk, connect to power off",
    "c": "C program, connect to power off",
    "c-process": "C program, the whole process",
    "pkcs11-tool": "pkcs11-tool --sign, the process",
}


@dataclass(frozen=True)
class Pace:
    """How slow the card is, in milliseconds."""

    apdu_ms: float
    sign_ms: float


@dataclass(frozen=True)
class Cost:
    """APDUs and median milliseconds of one session."""

    apdus: int
    ms: float


class Clients:
    """A context manager: inside it the card lies on the reader. `missing` tells what cannot be
    measured here.
    """

    def __init__(self, card: Path, pin: str, reader: str, port: int, folder: Path) -> None:
        self._card = card
        self._pin = pin
        self._name = reader
        self._folder = folder
        self._program = CardProgram(load_card(card), (HOST, port), CardFaults())
        self._reader = PcscReader(reader)
        self._trusted = load_trust((card / "ca.der",))
        self._compiled = folder / "session"
        self.missing: list[str] = []

    def __enter__(self) -> Clients:
        self._program.insert()
        if (
            not shutil.which("gcc")
            or subprocess.run([*COMPILE, str(self._compiled)], capture_output=True).returncode
        ):
            self.missing.append("the C program: apt install gcc libpcsclite-dev")
        if not shutil.which("pkcs11-tool"):
            self.missing.append("pkcs11-tool: apt install opensc")
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._program.remove()

    def measure(self, pace: Pace, sessions: int) -> Mapping[str, Cost]:
        """Medians of `sessions` sessions of each client. Raises RehearsalError when one of them
        fails.
        """
        self._program.faults.apdu_ms = pace.apdu_ms
        self._program.faults.sign_ms = pace.sign_ms
        found = {"kiosk": self._cost(self._kiosk_session(), sessions)}
        if self._compiled.exists():
            inner: list[float] = []
            whole = self._cost(lambda: inner.append(self._c()), sessions)
            found |= {"c": Cost(whole.apdus, round(median(inner[1:]), 2)), "c-process": whole}
        if shutil.which("pkcs11-tool"):
            found["pkcs11-tool"] = self._cost(self._pkcs11_tool, max(3, sessions // 4))
        return found

    def _cost(self, session: Callable[[], object], sessions: int) -> Cost:
        """One to warm up, then as many as asked."""
        session()
        took = []
        before = self._program.apdus
        for _ in range(sessions):
            began = time.monotonic()
            session()
            took.append((time.monotonic() - began) * 1000)
        return Cost(round((self._program.apdus - before) / sessions), round(median(took), 2))

    def _kiosk_session(self) -> Callable[[], object]:
        """The kiosk's own drivers and checks, as its card desk uses them."""
        if self._reader.status().stay is None:
            self._reader.start(lambda _: None)
        stay = self._come()

        def session() -> None:
            try:
                channel = self._reader.connect(stay)
                try:
                    facts = jpki.begin(channel)
                    der = jpki.read_ahead(channel, facts) or b""
                    check_card_certificate(der, self._trusted, datetime.now(UTC), allow_test=True)
                    jpki.verify(channel, bytearray(self._pin.encode()), facts)
                    digest = hashlib.sha256(TEXT).digest()
                    check_signature(der, digest, jpki.sign(channel, digest, facts))
                finally:
                    channel.disconnect()
            except DeviceFault as fault:
                raise RehearsalError(str(fault)) from None

        return session

    def _come(self) -> Stay:
        end = time.monotonic() + COME_S
        while time.monotonic() < end:
            status = self._reader.status()
            if status.presence is CardPresence.PRESENT and status.stay:
                return status.stay
            time.sleep(0.02)
        raise RehearsalError("pcscd does not see the virtual card")

    def _c(self) -> float:
        """What the program says it took; its signature is checked, or it would measure nothing."""
        out = self._folder / "c.out"
        digest = hashlib.sha256(TEXT).digest()
        words = [str(self._compiled), self._name, (DIGEST_INFO_SHA256 + digest).hex(), str(out)]
        said = self._run(words, self._pin.encode())
        der = (self._card / "certificate.der").read_bytes()
        check_signature(der, digest, out.read_bytes().removeprefix(der))
        return float(said.split()[1])

    def _pkcs11_tool(self) -> None:
        source = self._folder / "text"
        out = self._folder / "signature"
        source.write_bytes(TEXT)
        sign = (
            "--slot",
            "0",
            "--login",
            "--pin",
            self._pin,
            "--id",
            "01",
            "--sign",
            "-m",
            "SHA256-RSA-PKCS",
        )
        self._run(["pkcs11-tool", *sign, "-i", str(source), "-o", str(out)])
        check_signature(
            (self._card / "certificate.der").read_bytes(),
            hashlib.sha256(TEXT).digest(),
            out.read_bytes(),
        )

    def _run(self, words: list[str], given: bytes = b"") -> str:
        done = subprocess.run(words, input=given, capture_output=True)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise RehearsalError(f"{Path(words[0]).name}: {said[-1] if said else 'failed'}")
        return done.stdout.decode()
