"""The card's desk at a real socket with a virtual card: what is done before the PIN, and what a PIN
is worth after.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from leaks import shows

from firmware.flow import events
from firmware.flow.session import Token
from firmware.link.clock import CityClock, board_time
from firmware.service import card_desk as card_work
from firmware.service.card_desk import CardDesk
from firmware.service.vault import Vault
from hal.card import jpki
from hal.card.contract import CardPresence
from hal.card.vpcd import SocketReader
from hal.sim.card.flaws import flawed
from hal.sim.card.pki import PHONE_AUTHENTICATION, CardCa, load_card, make_card, make_card_ca
from hal.sim.card.wire import CardFaults, CardProgram

PIN = "4071"
PHONES = (PHONE_AUTHENTICATION.dotted_string,)
VERIFY, READ, SIGN = 0x20, 0xB0, 0x2A
LONGEST_S = 60.0
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


@pytest.fixture(scope="module")
def phone(ca: CardCa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, now = tmp_path_factory.mktemp("phone"), datetime.now(UTC)
    times = now - 400 * DAY, now + 400 * DAY
    make_card(folder, ca, "T0001234567890C", PIN, *times, policy=PHONE_AUTHENTICATION)
    return folder


@dataclass
class Counter:
    """A desk, its reader and the card of one folder; `sent` holds each command's INS and the size
    of its data.
    """

    desk: CardDesk
    program: CardProgram
    reader: SocketReader
    sent: list[tuple[int, int]] = field(default_factory=list)
    vault: Vault = field(default_factory=lambda: Vault("5" * 32))
    epoch: int = 0

    def lay(self) -> events.Event:
        """Set the card down and read it."""
        until(lambda: self.reader.status().presence is CardPresence.ABSENT)
        self.program.insert()
        until(lambda: self.reader.status().presence is CardPresence.PRESENT)
        stay = self.reader.status().stay
        assert stay is not None
        self.epoch += 1
        return self.desk.read(self.epoch, stay)

    def ahead(self) -> events.Event | None:
        return self.desk.read_ahead(self.epoch)

    def enter(self, pin: str = PIN) -> events.Event:
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

    def make(
        folder: Path, *, trusted: bool = True, kind: str = "card", flaw: str = "", tries: int = 3
    ) -> Counter:
        listener = socket.create_server(("127.0.0.1", 0))
        reader = SocketReader(listener, deadline_s=0.5)
        change = flawed(flaw, ca) if flaw else None
        program = CardProgram(
            load_card(folder, options={"kind": kind}, change=change, tries=tries),
            listener.getsockname()[:2],
            CardFaults(),
        )
        found = Counter(
            CardDesk(
                reader,
                (ca.certificate,) if trusted else (),
                True,
                board_time,
                PHONES,
            ),
            program,
            reader,
        )
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
    assert at.lay() == events.CardRead(epoch=1, tries=3, token=Token.CARD)
    assert at.ahead() is None
    assert at.desk.reading is not None and at.desk.reading.key is not None
    ahead = at.desk.reading.key.public
    assert isinstance(at.enter(), events.CardAuthenticated)
    assert [ins for ins, _ in at.sent] == [VERIFY, SIGN]
    assert at.vault.certificate == (folder / "certificate.der").read_bytes()
    assert at.vault.key is not None and at.vault.key.public == ahead
    assert at.desk.reading is None, "nothing is kept of a card that is done with"
    until(lambda: not at.program.applet.verified)


def test_a_wrong_pin_costs_one_verify_and_reads_nothing_again(counter: Lay, folder: Path) -> None:
    at = counter(folder)
    at.lay()
    at.ahead()
    assert at.enter("9999") == events.PinWrong(epoch=1, tries=2)
    assert at.sent == [(VERIFY, 4)]
    assert isinstance(at.enter(), events.CardAuthenticated)
    assert [ins for ins, _ in at.sent] == [VERIFY, SIGN]


@pytest.mark.parametrize("kind", ["android", "iphone"])
def test_a_phone_is_read_after_the_pin(counter: Lay, phone: Path, kind: str) -> None:
    at = counter(phone, kind=kind)
    assert at.lay() == events.CardRead(epoch=1, tries=3, token=Token(kind))
    assert at.ahead() is None, "not yet is not never"
    assert isinstance(at.enter(), events.CardAuthenticated)
    reads = [ins for ins, _ in at.sent]
    assert (reads[0], reads[-1], set(reads[1:-1])) == (VERIFY, SIGN, {READ})


def test_who_is_quicker_than_the_reading_ahead_loses_nothing(counter: Lay, folder: Path) -> None:
    at = counter(folder)
    at.lay()
    assert isinstance(at.enter(), events.CardAuthenticated)
    assert at.verified == 1


@pytest.mark.parametrize("year", [1970, 2040])
def test_a_card_is_judged_by_the_citys_time(
    counter: Lay, folder: Path, year: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the board's clock says."""
    clock = CityClock(3600, lambda: datetime(year, 1, 1, tzinfo=UTC))
    at = counter(folder)
    at.desk.now = clock.now
    at.lay()
    assert at.ahead() is None, "not known: not judged"
    clock.set_time(datetime.now(UTC))
    assert at.ahead() is None
    clock.set_time(datetime.now(UTC) + 401 * DAY)
    assert at.ahead() == events.CardFailed(epoch=1, cause="card-expired")


