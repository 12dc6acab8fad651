"""A small strict IPP printer that shares no code with the driver, on a socket of its own.

It checks every request to the byte, and it can do what ippeveprinter cannot: answer late, in other
words or in pieces, hang up at any byte, count wrongly and forget. It keeps what it was asked and
the very bytes that it answered, so that a judge can tell what the driver may know.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

PRINT, VALIDATE, CREATE, SEND, CANCEL, JOB, JOBS, PRINTER = 2, 4, 5, 6, 8, 9, 0xA, 0xB
WITH_DOCUMENT = (PRINT, SEND)
INTEGER, BOOLEAN, ENUM, OCTETS, RESOLUTION = 0x21, 0x22, 0x23, 0x30, 0x32
NAME, KEYWORD, URI, CHARSET, LANGUAGE, MIME = 0x42, 0x44, 0x45, 0x47, 0x48, 0x49
OPERATION_PART, JOB_PART, END, PRINTER_PART, UNSUPPORTED_PART = 1, 2, 3, 4, 5
CHARSET_NAME, LANGUAGE_NAME = "attributes-charset", "attributes-natural-language"
USER = b"madoguchi"
CREATES = (PRINT, VALIDATE, CREATE, SEND, CANCEL, JOB, JOBS, PRINTER)
PRINTS_ONLY = (PRINT, VALIDATE, CANCEL, JOB, JOBS, PRINTER)


def number(value: int, tag: int = INTEGER) -> tuple[int, bytes]:
    return tag, struct.pack(">i", value)


def word(value: str, tag: int = KEYWORD) -> tuple[int, bytes]:
    return tag, value.encode()


Values = Sequence[tuple[int, bytes]]
Part = tuple[int, dict[str, Values]]
DESCRIPTION: dict[str, Values] = {
    "printer-state": [number(3, ENUM)],
    "printer-state-reasons": [word("none")],
    "printer-is-accepting-jobs": [(BOOLEAN, b"\x01")],
    "document-format-supported": [word("image/pwg-raster", MIME)],
    "media-supported": [word("iso_a4_210x297mm"), word("na_letter_8.5x11in")],
    "media-ready": [word("iso_a4_210x297mm")],
    "sides-supported": [word("one-sided"), word("two-sided-long-edge")],
    "pwg-raster-document-resolution-supported": [(RESOLUTION, struct.pack(">iib", 300, 300, 3))],
    "pwg-raster-document-type-supported": [word("black_1"), word("sgray_8")],
}


def message(status: int, request: int, parts: Sequence[Part]) -> bytes:
    out = bytearray(struct.pack(">HHI", 0x0200, status, request))
    for tag, attributes in parts:
        out.append(tag)
        for name, values in attributes.items():
            for place, (kind, value) in enumerate(values):
                spelled = b"" if place else name.encode()
                out += struct.pack(">BH", kind, len(spelled)) + spelled
                out += struct.pack(">H", len(value)) + value
    return bytes(out) + bytes([END])


class Message(NamedTuple):
    code: int
    request: int
    parts: list[tuple[int, dict[str, list[tuple[int, bytes]]]]]
    rest: bytes

    def of(self, part: int, name: str) -> list[bytes]:
        """The values in the first part of this kind."""
        for tag, attributes in self.parts:
            if tag == part:
                return [value for _, value in attributes.get(name, [])]
        return []


def understood(data: bytes) -> Message:
    """ValueError when these are no such bytes."""
    if len(data) < 9:
        raise ValueError("short")
    _, code, request = struct.unpack_from(">HHI", data)
    at, parts, name = 8, [], ""
    while at < len(data):
        tag = data[at]
        at += 1
        if tag == END:
            return Message(code, request, parts, data[at:])
        if tag < 0x10:
            parts.append((tag, {}))
            continue
        spelled, at = _counted(data, at)
        value, at = _counted(data, at)
        name = spelled.decode("latin-1") or name
        if not parts or not name:
            raise ValueError("a value of nothing")
        attributes = parts[-1][1]
        attributes[name] = [*(attributes.get(name, []) if not spelled else []), (tag, value)]
    raise ValueError("no end")


def _counted(data: bytes, at: int) -> tuple[bytes, int]:
    size = int.from_bytes(data[at : at + 2], "big")
    if at + 2 + size > len(data):
        raise ValueError("past the end")
    return data[at + 2 : at + 2 + size], at + 2 + size


class JobSays(NamedTuple):
    state: int = 9
    sides: int | None = 1
    sheets: int | None = None
    reasons: tuple[str, ...] = ("none",)


class Reply(NamedTuple):
    """The bytes that go out, in pieces with a pause before each; then it may hang up."""

    pieces: tuple[tuple[float, bytes], ...]
    hangs_up: bool = False


Meddle = Callable[[int, bytes], Reply | None]
Instead = Callable[["FarEnd", Message], "bytes | Part | int | None"]


@dataclass
class FarEnd:
    """`job`: what it says of its job, one entry a question, the last one for ever. `instead`: other
    answers, by operation: a status, a part, a whole HTTP answer, or None for the usual one.

    `meddle` turns the HTTP answer to an operation into what goes over the wire. `hasty`: HTTP
    answers that go out when only the operation was read; then it closes. `connections`: how
    many it ever takes, 0 for all; after that its port is held.
    """

    job: Sequence[JobSays] = (JobSays(),)
    operations: Sequence[int] = CREATES
    description: dict[str, Values] = field(default_factory=dict)
    instead: dict[int, Instead] = field(default_factory=dict)
    meddle: Meddle | None = None
    hasty: dict[int, bytes] = field(default_factory=dict)
    connections: int = 0
    asked: list[int] = field(default_factory=list)
    answered: list[tuple[int, bytes]] = field(default_factory=list)
    documents: list[bytes] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    taken: int = 0
    port: int = 0

    def reply(self, request: Message) -> bytes:
        usual = self._usual(request)
        found = self.instead.get(request.code, lambda *_: None)(self, request)
        if isinstance(found, bytes):
            return found
        if isinstance(found, int):
            return http(message(found, request.request, [HEAD]))
        return http(message(0, request.request, [HEAD, found or usual]))

    def _usual(self, request: Message) -> Part:
        if request.code == PRINTER:
            supported = [number(code, ENUM) for code in self.operations]
            told = {**DESCRIPTION, "operations-supported": supported, **self.description}
            return PRINTER_PART, {name: values for name, values in told.items() if values}
        if request.code in (PRINT, CREATE, SEND):
            return JOB_PART, {"job-id": [number(7)], "job-state": [number(5, ENUM)]}
        if request.code == JOB:
            said = self.job[min(self.asked.count(JOB), len(self.job)) - 1]
            return JOB_PART, job_part(said)
        return UNSUPPORTED_PART, {}

    def check(self, request: Message) -> None:
        """A printer may refuse each of these."""
        groups = [tag for tag, _ in request.parts]
        first = list(request.parts[0][1]) if request.parts else []
        rules = {
            "groups": groups in ([OPERATION_PART], [OPERATION_PART, JOB_PART]),
            "order": first[:3]
            == ["attributes-charset", "attributes-natural-language", "printer-uri"],
            "operation": request.code in self.operations,
            "user": request.of(OPERATION_PART, "requesting-user-name") == [USER],
            "name": request.of(OPERATION_PART, "job-name") in ([], [USER]),
            "job": (request.of(OPERATION_PART, "job-id") == [struct.pack(">i", 7)])
            == (request.code in (SEND, CANCEL, JOB)),
            "document": (request.rest[:4] == b"RaS2") == (request.code in WITH_DOCUMENT),
            "copies": request.of(JOB_PART, "copies")
            == ([] if request.code not in (PRINT, VALIDATE, CREATE) else [struct.pack(">i", 1)]),
        }
        self.wrong += [f"{request.code}: {rule}" for rule, holds in rules.items() if not holds]


HEAD: Part = (
    OPERATION_PART,
    {
        "attributes-charset": [word("utf-8", CHARSET)],
        "attributes-natural-language": [word("en", LANGUAGE)],
    },
)


def job_part(said: JobSays) -> dict[str, Values]:
    told: dict[str, Values] = {
        "job-id": [number(7)],
        "job-state": [number(said.state, ENUM)],
        "job-state-reasons": [word(reason) for reason in said.reasons],
    }
    if said.sides is not None:
        told["job-impressions-completed"] = [number(said.sides)]
    if said.sheets is not None:
        told["job-media-sheets-completed"] = [number(said.sheets)]
    return told


def http(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/ipp\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(answer: bytes, size: int) -> bytes:
    """The same answer in chunks of `size` bytes."""
    body = answer.partition(b"\r\n\r\n")[2]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"


@contextmanager
def at_work(far_end: FarEnd) -> Iterator[str]:
    """Its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)
    lines: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while not far_end.connections or far_end.taken < far_end.connections:
                line, _ = listener.accept()
                far_end.taken += 1
                lines.append(line)
                threading.Thread(target=_serve, args=(far_end, line), daemon=True).start()
            listener.close()

    far_end.port = listener.getsockname()[1]
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"ipp://127.0.0.1:{far_end.port}/ipp/print"
    finally:
        for one in (listener, *lines):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        thread.join()


