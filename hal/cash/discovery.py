"""Who is on the bus, and what is wrong with it when a device does not answer as it should.

Every device answers an address poll (253) with its address byte alone, 4 ms later for each number,
and an address clash (252) with the same byte after a random time of up to 1 s: two bytes are two
devices. Source: ccTalk Generic Specification 4.7, part 2 (MDCES).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hal.cash.frame import BROADCAST, HOST, Frame
from hal.cash.wire import MAYBE_S, CctalkWire
from hal.faults import DeviceFault, Reason

SIMPLE_POLL, SERIAL, ADDRESS_POLL, ADDRESS_CLASH = 254, 242, 253, 252
LISTEN_S = 1.2
# of the first question to a device: the kiosk waits for the answer to tell what is wrong
FIRST_TRIES = 2
ALONE_TRIES = 3
ALONE_S = 0.02  # a second device that answers the same question does so within this time


def addresses(wire: CctalkWire) -> tuple[int, ...]:
    """Addresses of everybody who answers, about 1.2 s later. Raises DeviceFault: NOT_CONNECTED."""
    received = wire.listen(Frame(BROADCAST, HOST, ADDRESS_POLL), LISTEN_S)
    return tuple(sorted(set(received) - {BROADCAST, HOST}))


def crowd(wire: CctalkWire, address: int) -> int:
    """How many devices answer at this address; noise is no device. Raises DeviceFault:
    NOT_CONNECTED.
    """
    return wire.listen(Frame(address, HOST, ADDRESS_CLASH), LISTEN_S).count(address)


def check_alone(wire: CctalkWire, address: int) -> None:
    """Two devices differ in their serial numbers, so their answers damage or follow each other.

    After a silence a second answer may be the late one to the question before: only then it is
    asked again. Raises DeviceFault: GARBLED then.
    """
    late = False
    for left in reversed(range(ALONE_TRIES)):
        try:
            wire.ask(address, SERIAL, lengths=range(256), tries=1)
        except DeviceFault as fault:
            if fault.reason is Reason.NOT_CONNECTED or (
                fault.reason is Reason.GARBLED and not left
            ):
                raise
            late = late or fault.reason is Reason.SILENT
            if fault.reason is not Reason.REFUSED and left:
                continue
        if wire.is_quiet(ALONE_S):
            return
        if not (late and left):
            raise wire.fault(Reason.GARBLED, f"more than one answer from {address}")


@contextmanager
def explained(wire: CctalkWire, address: int) -> Iterator[None]:
    """A fault that is raised within comes out with what the bus says about its cause."""
    try:
        yield
    except DeviceFault as fault:
        if fault.reason is Reason.SILENT:
            raise _silence(wire, address, fault) from None
        if fault.reason is Reason.GARBLED and crowd(wire, address) > 1:
            detail = f"two devices answer at address {address}: give each an address of its own"
            raise wire.fault(Reason.CONFIGURATION, detail) from None
        raise


def _silence(wire: CctalkWire, address: int, fault: DeviceFault) -> DeviceFault:
    other = wire.checksum.other
    if _answers(wire, address):
        return fault  # it is there, and does not know the question
    wire.checksum = other
    received = _answers(wire, address)
    wire.checksum = other.other
    if received:
        detail = f'address {address} answers with checksum = "{other}" only: set it in [cash]'
        return wire.fault(Reason.CONFIGURATION, detail)
    found = ", ".join(map(str, addresses(wire))) or "nobody"
    return wire.fault(Reason.SILENT, f"nobody at address {address}; on the bus: {found}")


def _answers(wire: CctalkWire, address: int) -> bool:
    try:
        wire.ask(address, SIMPLE_POLL, tries=1, reply_s=MAYBE_S)
    except DeviceFault as fault:
        return fault.reason not in (Reason.SILENT, Reason.NOT_CONNECTED)
    return True