@pytest.mark.parametrize("tries", [0, 2])
def test_a_phone_is_known_for_one_though_it_is_locked(
    counter: Lay, phone: Path, tries: int
) -> None:
    at = counter(phone, kind="android", tries=tries)
    assert at.lay() == events.CardRead(epoch=1, tries=tries, token=Token.ANDROID)
    assert at.verified == 0


def test_a_phone_with_a_card_s_certificate_is_neither(counter: Lay, folder: Path) -> None:
    at = counter(folder, kind="android")
    at.lay()
    assert at.enter() == events.CardFailed(epoch=1, cause="card-invalid")


def test_a_card_with_a_phone_s_certificate_is_told_before_the_pin(
    counter: Lay, phone: Path
) -> None:
    at = counter(phone)
    at.lay()
    assert at.ahead() == events.CardFailed(epoch=1, cause="card-invalid")


def test_a_wrong_pin_on_a_phone_costs_one_verify(counter: Lay, phone: Path) -> None:
    at = counter(phone, kind="iphone")
    at.lay()
    assert at.enter("9999") == events.PinWrong(epoch=1, tries=2)
    assert at.sent == [(VERIFY, 4)]
    assert isinstance(at.enter(), events.CardAuthenticated)


def test_a_phone_that_goes_dark_is_another_stay_when_it_is_back(counter: Lay, phone: Path) -> None:
    at = counter(phone, kind="android")
    at.lay()
    at.program.sleep()
    assert at.enter() == events.CardFailed(epoch=1, cause="removed")
    until(lambda: at.reader.status().presence is CardPresence.ABSENT)
    assert at.program.inserted, "it lies there all the same"
    at.program.wake()
    until(lambda: at.reader.status().presence is CardPresence.PRESENT)
    stay = at.reader.status().stay
    assert stay is not None and stay.count == 2
    assert at.desk.read(2, stay) == events.CardRead(epoch=2, tries=3, token=Token.ANDROID)
    assert at.program.applet.tries == 3


