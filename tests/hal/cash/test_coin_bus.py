"""What is on the bus, and what the driver says when it is not what the configuration says."""

from __future__ import annotations

import pytest
from coin_rig import EVERY, Rig, until

from hal.cash import discovery
from hal.cash.cctalk import CctalkCoinUnit, Hopper
from hal.cash.frame import HOST, Checksum, Frame
from hal.cash.handshake import cipher
from hal.cash.wire import CctalkWire
from hal.faults import DeviceFault, Reason
from hal.sim.coins.acceptor import Acceptor
from hal.sim.coins.bus import CoinBus
from hal.sim.coins.hopper import HopperDevice


@pytest.fixture(autouse=True)
def listen_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "LISTEN_S", 0.1)


def fault_at_start(rig: Rig, bus: CoinBus, hoppers: list[Hopper], **options: object) -> DeviceFault:
    unit = CctalkCoinUnit(bus.port, hoppers=hoppers, poll_s=0.005, reply_s=0.05, **options)  # type: ignore[arg-type]
    with pytest.raises(DeviceFault) as caught:
        unit.start(rig.told.append)
    return caught.value


def test_everybody_on_the_bus_is_found(rig: Rig) -> None:
    bus = rig.bus([(100, 20), (10, 20)])
    wire = CctalkWire("cash", bus.port, 0.1)
    assert discovery.addresses(wire) == (2, 3, 4)
    assert [discovery.crowd(wire, address) for address in (2, 3, 9)] == [1, 1, 0]
    wire.close()


def test_found_at_the_pace_of_a_real_wire(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes come 4 ms later for each number: the host must wait for the last."""
    monkeypatch.setattr(discovery, "LISTEN_S", 1.2)
    bus = rig.bus([], baud=9600, acceptor=Acceptor(255))
    wire = CctalkWire("cash", bus.port, 0.1)
    assert discovery.addresses(wire) == (255,)
    assert discovery.crowd(wire, 255) == 1
    wire.close()


def test_silence_names_who_is_there(rig: Rig) -> None:
    bus = rig.bus([(100, 20)])
    fault = fault_at_start(rig, bus, [Hopper(7, 100)])
    assert fault.reason is Reason.SILENT
    assert fault.detail == "nobody at address 7; on the bus: 2, 3"
    rig.at(lambda: bus.mute(2, 3))
    assert fault_at_start(rig, bus, []).detail == "nobody at address 2; on the bus: nobody"


def test_two_devices_at_one_address(rig: Rig) -> None:
    bus = rig.bus([(100, 20), (10, 20)])
    rig.at(lambda: bus.join(HopperDevice(4, 10, serial=0x0B_0007)))
    fault = fault_at_start(rig, bus, [Hopper(3, 100), Hopper(4, 10)])
    assert fault.reason is Reason.CONFIGURATION
    assert fault.detail == "two devices answer at address 4: give each an address of its own"


def test_one_address_configured_twice(rig: Rig) -> None:
    fault = fault_at_start(rig, rig.bus(), [Hopper(3, 100), Hopper(3, 100)])
    assert fault.reason is Reason.CONFIGURATION
    assert "two devices are configured at one address" in fault.detail


# checksums


@pytest.mark.parametrize("checksum", Checksum)
def test_a_whole_life_with_either_checksum(rig: Rig, checksum: Checksum) -> None:
    bus = rig.bus(checksum=checksum)
    unit = rig.unit(bus, checksum=checksum)
    unit.accept(EVERY)
    rig.at(lambda: bus.insert(500))
    until(lambda: rig.notified == [500])
    rig.at(lambda: bus.garble(2))
    unit.stop()
    unit.pay(230)
    assert bus.paid_out == [100, 100, 10, 10, 10]
    assert bus.violations == []


@pytest.mark.parametrize("checksum", Checksum)
def test_the_remedy_names_the_checksum(rig: Rig, checksum: Checksum) -> None:
    bus = rig.bus(checksum=checksum)
    fault = fault_at_start(rig, bus, [], checksum=checksum.other)
    assert fault.reason is Reason.CONFIGURATION
    assert fault.detail == f'address 2 answers with checksum = "{checksum}" only: set it in [cash]'
    assert bus.violations == []
    assert bus.acceptor.received == [254]  # looking for it moved nothing


# coins that are not what the configuration says


@pytest.mark.parametrize("configured", [10, 50, 500])
def test_a_hopper_with_other_coins_than_configured(rig: Rig, configured: int) -> None:
    bus = rig.bus([(100, 20)])
    fault = fault_at_start(rig, bus, [Hopper(3, configured)])
    assert fault.reason is Reason.CONFIGURATION
    wrong = f"the hopper at address 3 holds JP100A, the configuration says {configured} yen"
    assert fault.detail == wrong


def test_a_hopper_that_knows_only_the_older_question(rig: Rig) -> None:
    bus = rig.bus([(100, 20)])
    del bus.hoppers[0].commands[171]
    assert fault_at_start(rig, bus, [Hopper(3, 10)]).reason is Reason.CONFIGURATION


@pytest.mark.parametrize("blank", [b"......", b"      ", bytes(6)])
def test_a_hopper_that_was_never_told_its_coin_is_taken_as_configured(
    rig: Rig, blank: bytes
) -> None:
    bus = rig.bus([(100, 20)])
    bus.hoppers[0].commands[171] = (frozenset({0}), lambda _data: blank)
    unit = rig.unit(bus)
    unit.pay(100)
    del bus.hoppers[0].commands[171], bus.hoppers[0].commands[131]
    unit.start(rig.told.append)
    unit.pay(100)
    assert bus.violations == []


# handshakes


def turned(key: bytes) -> bytes:
    return bytes(byte ^ 0x5A for byte in reversed(key))


def test_a_hopper_with_a_cipher(rig: Rig) -> None:
    bus = rig.bus([])
    hopper = HopperDevice(3, 100, 20, encipher=turned)
    rig.at(lambda: bus.plug(hopper))
    unit = CctalkCoinUnit(
        bus.port, hoppers=[Hopper(3, 100, handshake=cipher(turned))], poll_s=0.005, lag_s=0.02
    )
    rig.units.append(unit)
    unit.start(rig.told.append)
    unit.pay(300)
    rig.at(lambda: bus.lose_request(167))  # the second command needs a key of its own
    unit.pay(200)
    assert bus.paid_out == [100] * 5
    assert hopper.received.count(161) == hopper.received.count(160) == 3
    assert bus.violations == []


def test_the_wrong_handshake_pays_nothing(rig: Rig) -> None:
    bus = rig.bus([])
    hopper = HopperDevice(3, 100, 20, encipher=turned)
    rig.at(lambda: bus.plug(hopper))
    unit = CctalkCoinUnit(
        bus.port,
        hoppers=[Hopper(3, 100, handshake=cipher(lambda key: key))],
        poll_s=0.005,
        lag_s=0.02,
    )
    rig.units.append(unit)
    unit.start(rig.told.append)
    with pytest.raises(DeviceFault) as caught:
        unit.pay(300)
    assert (caught.value.reason, hopper.paid_out) == (Reason.REFUSED, 0)
    assert hopper.received.count(167) == 1


def test_the_far_end_writes_down_what_is_no_frame_in_either_checksum(rig: Rig) -> None:
    bus = rig.bus()
    wire = CctalkWire("cash", bus.port, 0.05)
    wire.listen(Frame(2, HOST, 254), 0.02)
    port = wire._open()
    port.write(bytes.fromhex("0200010000"))
    until(lambda: bus.violations != [])
    wire.close()
