"""The card's desk at a real socket with a virtual card: what is done before the PIN, and what a PIN is worth after."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from firmware.flow import events as e
from firmware.service import card_work
from firmware.service.card_work import CardDesk
from firmware.service.vault import Vault
from hal.card import jpki
from hal.card.contract import Presence
from hal.card.vpcd import SocketReader
from hal.sim.card.flaws import flawed
from hal.sim.card.pki import CardCa, load_card, make_card, make_card_ca
from hal.sim.card.wire import CardFaults, CardProgram

PIN = "4071"
VERIFY, READ, SIGN = 0x20, 0xB0, 0x2A
LONGEST_S = 5.0
DAY = timedelta(days=1)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CardCa:
    return make_card_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def folder(ca: CardCa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, now = tmp_path_factory.mktemp("card"), datetime.now(UTC)
    make_card(folder, ca, "T0001234567890A", PIN, now - 400 * DAY, now + 400 * DAY)
    return folder


@dataclass
class Counter:
    """A desk, its reader and the card of one folder; `sent` holds each command's INS and the size of its data."""

    desk: CardDesk
    program: CardProgram
    reader: SocketReader
    sent: list[tuple[int, int]] = field(default_factory=list)
    vault: Vault = field(default_factory=lambda: Vault("5" * 32))
    epoch: int = 0

    def lay(self) -> e.Event:
        """Set the card down and read it."""
        until(lambda: self.reader.status().presence is Presence.ABSENT)
        self.program.insert()
        until(lambda: self.reader.status().presence is Presence.PRESENT)
        stay = self.reader.status().stay
        assert stay is not None
        self.epoch += 1
        return self.desk.read(self.epoch, stay)

    def ahead(self) -> e.Event | None:
        return self.desk.read_ahead(self.epoch)

    def enter(self, pin: str = PIN) -> e.Event:
        for digit in pin:
            self.vault.pin.add(int(digit))
        self.sent.clear()
        return self.desk.authenticate(self.epoch, self.vault, "kiosk-1", bytes(32))

    @property
    def verified(self) -> int:
        """VERIFY commands with a PIN in them."""
        return sum(1 for ins, size in self.sent if ins == VERIFY and size)


Lay = Callable[..., Counter]


@pytest.fixture
def counter(ca: CardCa) -> Iterator[Lay]:
    made: list[Counter] = []

    def make(folder: Path, *, trusted: bool = True, phone: bool = False, flaw: str = "") -> Counter:
        listener = socket.create_server(("127.0.0.1", 0))
        reader = SocketReader(listener, deadline_s=0.5)
        card = folder / "card.toml"
        lines = [line for line in card.read_text().splitlines() if not line.startswith("phone")]
        card.write_text("\n".join([*lines, f"phone = {json.dumps(phone)}"]))
        change = flawed(flaw, ca) if flaw else None
        program = CardProgram(load_card(folder, change=change), listener.getsockname()[:2], CardFaults())
        found = Counter(CardDesk(reader, (ca.certificate,) if trusted else (), True), program, reader)
        execute = program.applet.handle

        def handle(apdu: bytes) -> bytes:
            found.sent.append((apdu[1], apdu[4] if len(apdu) > 5 else 0))
            return execute(apdu)

        program.applet.handle = handle  # type: ignore[method-assign]
        reader.start(lambda _: None)
        made.append(found)
        return found

    yield make
    for found in made:
        found.program.remove()
        found.reader.close()


def test_after_the_last_digit_only_verify_and_sign(counter: Lay, folder: Path) -> None:
    at = counter(folder)
    assert at.lay() == e.CardRead(epoch=1, tries=3)
    assert at.ahead() is None
    assert at.desk.reading is not None and at.desk.reading.key is not None
    ahead = at.desk.reading.key.public
    assert isinstance(at.enter(), e.CardAuthenticated)
    assert [ins for ins, _ in at.sent] == [VERIFY, SIGN]
    assert at.vault.certificate == (folder / "certificate.der").read_bytes()
    assert at.vault.key is not None and at.vault.key.public == ahead
    assert at.desk.reading is None, "nothing is kept of a card that is done with"
    until(lambda: not at.program.applet.verified)


def test_a_wrong_pin_costs_one_verify_and_reads_nothing_again(counter: Lay, folder: Path) -> None:
    at = counter(folder)
    at.lay()
    at.ahead()
    assert at.enter("9999") == e.PinWrong(epoch=1, tries=2)
    assert at.sent == [(VERIFY, 4)]
    assert isinstance(at.enter(), e.CardAuthenticated)
    assert [ins for ins, _ in at.sent] == [VERIFY, SIGN]


def test_a_phone_is_read_after_the_pin(counter: Lay, folder: Path) -> None:
    at = counter(folder, phone=True)
    at.lay()
    assert at.ahead() is None, "not yet is not never"
    assert isinstance(at.enter(), e.CardAuthenticated)
    reads = [ins for ins, _ in at.sent]
    assert (reads[0], reads[-1], set(reads[1:-1])) == (VERIFY, SIGN, {READ})


def test_who_is_quicker_than_the_reading_ahead_loses_nothing(counter: Lay, folder: Path) -> None:
    at = counter(folder)
    at.lay()
    assert isinstance(at.enter(), e.CardAuthenticated)
    assert at.verified == 1


