"""The key switch on its wire: what is turned, what is not, and what nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.faults import DeviceFault, Reason
from hal.service_key import modbus
from hal.service_key.modbus import ModbusKey, crc, question
from hal.sim.service_key.device import KeySim


def asked(sim: KeySim, do: Callable[[ModbusKey], object], *, first: int = 0) -> None:
    """`do` gets the driver, in a thread, while the far end lives."""

    async def run() -> None:
        await sim.start()
        key = ModbusKey(sim.port, 9600, 1, first)
        try:
            await asyncio.to_thread(do, key)
        finally:
            key.close()
            await sim.close()

    asyncio.run(run())
    assert not sim.violations


def reason(key: ModbusKey) -> Reason:
    with pytest.raises(DeviceFault) as told:
        key.turned()
    return told.value.reason


@pytest.mark.parametrize("first", [0, 3, 6])
def test_turned_and_turned_back(first: int) -> None:
    sim = KeySim(first=first)

    def do(key: ModbusKey) -> None:
        for on in (False, True, False):
            sim.turn(on)
            assert key.turned() is on

    asked(sim, do, first=first)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("fault", "told"),
    [("cut", Reason.CONFIGURATION), ("shorted", Reason.CONFIGURATION), ("mute", Reason.SILENT)],
)
def test_what_nobody_can_tell(
    monkeypatch: pytest.MonkeyPatch, fault: str, told: Reason, turned: bool
) -> None:
    monkeypatch.setattr(modbus, "ANSWER_S", 0.1)
    sim = KeySim()
    sim.turned = turned
    setattr(sim, fault, True)
    asked(sim, lambda key: reason(key) is told or pytest.fail(told))


def test_one_garbled_answer_is_asked_for_again() -> None:
    sim = KeySim()
    sim.turned = True
    sim.garbles = 1
    asked(sim, lambda key: key.turned() or pytest.fail("not turned"))
    assert sim.asked == 2


def test_a_module_without_such_inputs_refuses() -> None:
    asked(KeySim(), lambda key: reason(key) is Reason.REFUSED or pytest.fail("taken"), first=7)


def test_a_port_that_is_gone(tmp_path: Path) -> None:
    key = ModbusKey(str(tmp_path / "none"), 9600, 1, 0)
    assert reason(key) is Reason.NOT_CONNECTED
    key.close()


def test_the_frames_are_those_of_the_standard() -> None:
    """Examples of public Modbus guides."""
    assert crc(bytes.fromhex("010300000001")).hex() == "840a"
    assert question(1, 0).hex() == "010200000002f9cb"


@given(st.binary(max_size=12))
def test_no_nonsense_is_taken_for_a_key(answer: bytes) -> None:
    """Only a whole frame of this module with the right sum says how the key stands."""
    key = ModbusKey("/dev/null", 9600, 1, 0)
    right = len(answer) == 6 and answer[-2:] == crc(answer[:-2]) and answer[:3] == b"\x01\x02\x01"
    try:
        key._read(answer)
    except DeviceFault:
        assert not right or answer[3] > 3
    else:
        assert right