def _serve(far_end: FarEnd, line: socket.socket) -> None:
    with line, line.makefile("rb") as reader, suppress(OSError, ValueError):
        while first := reader.readline():
            if first != b"POST /ipp/print HTTP/1.1\r\n":
                far_end.wrong.append("request line")
            headers = {}
            while (header := reader.readline()) not in (b"\r\n", b""):
                key, _, value = header.decode().partition(":")
                headers[key.lower()] = value.strip()
            if headers.get("content-type") != "application/ipp":
                far_end.wrong.append("content type")
            begun = reader.read(4)
            if answer := far_end.hasty.get(begun[3]):
                line.sendall(answer)
                return
            body = begun + reader.read(int(headers["content-length"]) - len(begun))
            if len(body) != int(headers["content-length"]):
                return
            request = understood(body)
            far_end.check(request)
            far_end.asked.append(request.code)
            if request.code in WITH_DOCUMENT:
                far_end.documents.append(request.rest)
            answer = far_end.reply(request)
            meddled = far_end.meddle(request.code, answer) if far_end.meddle else None
            for pause, piece in (meddled or Reply(((0.0, answer),))).pieces:
                time.sleep(pause)
                line.sendall(piece)
            sent = b"".join(piece for _, piece in meddled.pieces) if meddled else answer
            far_end.answered.append((request.code, sent))
            if meddled and meddled.hangs_up:
                return
