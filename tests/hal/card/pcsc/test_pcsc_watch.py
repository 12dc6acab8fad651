"""What the PC/SC reader tells while cards, readers and daemons come, go and hang."""

from __future__ import annotations

import itertools
import logging
import threading
import time

import pytest
from card_bench import Watched, until
from pcsc_bench import Client, driver_threads, present, until_only
from pcsc_daemon import NAME, OTHER, Daemon

from hal.card.contract import CardPresence, CardStatus, Stay
from hal.card.pcsc import PcscReader, monitor
from hal.card.pcsc.calls import Calls, ReaderState
from hal.faults import DeviceFault, Reason
from hal.sim.card.applet import Applet
from hal.sim.card.wire import CardProgram

pytestmark = pytest.mark.pcsc


def refusal(reader: Watched, stay: Stay) -> Reason:
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(stay)
    return fault.value.reason


def test_a_removal_is_told_when_pcscd_sees_it(daemon: Daemon, program: CardProgram) -> None:
    """Also while an exchange of this very reader is stuck and an observer raises."""
    told: list[tuple[float, CardPresence]] = []

    def observe(status: CardStatus) -> None:
        told.append((time.monotonic(), status.presence))
        raise RuntimeError("an observer's mistake")

    reader, witness = PcscReader(NAME, deadline_s=0.3), Client()
    program.faults.lose_answer = 1
    program.insert()
    reader.start(observe)
    until(lambda: reader.status().presence is CardPresence.PRESENT)
    stay = reader.status().stay
    assert stay
    channel = reader.connect(stay)
    with pytest.raises(DeviceFault):
        channel.transmit(bytes(4))
    program.remove()
    until(lambda: bool(witness.state() & ReaderState.EMPTY))
    seen = time.monotonic()
    until(lambda: told[-1][1] is CardPresence.ABSENT, 0.5)
    assert told[-1][0] - seen < 0.5
    channel.disconnect()
    reader.close()
    witness.close()
    assert [presence for _, presence in told][-3:] == [
        CardPresence.PRESENT,
        CardPresence.MUTE,
        CardPresence.ABSENT,
    ]


def test_flapping(reader: Watched, program: CardProgram) -> None:
    stays = []
    for _ in range(3):
        program.insert()
        stays.append(present(reader))
        program.remove()
        reader.wait(CardPresence.ABSENT)
    assert len({stay.count for stay in stays}) == 3
    assert refusal(reader, stays[-1]) is Reason.REMOVED
    told = [CardStatus(CardPresence.PRESENT, stay) for stay in stays]
    assert reader.told == [
        status for stay in told for status in (stay, CardStatus(CardPresence.ABSENT))
    ]


def test_a_card_pulled_before_it_is_connected(reader: Watched, program: CardProgram) -> None:
    program.insert()
    stay = present(reader)
    program.remove()
    assert (
        refusal(reader, stay) is Reason.REMOVED
    )  # pcscd does not know yet, and says anything but that


def test_a_mute_card(troubled: Daemon, reader: Watched, program: CardProgram) -> None:
    troubled.trouble("mute")
    program.insert()
    stay = reader.wait(CardPresence.MUTE).stay
    assert stay and refusal(reader, stay) is Reason.MUTE
    program.remove()
    reader.wait(CardPresence.ABSENT)
    assert CardPresence.PRESENT not in [status.presence for status in reader.told]


def test_a_card_that_will_not_start_is_not_absent(
    troubled: Daemon, reader: Watched, program: CardProgram
) -> None:
    program.insert()
    stay = present(reader)
    troubled.trouble("mute")
    assert refusal(reader, stay) is Reason.MUTE
    assert reader.wait(CardPresence.MUTE).stay == stay
    program.remove()
    reader.wait(CardPresence.ABSENT)
    presences = [status.presence for status in reader.told]
    assert presences == [CardPresence.PRESENT, CardPresence.MUTE, CardPresence.ABSENT]


def test_unplugged_and_back(troubled: Daemon, reader: Watched, program: CardProgram) -> None:
    program.insert()
    stay = present(reader)
    troubled.trouble("unplugged")
    reader.wait(CardPresence.UNKNOWN)
    assert refusal(reader, stay) is Reason.NOT_CONNECTED
    troubled.trouble("unplugged", False)
    again = present(reader)
    assert again != stay
    assert refusal(reader, stay) is Reason.REMOVED
    reader.reader.connect(again).disconnect()
    assert CardPresence.ABSENT not in [status.presence for status in reader.told]


