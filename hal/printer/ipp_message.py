"""IPP messages (RFC 8010): attributes to bytes and back. Only the types that a printer's driver
needs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from hal.faults import Reason

VERSION: Final = b"\x02\x00"
OPERATION_GROUP, JOB_GROUP, END_OF_GROUPS, PRINTER_GROUP = 0x01, 0x02, 0x03, 0x04
UNSUPPORTED_GROUP: Final = 0x05  # in an answer: what the printer did not take as it was given
HIGHEST_GROUP: Final = 0x0F
MOST_GROUPS: Final = 5000  # of an answer; each job in a list is one
HIGHEST_OUT_OF_BAND: Final = 0x1F  # tags of "no value", "unknown" and their like


class Tag(IntEnum):
    """The types of values."""

    INTEGER = 0x21
    BOOLEAN = 0x22
    ENUM = 0x23
    RESOLUTION = 0x32
    TEXT = 0x41
    NAME = 0x42
    KEYWORD = 0x44
    URI = 0x45
    CHARSET = 0x47
    LANGUAGE = 0x48
    MIME_TYPE = 0x49


class Operation(IntEnum):
    PRINT_JOB = 0x0002
    VALIDATE_JOB = 0x0004
    CREATE_JOB = 0x0005
    SEND_DOCUMENT = 0x0006
    CANCEL_JOB = 0x0008
    GET_JOB_ATTRIBUTES = 0x0009
    GET_JOBS = 0x000A
    GET_PRINTER_ATTRIBUTES = 0x000B


class Resolution(NamedTuple):
    """Dots an inch when `unit` is 3."""

    across: int
    feed: int
    unit: int = 3


Value: TypeAlias = int | bool | str | bytes | Resolution
Attributes: TypeAlias = Mapping[str, tuple[Value, ...]]
NUMBERS: Final = frozenset({Tag.INTEGER, Tag.ENUM})
STRINGS: Final = frozenset({0x40 | low for low in range(10)})


class IppTrouble(Exception):
    """A question without a usable answer. `reason`: what it means before anything of a sheet was
    sent.
    """

    reason = Reason.PRINTER_ERROR


class GarbledResponse(IppTrouble):
    """These bytes are no IPP message."""

    reason = Reason.GARBLED


@dataclass(frozen=True)
class Attribute:
    """One attribute of a request."""

    tag: Tag
    name: str
    values: tuple[Value, ...]


def attribute(tag: Tag, name: str, *values: Value) -> Attribute:
    return Attribute(tag, name, values)


@dataclass(frozen=True)
class IppResponse:
    """`groups`: (group tag, its attributes), in the order of the message."""

    status: int
    request: int
    groups: tuple[tuple[int, Attributes], ...]

    def first(self, group: int) -> Attributes:
        """The first group of this kind; empty when there is none."""
        return next((attributes for tag, attributes in self.groups if tag == group), {})


def encode(
    operation: Operation, request: int, groups: Iterable[tuple[int, Iterable[Attribute]]]
) -> bytes:
    """A request, up to where the document begins."""
    out = bytearray(VERSION + struct.pack(">HI", operation, request))
    for tag, attributes in groups:
        out.append(tag)
        for one in attributes:
            name = one.name.encode("ascii")
            for value in one.values:
                data = _value_to_bytes(one.tag, value)
                out += struct.pack(">BH", one.tag, len(name)) + name
                out += struct.pack(">H", len(data)) + data
                name = b""  # further values of the same attribute have none
    out.append(END_OF_GROUPS)
    return bytes(out)


def _value_to_bytes(tag: Tag, value: Value) -> bytes:
    if isinstance(value, Resolution):
        return struct.pack(">iib", *value)
    if tag is Tag.BOOLEAN:
        return bytes((bool(value),))
    if isinstance(value, int):
        return struct.pack(">i", value)
    return value.encode() if isinstance(value, str) else value


def decode(data: bytes) -> IppResponse:
    """Raises Garbled. The values of a collection come out as further values of its attribute."""
    reader = _Reader(data)
    reader.take(len(VERSION))
    status, request = struct.unpack(">HI", reader.take(6))
    groups: list[tuple[int, dict[str, list[Value]]]] = []
    name = ""
    while (tag := reader.byte()) != END_OF_GROUPS:
        if tag <= HIGHEST_GROUP:
            if len(groups) == MOST_GROUPS:
                raise GarbledResponse("too many groups")
            groups.append((tag, {}))
            name = ""
            continue
        given = reader.counted().decode("ascii", "replace")
        data_of_value = reader.counted()
        name = given or name
        if not groups or not name:
            raise GarbledResponse("a value without a name")
        attributes = groups[-1][1]
        if given or name not in attributes:
            attributes[name] = []
        if tag > HIGHEST_OUT_OF_BAND:
            attributes[name].append(_value_from_bytes(tag, data_of_value))
    return IppResponse(
        status,
        request,
        tuple(
            (tag, {name: tuple(values) for name, values in attributes.items()})
            for tag, attributes in groups
        ),
    )


def _value_from_bytes(tag: int, data: bytes) -> Value:
    try:
        if tag in NUMBERS:
            number: int = struct.unpack(">i", data)[0]
            return number
        if tag == Tag.BOOLEAN:
            return bool(struct.unpack(">B", data)[0])
        if tag == Tag.RESOLUTION:
            return Resolution(*struct.unpack(">iib", data))
    except struct.error:
        raise GarbledResponse(f"a value of type {tag:#x} with {len(data)} bytes") from None
    return data.decode("utf-8", "replace") if tag in STRINGS else data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise GarbledResponse("cut short")
        self._at += size
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def counted(self) -> bytes:
        """A length of two bytes, and so many bytes."""
        return self.take(int.from_bytes(self.take(2), "big"))