@pytest.mark.parametrize("phone", [False, True])
def test_the_command_that_signs_is_the_one_for_the_certificate_s_key(
    counter: Lay, folder: Path, phone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table with no other row: whoever takes another kind than the certificate's finds nothing."""
    later = SimpleNamespace(kind=jpki.KeyKind.P384)
    monkeypatch.setattr(card_work, "check_card_certificate", lambda *_: later)
    monkeypatch.setattr(jpki, "SIGN_COMMANDS", {later.kind: jpki.SIGN_COMMANDS[jpki.KeyKind.RSA]})
    at = counter(folder, phone=phone)
    at.lay()
    at.ahead()
    assert isinstance(at.enter(), e.CardAuthenticated)


@pytest.mark.parametrize(("since", "until_", "cause"), [(-400, -5, "card-expired"), (5, 400, "card-too-new")])
def test_a_card_out_of_its_time_is_told_before_the_pin(
    counter: Lay, ca: CardCa, tmp_path: Path, since: int, until_: int, cause: str
) -> None:
    now = datetime.now(UTC)
    make_card(tmp_path, ca, "T0001234567890B", PIN, now + since * DAY, now + until_ * DAY)
    at = counter(tmp_path)
    assert at.lay() == e.CardRead(epoch=1, tries=3)
    assert at.ahead() == e.CardFailed(epoch=1, cause=cause)
    assert isinstance(at.enter(), e.CardFailed)
    assert (at.sent, len(at.vault.pin)) == ([], 0), "no PIN goes to a card that is no use"
    assert at.program.applet.tries == 3


def test_a_stranger_s_card_is_told_before_the_pin(counter: Lay, folder: Path) -> None:
    at = counter(folder, trusted=False)
    at.lay()
    assert at.ahead() == e.CardFailed(epoch=1, cause="card-invalid")


def test_a_card_of_a_later_generation_is_not_called_invalid(counter: Lay, folder: Path) -> None:
    at = counter(folder, flaw="p384-key")
    at.lay()
    assert at.ahead() == e.CardFailed(epoch=1, cause="card-unsupported")
    assert isinstance(at.enter(), e.CardFailed)
    assert at.sent == []


def test_a_locked_card_is_not_read(counter: Lay, folder: Path) -> None:
    at = counter(folder)
    at.program.applet._pins[0x18].tries = 0
    assert at.lay() == e.CardRead(epoch=1, tries=0)
    at.sent.clear()
    assert (at.ahead(), at.sent) == (None, [])


@pytest.mark.parametrize("apdu", [3, 5, 8])
def test_a_card_taken_while_it_is_read(counter: Lay, folder: Path, apdu: int) -> None:
    at = counter(folder)
    at.program.faults.yank_after = apdu
    at.lay()
    assert at.ahead() == e.CardFailed(epoch=1, cause="removed")
    assert at.desk.reading is None
    assert at.lay() == e.CardRead(epoch=2, tries=3)
    assert at.desk.read_ahead(1) is None, "what was asked for an earlier stay reads nothing of this one"
    assert at.desk.authenticate(1, at.vault, "kiosk-1", bytes(32)) == e.CardFailed(epoch=1, cause="removed")
    assert at.program.applet.tries == 3


@pytest.mark.parametrize("pin", [PIN, "9999"])
def test_a_card_taken_while_it_works_on_the_pin_is_asked_and_not_told_again(
    counter: Lay, folder: Path, pin: str
) -> None:
    """Executed or not, right or wrong: nobody heard. The card knows, and a question spends nothing."""
    at = counter(folder)
    at.lay()
    at.ahead()
    at.program.faults.yank_after = at.program.apdus + 1
    assert at.enter(pin) == e.CardFailed(epoch=1, cause="removed")
    assert at.verified == 1
    left = 3 if pin == PIN else 2
    assert at.program.applet.tries == left
    at.sent.clear()
    assert at.lay() == e.CardRead(epoch=2, tries=left)
    assert at.verified == 0


def test_a_pin_forgotten_meanwhile_is_not_sent(counter: Lay, folder: Path) -> None:
    """The journey moved on while the lane was still reading."""
    at = counter(folder)
    at.lay()
    assert at.enter("") == e.CardFailed(epoch=1, cause="removed")
    assert (at.verified, at.program.applet.tries) == (0, 3)


def test_a_verify_without_an_answer_is_not_sent_again(counter: Lay, folder: Path) -> None:
    at = counter(folder)
    at.lay()
    at.ahead()
    at.program.faults.lose_answer = at.program.apdus + 1
    assert at.enter("9999") == e.CardFailed(epoch=1, cause="card-unreadable")
    assert (at.verified, at.program.applet.tries) == (1, 2)


def test_nothing_personal_is_logged_or_shown(counter: Lay, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    at = counter(folder)
    at.lay()
    at.ahead()
    shown = repr(at.desk) + repr(at.desk.reading) + repr(at.vault)
    at.enter("9999")
    at.enter()
    shown += repr(at.desk) + repr(at.vault) + caplog.text + repr([vars(record) for record in caplog.records])
    assert "card.done" in shown
    for secret in (PIN, "9999", "T0001234567890A", at.vault.certificate.hex()[:32], repr(at.vault.certificate[:16])):
        assert secret not in shown
