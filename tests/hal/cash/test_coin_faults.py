"""Every fault by its name, in a life with coins and change: at most one event, and money that is
accounted for.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from coin_rig import EVERY, Rig, until

from hal.cash import discovery
from hal.cash.contract import PayoutFault
from hal.faults import DeviceFault, Reason
from hal.sim.coins.faults import FAULTS

# what the driver says while the slot is open, and of a payout of 230 yen afterwards
EXPECTED: dict[str, tuple[list[str], Reason | None]] = {
    "coin-jam": (["coin-jam"], None),
    "coins-mute": (["silent"], Reason.SILENT),
    "acceptor-reset": (["events-lost"], None),
    "hopper-reset": ([], None),
    "count-late": ([], None),
    "uncounted-coin": ([], Reason.UNCERTAIN),
    "empty-without-a-word": ([], Reason.UNCERTAIN),
    "opening-refused": (["refused"], None),
    "dispense-refused": ([], Reason.REFUSED),
    "dispense-answer-lost": ([], None),
    "dispense-lost": ([], None),
    "impossible-credit": (["events-lost"], None),
    "impossible-payout": ([], Reason.UNCERTAIN),
    "two-at-one-address": ([], None),
    "coins-garbled": ([], None),
    "coins-late": ([], None),
    "coins-noise": ([], None),
    "hoppers-empty": ([], Reason.HOPPER_EMPTY),
    "hopper-jams": ([], Reason.COIN_JAM),
    "hopper-restarts": ([], Reason.UNCERTAIN),
}


def test_every_fault_is_expected_somehow() -> None:
    assert EXPECTED.keys() == FAULTS.keys()


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "two-at-one-address"])
def test_fault(rig: Rig, name: str) -> None:
    bus = rig.bus([(100, 20), (10, 40)])
    unit = rig.unit(bus, reply_s=0.03, lag_s=0.2)
    unit.accept(EVERY)
    rig.at(lambda: bus.insert(50))
    until(lambda: rig.notified == [50])
    rig.at(lambda: FAULTS[name].apply(bus))
    rig.at(lambda: bus.insert(500))
    unit.stop()
    faults, payout = EXPECTED[name]
    assert rig.faults == faults
    paid, reason = 230, None
    try:
        unit.pay(230)
    except PayoutFault as fault:
        paid, reason = fault.paid, fault.reason
    assert reason is payout
    out = sum(bus.paid_out)
    assert paid <= out if reason is Reason.UNCERTAIN else paid == out
    assert out <= 230
    if "events-lost" not in faults and "silent" not in faults:
        assert rig.notified == bus.acceptor.swallowed
    assert bus.violations == []


def test_two_at_one_address_is_a_fault_at_start(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "LISTEN_S", 0.1)
    bus = rig.bus()
    rig.at(lambda: FAULTS["two-at-one-address"].apply(bus))
    with pytest.raises(DeviceFault, match="two devices answer at address 3"):
        rig.unit(bus)


def test_by_hand_from_the_program(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from hal.sim.coins.program import main; main()"]
    options = ["--link", str(tmp_path / "coins"), "--hopper", "3:100:20", "--checksum", "crc"]
    with subprocess.Popen(
        [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline().startswith("coins: /dev/pts/")
        assert 'type "help"' in program.stdout.readline()
        for line, answer in (
            ("fault coin-jam", "ok"),
            ("insert 100", "not swallowed"),
            ("fault rain", "error: no fault 'rain' is known"),
        ):
            program.stdin.write(line + "\n")
            program.stdin.flush()
            assert program.stdout.readline().startswith(answer)
        program.terminate()


def test_the_cost_of_polling_can_be_measured() -> None:
    command = [sys.executable, "-m", "hal.sim.coins.measure", "--seconds", "0.5"]
    said = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True
    ).stdout.splitlines()
    assert [line.split(":")[0] for line in said] == ["start", "slot shut", "slot open"]
    assert all("ms a poll" in line for line in said[1:])
