"""The PC/SC driver with a PC/SC that does what no daemon can be made to do on demand."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from card_bench import Watched, until

from hal.card.contract import CardPresence, CardStatus, Stay
from hal.card.pcsc import PcscReader
from hal.card.pcsc.calls import UNPOWER, ReaderState
from hal.card.pcsc.names import choose
from hal.card.pcsc.worker import WorkerThread
from hal.faults import DeviceFault, Reason

NAME = "Reader 00 00"
LYING = 0x10000 | ReaderState.PRESENT


def signed(code: int) -> int:
    """As pyscard hands codes out."""
    return code - (1 << 32) if code >> 31 else code


class FakeScard(ModuleType):
    """pyscard's `scard`: the reader's state is what `state` says, every other call what `calls`
    says, or success.
    """

    SCARD_PCI_T0, SCARD_PCI_T1 = "T0", "T1"

    def __init__(self) -> None:
        super().__init__("smartcard.scard")
        self.state = int(ReaderState.EMPTY)
        self.names = [NAME]
        self.calls: dict[str, Callable[..., Any]] = {}
        self.made: list[str] = []
        self.changed = threading.Condition()

    def set(self, state: int) -> None:
        with self.changed:
            self.state = state
            self.changed.notify_all()

    def SCardGetStatusChange(  # noqa: N802
        self, context: int, wait_ms: int, states: list[tuple[str, int]]
    ) -> tuple[int, list[Any]]:
        with self.changed:
            self.changed.wait_for(lambda: states[0][1] & ~2 != self.state, min(wait_ms, 20) / 1000)
            return 0, [(name, self.state if name == NAME else 0, []) for name, _ in states]

    def __getattr__(self, function: str) -> Callable[..., Any]:
        if not function.startswith("SCard"):
            raise AttributeError(function)
        self.made.append(function)
        results = {
            "SCardListReaders": (0, list(self.names)),
            "SCardConnect": (0, 7, 2),
            "SCardReconnect": (0, 2),
            "SCardTransmit": (0, [0x90, 0x00]),
        }
        default = results.get(function, (0, 5) if function == "SCardEstablishContext" else 0)
        return self.calls.get(function, lambda *arguments: default)


@pytest.fixture
def scard(monkeypatch: pytest.MonkeyPatch) -> FakeScard:
    fake, package = FakeScard(), ModuleType("smartcard")
    package.scard = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "smartcard", package)
    monkeypatch.setitem(sys.modules, "smartcard.scard", fake)
    return fake


@pytest.fixture
def reader(scard: FakeScard) -> Iterator[Watched]:
    watched = Watched(PcscReader(NAME, deadline_s=0.2))
    yield watched
    watched.reader.close()


def lying(scard: FakeScard, reader: Watched, count: int = 1) -> Stay:
    scard.set(count << 16 | ReaderState.PRESENT)
    until(lambda: reader.reader.status().stay == Stay(NAME, count))
    return Stay(NAME, count)


def test_without_pyscard_the_configuration_is_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    with pytest.raises(DeviceFault) as fault:
        PcscReader(NAME).start(print)
    assert fault.value.reason is Reason.CONFIGURATION


def test_two_cards_of_one_model_swapped_between_two_looks(
    scard: FakeScard, reader: Watched
) -> None:
    first = lying(scard, reader)
    second = lying(scard, reader, 3)
    assert CardPresence.ABSENT not in [status.presence for status in reader.told[1:]]
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(first)
    assert fault.value.reason is Reason.REMOVED
    scard.calls["SCardConnect"] = lambda *_: (scard.set(5 << 16 | ReaderState.PRESENT), (0, 7, 2))[
        1
    ]
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(second)  # and a third one is faster than the connection
    assert fault.value.reason is Reason.REMOVED
    until(lambda: scard.made.count("SCardDisconnect") == 1)


def test_a_stuck_exchange_keeps_the_reader_until_it_returns(
    scard: FakeScard, reader: Watched
) -> None:
    stay = lying(scard, reader)
    stuck = threading.Event()
    scard.calls["SCardTransmit"] = lambda *_: (stuck.wait(10), (0, [0x90, 0x00]))[1]
    channel = reader.reader.connect(stay)
    with pytest.raises(DeviceFault) as fault:
        channel.transmit(bytes(4))
    assert fault.value.reason is Reason.SILENT
    channel.disconnect()
    assert (
        "SCardDisconnect" not in scard.made
    )  # nobody touches the handle beside the call that has it
    reader.wait(CardPresence.MUTE)

    stay = lying(scard, reader, 3)  # told all the same
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(stay)
    assert fault.value.reason is Reason.SILENT
    stay = lying(scard, reader, 5)

    made = len(scard.made)
    threading.Timer(0.05, stuck.set).start()
    reader.reader.connect(stay).disconnect()  # waits for the end of the old one
    assert scard.made[made:] == [
        *("SCardDisconnect", "SCardReleaseContext"),
        *("SCardEstablishContext", "SCardConnect", "SCardDisconnect", "SCardReleaseContext"),
    ]


def test_a_stuck_connection_is_given_back(scard: FakeScard, reader: Watched) -> None:
    stay = lying(scard, reader)
    stuck = threading.Event()
    scard.calls["SCardConnect"] = lambda *_: (stuck.wait(10), (0, 7, 2))[1]
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(stay)
    assert fault.value.reason is Reason.SILENT
    assert "SCardDisconnect" not in scard.made
    stuck.set()
    until(lambda: scard.made[-2:] == ["SCardDisconnect", "SCardReleaseContext"])


def test_power_is_cut_first_unless_it_was_cut_last(scard: FakeScard, reader: Watched) -> None:
    stay = lying(scard, reader)
    cuts: list[int] = []
    how: list[int] = []

    def disconnect(handle: int, disposition: int) -> int:
        how.append(disposition)
        return signed(0x80100013) if len(cuts) == 1 else 0

    scard.calls["SCardDisconnect"] = disconnect
    for _ in range(4):
        before = scard.made.count("SCardReconnect")
        reader.reader.connect(stay).disconnect()
        cuts.append(scard.made.count("SCardReconnect") - before)
    assert cuts == [1, 0, 1, 0]  # the second one could not cut it
    assert how == [UNPOWER] * 4


def test_power_is_cut_first_after_another_program(scard: FakeScard, reader: Watched) -> None:
    stay = lying(scard, reader)
    reader.reader.connect(stay).disconnect()
    scard.set(LYING | ReaderState.EXCLUSIVE)
    reader.wait(CardPresence.IN_USE)
    scard.set(LYING)
    reader.wait(CardPresence.PRESENT)
    reader.reader.connect(stay).disconnect()
    assert scard.made.count("SCardReconnect") == 2


def test_our_own_hold_is_no_use_by_another(scard: FakeScard, reader: Watched) -> None:
    """pcscd reports the hold a little after it began, and its end a little after it ended."""
    stay = lying(scard, reader)
    channel = reader.reader.connect(stay)
    scard.set(LYING | ReaderState.EXCLUSIVE)
    threading.Event().wait(0.1)
    channel.disconnect()
    threading.Event().wait(0.1)
    scard.set(LYING)
    scard.set(2 << 16 | ReaderState.EMPTY)
    reader.wait(CardPresence.ABSENT)
    assert reader.told[-2:] == [
        CardStatus(CardPresence.PRESENT, stay),
        CardStatus(CardPresence.ABSENT),
    ]


def test_what_comes_with_a_failure_is_never_looked_at(scard: FakeScard, reader: Watched) -> None:
    """On failure pyscard hands out its buffer of 65,548 bytes as it lay in memory."""
    heap = list(b"1234" * 16387)
    channel = reader.reader.connect(lying(scard, reader))
    scard.calls["SCardTransmit"] = lambda *_: (signed(0x8010002F), heap)
    with pytest.raises(DeviceFault) as fault:
        channel.transmit(bytes(4))
    assert fault.value.reason is Reason.NOT_CONNECTED
    assert str(fault.value) == f"{NAME}: not-connected (8010002F)"
    channel.disconnect()


@pytest.mark.parametrize("answer", [[0x90], [0x00] * 259, [0x00] * 65548])
def test_an_answer_of_no_length_that_exists(
    scard: FakeScard, reader: Watched, answer: list[int]
) -> None:
    channel = reader.reader.connect(lying(scard, reader))
    scard.calls["SCardTransmit"] = lambda *_: (0, answer)
    with pytest.raises(DeviceFault) as fault:
        channel.transmit(bytes(4))
    assert fault.value.reason is Reason.GARBLED
    channel.disconnect()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0x8010000B, Reason.IN_USE),
        (0x8010000C, Reason.MUTE),  # unless pcscd counts a removal
        (0x8010000F, Reason.GARBLED),
        (0x80100013, Reason.SERVICE_DOWN),
        (0x80100066, Reason.MUTE),
        (0x8010001D, Reason.SERVICE_DOWN),
        (0x8010001E, Reason.SERVICE_DOWN),
        (0x8010006A, Reason.DENIED),
        (0x12345678, Reason.NOT_CONNECTED),
    ],
)
def test_every_code_is_a_fault(
    scard: FakeScard, reader: Watched, code: int, reason: Reason
) -> None:
    stay = lying(scard, reader)
    scard.calls["SCardConnect"] = lambda *_: (signed(code), 0, 0)
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(stay)
    assert fault.value.reason is reason
    until(lambda: scard.made[-1] == "SCardReleaseContext")


@pytest.mark.parametrize("code", [0x8010000C, 0x80100067, 0x80100069])
def test_a_card_that_leaves_while_it_starts(scard: FakeScard, reader: Watched, code: int) -> None:
    """pcscd says "mute" or "empty" first, and counts the removal a little later; only then is it
    one.
    """
    stay = lying(scard, reader)
    scard.calls["SCardReconnect"] = lambda *_: (
        scard.set(1 << 16 | ReaderState.EMPTY),
        (signed(code), 0),
    )[1]
    threading.Timer(0.05, scard.set, [2 << 16 | ReaderState.EMPTY]).start()
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(stay)
    assert fault.value.reason is Reason.REMOVED
    reader.wait(CardPresence.ABSENT)
    told = [
        CardStatus(CardPresence.PRESENT, stay),
        CardStatus(CardPresence.MUTE, stay),
        CardStatus(CardPresence.ABSENT),
    ]
    assert reader.told[1:] == told


@pytest.mark.parametrize(
    "error", [SystemError, RuntimeError, type("SmartcardException", (Exception,), {})]
)
def test_no_exception_of_the_library_comes_out(
    scard: FakeScard, reader: Watched, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error("1234")

    stay = lying(scard, reader)
    scard.calls["SCardConnect"] = fail
    with pytest.raises(DeviceFault, match=f"^{NAME}: not-connected .{error.__name__}.$"):
        reader.reader.connect(stay)


def test_a_reader_that_came_back_is_not_at_once_believed_to_be_empty(
    scard: FakeScard, reader: Watched
) -> None:
    reader.wait(CardPresence.ABSENT)
    scard.set(ReaderState.UNAVAILABLE)
    reader.wait(CardPresence.UNKNOWN)
    scard.set(ReaderState.EMPTY)
    stay = Stay(NAME, 1 << 16 | 1)
    scard.set(LYING)
    until(lambda: reader.reader.status().stay == stay)
    scard.set(ReaderState.EMPTY)
    reader.wait(CardPresence.ABSENT)  # seen to be taken off: at once
    assert reader.told[1:] == [
        CardStatus(CardPresence.UNKNOWN, reason=Reason.NOT_CONNECTED),
        CardStatus(CardPresence.PRESENT, stay),
        CardStatus(CardPresence.ABSENT),
    ]


def test_an_empty_reader_that_came_back_is_empty_after_a_while(
    scard: FakeScard, reader: Watched
) -> None:
    reader.wait(CardPresence.ABSENT)
    scard.set(ReaderState.UNAVAILABLE)
    reader.wait(CardPresence.UNKNOWN)
    scard.set(ReaderState.EMPTY)
    reader.wait(CardPresence.ABSENT)


BEHIND = "ACS ACR1252 [PICC] (77) 00 00"
CHOICES = (
    ("Reader 00 00", "", ["Reader 00 00"], "Reader 00 00"),
    ("Reader 00 00", "", ["Reader 01 00"], "Reader 01 00"),  # it was plugged in again
    ("Reader 00 00", "", ["Reader 00 00", "Reader 00 01"], "Reader 00 00"),  # slots are told apart
    ("Reader 00 00", "", ["Reader 00 00", "Reader 01 00"], Reason.CONFIGURATION),
    ("Reader", "", ["Other 00 00", "Reader 03 00"], "Reader 03 00"),
    ("Reader", "", ["Reader 00 00", "Reader 00 01"], Reason.CONFIGURATION),
    ("Reader", "", ["My Reader 00 00"], Reason.NOT_CONNECTED),
    ("Reader", "", [], Reason.NOT_CONNECTED),
    ("ACS", "77", [BEHIND, "ACS ACR1252 [PICC] (78) 01 00"], BEHIND),
    ("Reader", "s1", ["Reader 00 00", "Reader 01 00"], "Reader 01 00"),  # by its own word
    ("Reader", "s9", ["Reader 00 00", "Reader 01 00"], Reason.NOT_CONNECTED),
)


@pytest.mark.parametrize(("wanted", "serial", "names", "chosen"), CHOICES)
def test_a_name_is_no_identity(
    wanted: str, serial: str, names: list[str], chosen: str | Reason
) -> None:
    numbers = {name: f"s{place}" for place, name in enumerate(names)}
    if isinstance(chosen, str) and not isinstance(chosen, Reason):
        assert choose(wanted, serial, names, numbers.__getitem__) == chosen
        return
    with pytest.raises(DeviceFault) as fault:
        choose(wanted, serial, names, numbers.__getitem__)
    assert fault.value.reason is chosen


def test_two_readers_of_one_name_are_unknown_and_say_why(scard: FakeScard) -> None:
    scard.names = ["Reader 00 00", "Reader 01 00"]
    watched = Watched(PcscReader("Reader", deadline_s=0.2))
    until(lambda: bool(watched.told))
    assert watched.told[-1] == CardStatus(CardPresence.UNKNOWN, reason=Reason.CONFIGURATION)
    with pytest.raises(DeviceFault, match="ambiguous: Reader 00 00, Reader 01 00"):
        watched.reader.check()
    scard.names = [NAME]
    watched.wait(CardPresence.ABSENT)
    watched.reader.check()
    watched.reader.close()


def test_a_reader_of_the_same_name_that_cannot_be_asked_hides_ours_no_more(
    scard: FakeScard,
) -> None:
    """Another program holds the other one. When ours is the one that is held, that is told."""
    scard.names = ["Reader 00 00", "Reader 01 00"]
    held = {"Reader 00 00"}
    scard.calls["SCardConnect"] = lambda _, name, *__: (
        (signed(0x8010000B), 0, 0) if name in held else (0, 7, 2)
    )
    scard.calls["SCardGetAttrib"] = lambda *_: (0, list(b"s1\0"))
    reader = PcscReader("Reader", serial="s1")
    reader.check()
    held.add("Reader 01 00")
    with pytest.raises(DeviceFault) as fault:
        reader.check()
    assert fault.value.reason is Reason.IN_USE


def test_a_daemon_that_hangs_costs_one_thread_however_often_it_is_asked(scard: FakeScard) -> None:
    stuck = threading.Event()
    scard.calls["SCardEstablishContext"] = lambda *_: (stuck.wait(60), (0, 5))[1]
    reader, before = PcscReader(NAME, deadline_s=0.02), threading.active_count()
    for _ in range(5):
        with pytest.raises(DeviceFault) as fault:
            reader.check()
        assert fault.value.reason is Reason.SILENT
    assert threading.active_count() <= before + 1
    stuck.set()
    until(lambda: scard.made[-1:] == ["SCardReleaseContext"])
    until(lambda: threading.active_count() <= before)
    reader.check()


@pytest.mark.parametrize("function", ["SCardEstablishContext", "SCardListReaders", "SCardConnect"])
@pytest.mark.parametrize(
    ("code", "reason"), [(0x8010006A, Reason.DENIED), (0x8010001D, Reason.SERVICE_DOWN)]
)
def test_a_check_finds_the_cause_without_a_card(
    scard: FakeScard, reader: Watched, function: str, code: int, reason: Reason
) -> None:
    reader.wait(CardPresence.ABSENT)
    scard.calls[function] = lambda *_: (signed(code), 0, 0)
    with pytest.raises(DeviceFault) as fault:
        reader.reader.check()
    assert fault.value.reason is reason


def test_a_card_that_starts_at_the_second_attempt_is_present_again(
    scard: FakeScard, reader: Watched
) -> None:
    stay = lying(scard, reader)
    scard.calls["SCardConnect"] = lambda *_: (signed(0x80100067), 0, 0)
    with pytest.raises(DeviceFault):
        reader.reader.connect(stay)
    assert reader.wait(CardPresence.MUTE).stay == stay
    del scard.calls["SCardConnect"]
    reader.reader.connect(stay).disconnect()
    assert reader.wait(CardPresence.PRESENT).stay == stay


def test_a_daemon_without_room_for_another_context(scard: FakeScard, reader: Watched) -> None:
    stay = lying(scard, reader)
    scard.calls["SCardEstablishContext"] = lambda *_: (signed(0x80100006), 0)
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(stay)
    assert fault.value.reason is Reason.NOT_CONNECTED


# --- the worker's thread ---


def test_work_that_did_not_begin_in_time_never_begins() -> None:
    stuck, done = threading.Event(), []
    worker = WorkerThread("device", lambda: done.append("farewell"))
    first = threading.Thread(target=lambda: worker.run(lambda: stuck.wait(10), 10))
    first.start()
    with pytest.raises(DeviceFault) as fault:
        worker.run(lambda: done.append("late"), 0.05)
    assert fault.value.reason is Reason.SILENT
    with pytest.raises(DeviceFault) as fault:
        worker.run(lambda: done.append("after the end"), 0.05)
    assert fault.value.reason is Reason.NOT_CONNECTED
    stuck.set()
    first.join()
    until(lambda: done == ["farewell"])


def test_a_worker_passes_on_what_work_raises_and_ends_once() -> None:
    done: list[str] = []
    worker = WorkerThread("device", lambda: done.append("farewell"))
    with pytest.raises(ZeroDivisionError):
        worker.run(lambda: 1 // 0, 1.0)
    assert worker.run(lambda: 1, 1.0) == 1
    worker.end(1.0)
    worker.end(1.0)
    assert done == ["farewell"]