def test_one_reader_of_several(
    daemon: Daemon, reader: Watched, program: CardProgram, applet: Applet
) -> None:
    """Never another than the one named: neither its card nor its neighbour's, nor a name that is
    nearly right.
    """
    others = [Watched(PcscReader(name)) for name in (OTHER, NAME[:-1], NAME.lower())]
    program.insert()
    stay = present(reader)
    beside = CardProgram(applet, ("127.0.0.1", daemon.other_port))
    assert others[0].wait(CardPresence.ABSENT)
    assert refusal(others[0], stay) is Reason.REMOVED
    beside.insert()
    present(others[0])
    program.remove()
    reader.wait(CardPresence.ABSENT)
    assert others[0].reader.status().presence is CardPresence.PRESENT
    for wrong, reason in zip(others[1:], (Reason.CONFIGURATION, Reason.NOT_CONNECTED), strict=True):
        assert {status.presence for status in wrong.told} == {CardPresence.UNKNOWN}
        assert wrong.reader.status().reason is refusal(wrong, stay) is reason
    beside.remove()
    for watched in others:
        watched.reader.close()


@pytest.mark.parametrize("name", ["", "é" * 64])
def test_a_name_that_no_reader_has(name: str) -> None:
    with pytest.raises(DeviceFault) as fault:
        PcscReader(name).start(print)
    assert fault.value.reason is Reason.CONFIGURATION


@pytest.mark.parametrize("end", ["stop", "shut_down"])
def test_the_daemon_goes_and_comes_back(
    daemon: Daemon, reader: Watched, program: CardProgram, end: str
) -> None:
    """Crashed or stopped in order; and back first without the reader, then with it and the card."""
    threads = driver_threads()
    program.insert()
    before = present(reader)
    channel = reader.reader.connect(before)
    getattr(daemon, end)()
    reader.wait(CardPresence.UNKNOWN)
    with pytest.raises(DeviceFault) as fault:
        channel.transmit(bytes(4))
    assert fault.value.reason in (Reason.SERVICE_DOWN, Reason.REMOVED)
    channel.disconnect()
    assert refusal(reader, before) is Reason.SERVICE_DOWN
    if end == "shut_down":
        daemon.configure(readers=False)
        daemon.start()
        until(lambda: daemon.threads() > 1)
        daemon.stop()
        daemon.configure()
    daemon.start()
    after = present(reader)
    assert after != before
    told = [presence for presence, _ in itertools.groupby(s.presence for s in reader.told)]
    assert told == [CardPresence.PRESENT, CardPresence.UNKNOWN, CardPresence.PRESENT]
    reader.reader.connect(after).disconnect()
    assert driver_threads() == threads


def test_a_daemon_that_hangs(daemon: Daemon, reader: Watched, program: CardProgram) -> None:
    others = driver_threads()
    program.insert()
    stay = present(reader)
    second = Watched(PcscReader(NAME, deadline_s=0.3))
    channel = second.reader.connect(present(second))
    daemon.freeze()
    try:
        with pytest.raises(DeviceFault) as fault:
            channel.transmit(bytes(4))
        assert fault.value.reason is Reason.SILENT
        reader.wait(CardPresence.UNKNOWN)
        assert refusal(reader, stay) is Reason.NOT_CONNECTED
        began = time.monotonic()
        second.reader.close()
        assert time.monotonic() - began < 20
    finally:
        daemon.thaw()
    again = present(reader)
    assert again != stay
    until_only(others)  # what was stuck has ended
    reader.reader.connect(again).disconnect()


def test_a_close_does_not_wait_for_the_look(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SCardCancel: repeated, for one that comes a moment before the wait is lost."""
    monkeypatch.setattr(monitor, "WAIT_MS", 60_000)
    before = driver_threads()
    for pause in (0.0, 0.001, 0.003, 0.01, 0.05):
        watched = Watched(PcscReader(NAME))
        time.sleep(pause)
        watched.reader.close()
        until_only(before)
        assert watched.reader.status().presence is CardPresence.UNKNOWN


def test_watching_is_cheap(
    daemon: Daemon, reader: Watched, program: CardProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pcscd answers at once where a state it was told is not its own: a mistake there is a busy
    loop.
    """
    asked = itertools.count()
    ask = Calls.ask

    def counted(calls: Calls, function: str, *arguments: object) -> object:
        next(asked)
        return ask(calls, function, *arguments)

    monkeypatch.setattr(Calls, "ask", counted)
    nowhere = Watched(PcscReader("No Reader 00 00"))
    nowhere.wait(CardPresence.UNKNOWN)
    program.insert()
    stay = present(reader)

    def looks() -> int:
        before = next(asked)
        threading.Event().wait(0.7)
        return next(asked) - before - 1

    assert looks() <= 10  # a card lies there, and another reader is awaited
    nowhere.reader.close()
    other = Client()
    other.connect()
    reader.wait(CardPresence.IN_USE)
    assert looks() <= 3  # another program has it
    other.leave()
    other.close()
    present(reader)
    channel = reader.reader.connect(stay)
    assert looks() <= 3  # it is ours
    channel.disconnect()


def test_an_observers_mistake_says_nothing_of_its_data(
    caplog: pytest.LogCaptureFixture, daemon: Daemon
) -> None:
    def observe(status: CardStatus) -> None:
        raise ValueError("1234")

    reader = PcscReader(NAME)
    with caplog.at_level(logging.DEBUG):
        reader.start(observe)
        until(lambda: bool(caplog.records))
        reader.close()
    assert "1234" not in caplog.text and "ValueError" in caplog.text