@pytest.mark.parametrize("kind", ["card", "iphone"])
def test_the_command_that_signs_is_the_one_for_the_certificate_s_key(
    counter: Lay, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table with no other row: whoever takes another kind than the certificate's
    finds nothing.
    """
    later = SimpleNamespace(kind=jpki.KeyKind.P384)
    monkeypatch.setattr(card_work, "check_card_certificate", lambda *_: later)
    monkeypatch.setattr(jpki, "SIGN_COMMANDS", {later.kind: jpki.SIGN_COMMANDS[jpki.KeyKind.RSA]})
    at = counter(folder, kind=kind)
    at.lay()
    at.ahead()
    assert isinstance(at.enter(), events.CardAuthenticated)


@pytest.mark.parametrize(
    ("since", "until_", "cause"), [(-400, -5, "card-expired"), (5, 400, "card-too-new")]
)
def test_a_card_out_of_its_time_is_told_before_the_pin(
    counter: Lay, ca: CardCa, tmp_path: Path, since: int, until_: int, cause: str
) -> None:
    now = datetime.now(UTC)
    make_card(tmp_path, ca, "T0001234567890B", PIN, now + since * DAY, now + until_ * DAY)
    at = counter(tmp_path)
    assert at.lay() == events.CardRead(epoch=1, tries=3)
    assert at.ahead() == events.CardFailed(epoch=1, cause=cause)
    assert isinstance(at.enter(), events.CardFailed)
    assert (at.sent, len(at.vault.pin)) == ([], 0), "no PIN goes to a card that is no use"
    assert at.program.applet.tries == 3


def test_a_stranger_s_card_is_told_before_the_pin(counter: Lay, folder: Path) -> None:
    at = counter(folder, trusted=False)
    at.lay()
    assert at.ahead() == events.CardFailed(epoch=1, cause="card-invalid")


def test_a_card_of_a_later_generation_is_not_called_invalid(counter: Lay, folder: Path) -> None:
    at = counter(folder, flaw="p384-key")
    at.lay()
    assert at.ahead() == events.CardFailed(epoch=1, cause="card-unsupported")
    assert isinstance(at.enter(), events.CardFailed)
    assert at.sent == []


def test_a_locked_card_is_not_read(counter: Lay, folder: Path) -> None:
    at = counter(folder, tries=0)
    assert at.lay() == events.CardRead(epoch=1, tries=0)
    at.sent.clear()
    assert (at.ahead(), at.sent) == (None, [])


@pytest.mark.parametrize("apdu", [3, 5, 8])
def test_a_card_taken_while_it_is_read(counter: Lay, folder: Path, apdu: int) -> None:
    at = counter(folder)
    at.program.faults.yank_after = apdu
    assert [at.lay(), at.ahead()][apdu > 3] == events.CardFailed(epoch=1, cause="removed")
    assert at.desk.reading is None
    assert at.lay() == events.CardRead(epoch=2, tries=3)
    assert at.desk.read_ahead(1) is None, (
        "what was asked for an earlier stay reads nothing of this one"
    )
    assert at.desk.authenticate(1, at.vault, "kiosk-1", bytes(32)) == events.CardFailed(
        epoch=1, cause="removed"
    )
    assert at.program.applet.tries == 3


@pytest.mark.parametrize("pin", [PIN, "9999"])
def test_a_card_taken_while_it_works_on_the_pin_is_asked_and_not_told_again(
    counter: Lay, folder: Path, pin: str
) -> None:
    """Executed or not, right or wrong: nobody heard. The card knows, and a question
    spends nothing.
    """
    at = counter(folder)
    at.lay()
    at.ahead()
    at.program.faults.yank_after = at.program.apdus + 1
    assert at.enter(pin) == events.CardFailed(epoch=1, cause="removed")
    assert at.verified == 1
    left = 3 if pin == PIN else 2
    assert at.program.applet.tries == left
    at.sent.clear()
    assert at.lay() == events.CardRead(epoch=2, tries=left)
    assert at.verified == 0


def test_a_pin_forgotten_meanwhile_is_not_sent(counter: Lay, folder: Path) -> None:
    """The journey moved on while the card's thread was still reading."""
    at = counter(folder)
    at.lay()
    assert at.enter("") == events.CardFailed(epoch=1, cause="removed")
    assert (at.verified, at.program.applet.tries) == (0, 3)


def test_a_verify_without_an_answer_is_not_sent_again(counter: Lay, folder: Path) -> None:
    at = counter(folder)
    at.lay()
    at.ahead()
    at.program.faults.lose_answer = at.program.apdus + 1
    assert at.enter("9999") == events.PinWrong(epoch=1, tries=2), "asked of the card"
    assert (at.verified, at.program.applet.tries) == (1, 2)


def test_nothing_personal_is_logged_or_shown(
    counter: Lay, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    at = counter(folder)
    at.lay()
    at.ahead()
    shown = repr(at.desk) + repr(at.desk.reading) + repr(at.vault)
    at.enter("9999")
    at.enter()
    shown += (
        repr(at.desk)
        + repr(at.vault)
        + caplog.text
        + repr([vars(record) for record in caplog.records])
    )
    assert "card.done" in shown
    assert not shows(PIN, shown) and not shows("9999", shown)
    for secret in (
        "T0001234567890A",
        at.vault.certificate.hex()[:32],
        repr(at.vault.certificate[:16]),
    ):
        assert secret not in shown
