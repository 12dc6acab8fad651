"""The IPP driver against far ends that misbehave: nothing blocks past a deadline, nothing but
DeviceFault comes out.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hal.faults import DeviceFault, Reason
from hal.printer.contract import Bitmap
from hal.printer.ipp import IppPrinter
from hal.printer.ipp_message import (
    JOB_GROUP,
    PRINTER_GROUP,
    Attribute,
    Operation,
    Resolution,
    Tag,
    attribute,
    encode,
)

SHEET = Bitmap(64, 80, bytes(640))
QUICK = {
    "connect_s": 0.5,
    "answer_s": 0.5,
    "silent_s": 0.3,
    "count_s": 0.1,
    "poll_s": 0.01,
    "page_deadline_s": 2.0,
    "purge_deadline_s": 0.5,
}
PRINTER = (
    attribute(Tag.ENUM, "printer-state", 3),
    attribute(Tag.KEYWORD, "printer-state-reasons", "none"),
    attribute(Tag.BOOLEAN, "printer-is-accepting-jobs", True),
    attribute(Tag.MIME_TYPE, "document-format-supported", "image/pwg-raster"),
    attribute(Tag.KEYWORD, "media-supported", "iso_a4_210x297mm"),
    attribute(Tag.KEYWORD, "sides-supported", "one-sided"),
    attribute(Tag.RESOLUTION, "pwg-raster-document-resolution-supported", Resolution(300, 300)),
    attribute(Tag.KEYWORD, "pwg-raster-document-type-supported", "sgray_8"),
)
OK, BUSY, BAD_REQUEST, NOT_FOUND, INTERNAL = 0x0000, 0x0507, 0x0400, 0x0406, 0x0500
Answer = Callable[[Operation, int], bytes]


def reply(number: int, status: int = OK, group: int = 0, *attributes: Attribute) -> bytes:
    """Requests and answers differ in the meaning of one field only."""
    return encode(status, number, [(group, attributes)] if group else [])  # type: ignore[arg-type]


def job(state: int, printed: int | None) -> tuple[Attribute, ...]:
    counted = (
        () if printed is None else (attribute(Tag.INTEGER, "job-impressions-completed", printed),)
    )
    return (attribute(Tag.ENUM, "job-state", state), *counted)


class Scripted:
    """A printer that is well, but for what a test says. Keeps the operations it was asked for."""

    def __init__(self, **instead: Answer) -> None:
        self.asked: list[Operation] = []
        self._instead = instead

    def answer(self, operation: Operation, number: int) -> bytes:
        self.asked.append(operation)
        if operation.name in self._instead:
            return self._instead[operation.name](operation, number)
        well = {
            Operation.GET_PRINTER_ATTRIBUTES: (PRINTER_GROUP, *PRINTER),
            Operation.PRINT_JOB: (JOB_GROUP, attribute(Tag.INTEGER, "job-id", 7)),
            Operation.GET_JOB_ATTRIBUTES: (JOB_GROUP, *job(9, 1)),
        }
        return reply(number, OK, *well.get(operation, ()))  # type: ignore[arg-type]


@contextmanager
def served(
    answer: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """An HTTP server whose every POST is `answer`ed; its printer's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with suppress(OSError):
                answer(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"ipp://127.0.0.1:{server.server_address[1]}/ipp/print"
    finally:
        server.shutdown()
        server.server_close()


def asked_of(handler: BaseHTTPRequestHandler) -> tuple[Operation, int]:
    data = handler.rfile.read(int(handler.headers["Content-Length"]))
    return Operation(int.from_bytes(data[2:4], "big")), int.from_bytes(data[4:8], "big")


def answered(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def driver_of(printer: Scripted, **options: object) -> Iterator[IppPrinter]:
    with served(lambda handler: answered(handler, printer.answer(*asked_of(handler)))) as address:
        yield driver(address, **options)


def driver(address: str, **options: object) -> IppPrinter:
    return IppPrinter("sheets", address, 300, **(QUICK | options))  # type: ignore[arg-type]


def refused(action: Callable[[], object]) -> Reason:
    with pytest.raises(DeviceFault) as caught:
        action()
    return caught.value.reason


def test_a_printer_that_is_well_prints() -> None:
    printer = Scripted()
    with driver_of(printer) as device:
        device.print_page(SHEET)
    assert printer.asked.count(Operation.PRINT_JOB) == 1


def test_a_busy_printer_is_asked_again_until_it_takes_the_sheet() -> None:
    refusals = iter([BUSY, BUSY, BUSY])

    def print_job(_: Operation, number: int) -> bytes:
        if status := next(refusals, OK):
            return reply(number, status)
        return reply(number, OK, JOB_GROUP, attribute(Tag.INTEGER, "job-id", 7))

    printer = Scripted(PRINT_JOB=print_job)
    with driver_of(printer) as device:
        device.print_page(SHEET)
    assert printer.asked.count(Operation.PRINT_JOB) == 4


def test_a_printer_that_stays_busy_has_certainly_not_printed() -> None:
    printer = Scripted(PRINT_JOB=lambda _, number: reply(number, BUSY))
    with driver_of(printer, page_deadline_s=0.3) as device:
        assert refused(lambda: device.print_page(SHEET)) is Reason.BUSY


SHEET_REFUSED = {BAD_REQUEST: Reason.PRINTER_ERROR, INTERNAL: Reason.UNCERTAIN}


@pytest.mark.parametrize("status", SHEET_REFUSED)
def test_a_refused_sheet_is_certain_unless_the_printer_itself_failed(status: int) -> None:
    printer = Scripted(PRINT_JOB=lambda _, number: reply(number, status))
    with driver_of(printer) as device:
        assert refused(lambda: device.print_page(SHEET)) is SHEET_REFUSED[status]
    assert printer.asked.count(Operation.PRINT_JOB) == 1


def test_a_printer_that_would_change_the_sheet_gets_none() -> None:
    """0x0001: attributes ignored or substituted. One-sided instead of two-sided would be another
    sheet.
    """
    printer = Scripted(VALIDATE_JOB=lambda _, number: reply(number, 0x0001))
    with driver_of(printer) as device:
        assert refused(lambda: device.print_page(SHEET)) is Reason.CONFIGURATION
    assert Operation.PRINT_JOB not in printer.asked


ENDS = {
    "completed, not counted": (job(9, None), Reason.UNCERTAIN),
    "completed with none": (job(9, 0), Reason.UNCERTAIN),
    "completed with two": (job(9, 2), Reason.UNCERTAIN),
    "aborted with none": (job(8, 0), Reason.UNCERTAIN),
    "aborted with one": (job(8, 1), Reason.UNCERTAIN),
    "aborted, not counted": (job(8, None), Reason.UNCERTAIN),
    "canceled with none": (job(7, 0), Reason.UNCERTAIN),
    "never ended": (job(5, 0), Reason.UNCERTAIN),
    "no state": ((), Reason.UNCERTAIN),
}


@pytest.mark.parametrize("end", ENDS)
def test_how_a_job_ends(end: str) -> None:
    said, reason = ENDS[end]
    printer = Scripted(GET_JOB_ATTRIBUTES=lambda _, number: reply(number, OK, JOB_GROUP, *said))
    with driver_of(printer, page_deadline_s=0.6) as device:
        assert refused(lambda: device.print_page(SHEET)) is reason
    assert printer.asked.count(Operation.PRINT_JOB) == 1


def test_a_forgotten_job_is_uncertain() -> None:
    printer = Scripted(GET_JOB_ATTRIBUTES=lambda _, number: reply(number, NOT_FOUND))
    with driver_of(printer) as device:
        assert refused(lambda: device.print_page(SHEET)) is Reason.UNCERTAIN


def test_a_job_without_a_number_is_uncertain() -> None:
    printer = Scripted(PRINT_JOB=lambda _, number: reply(number))
    with driver_of(printer) as device:
        assert refused(lambda: device.print_page(SHEET)) is Reason.UNCERTAIN


HELD = attribute(Tag.INTEGER, "job-id", 3)
WORKING = (attribute(Tag.ENUM, "printer-state", 4), *PRINTER[1:])
NOT_EMPTY: dict[str, dict[str, Answer]] = {
    "idle with a job": {"GET_JOBS": lambda _, number: reply(number, OK, JOB_GROUP, HELD)},
    "no job and not idle": {
        "GET_PRINTER_ATTRIBUTES": lambda _, number: reply(number, OK, PRINTER_GROUP, *WORKING)
    },
    "a job without a number": {
        "GET_JOBS": lambda _, number: reply(number, OK, JOB_GROUP, *job(5, 0))
    },
    "jobs are not told": {"GET_JOBS": lambda _, number: reply(number, INTERNAL)},
}


@pytest.mark.parametrize("what", NOT_EMPTY)
def test_a_printer_that_is_not_proven_empty_gets_no_sheet(what: str) -> None:
    printer = Scripted(**NOT_EMPTY[what])
    with driver_of(printer) as device:
        assert refused(device.purge) is Reason.UNCERTAIN
        assert refused(lambda: device.print_page(SHEET)) is Reason.PRINTER_ERROR
    assert Operation.PRINT_JOB not in printer.asked


@pytest.mark.parametrize("lacking", [one.name for one in PRINTER[3:]])
def test_a_printer_that_lacks_something_is_not_ready_and_gets_no_sheet(lacking: str) -> None:
    rest = [one for one in PRINTER if one.name != lacking]
    said = lambda _, number: reply(number, OK, PRINTER_GROUP, *rest)  # noqa: E731
    printer = Scripted(GET_PRINTER_ATTRIBUTES=said)
    with driver_of(printer) as device:
        assert not device.status().ready
        with pytest.raises(DeviceFault, match=lacking) as caught:
            device.print_page(SHEET)
    assert caught.value.reason is Reason.CONFIGURATION
    assert Operation.PRINT_JOB not in printer.asked


# --- what comes over the wire


def hang_up(handler: BaseHTTPRequestHandler, _: int) -> None:
    handler.connection.close()


def drip(handler: BaseHTTPRequestHandler, _: int) -> None:
    while True:
        handler.wfile.write(b"H")
        time.sleep(0.02)


def drip_a_body(handler: BaseHTTPRequestHandler, number: int) -> None:
    handler.send_response(200)
    handler.end_headers()
    drip(handler, number)


def say_nothing(handler: BaseHTTPRequestHandler, _: int) -> None:
    handler.connection.settimeout(5)
    handler.rfile.read(1)


def endless(handler: BaseHTTPRequestHandler, _: int) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(1 << 16))


# What they do with a request that has been read.
WRONG: dict[str, Callable[[BaseHTTPRequestHandler, int], object]] = {
    "hangs up": hang_up,
    "drips": drip,
    "drips a body": drip_a_body,
    "silent": say_nothing,
    "endless": endless,
    "no IPP": lambda handler, _: answered(handler, b"<html>"),
    "nothing": lambda handler, _: answered(handler, b""),
    "HTTP error": lambda handler, _: answered(handler, b"", 503),
    "another's answer": lambda handler, number: answered(handler, reply(number + 1)),
    "no HTTP": lambda handler, _: handler.wfile.write(b"\x00\xff\r\n\r\n"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_far_end_that_is_no_printer_is_never_ready_and_gets_no_sheet(what: str) -> None:
    with served(lambda handler: WRONG[what](handler, asked_of(handler)[1])) as address:
        device = driver(address)
        assert not device.status().ready
        reasons = (Reason.BUSY,) if what == "HTTP error" else (Reason.SILENT, Reason.GARBLED)
        assert refused(lambda: device.print_page(SHEET)) in reasons
        assert refused(device.purge) is Reason.UNCERTAIN


ENDLESS = {
    "a body": b"HTTP/1.1 200 OK\r\n\r\n",
    "a chunk of negative size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "answers before the answer": b"",
}
FILLER = {"trailers": b"a: b\r\n", "answers before the answer": b"HTTP/1.1 100 Continue\r\n\r\n"}


@pytest.mark.parametrize("what", ENDLESS)
def test_of_an_answer_without_end_no_more_is_read_than_of_the_largest(what: str) -> None:
    taken = []

    def flood(handler: BaseHTTPRequestHandler) -> None:
        asked_of(handler)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        handler.wfile.write(ENDLESS[what])
        filler = FILLER.get(what, b"x") * (1 << 12)
        taken.append(0)
        with suppress(OSError):
            while taken[0] < 64 << 20:
                handler.wfile.write(filler)
                taken[0] += len(filler)

    with served(flood) as address:
        device = driver(address, answer_s=30.0)
        assert not device.status().ready
        device.close()
    assert 0 < taken[0] < 32 << 20  # most of it in the buffers of the sockets


@pytest.mark.parametrize("operation", [Operation.PRINT_JOB, Operation.GET_JOB_ATTRIBUTES])
@pytest.mark.parametrize("what", WRONG)
def test_a_sheet_whose_fate_is_not_told_is_uncertain_and_sent_once(
    what: str, operation: Operation
) -> None:
    printer = Scripted()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked, number = asked_of(handler)
        well = printer.answer(asked, number)
        if asked is operation:
            WRONG[what](handler, number)
        else:
            answered(handler, well)

    with served(answer) as address:
        device = driver(address, page_deadline_s=0.7)
        assert refused(lambda: device.print_page(SHEET)) is Reason.UNCERTAIN
    assert printer.asked.count(Operation.PRINT_JOB) == 1


def test_a_handshake_that_never_ends_is_cut(tmp_path: Path) -> None:
    """The beginning of a TLS record of 16 kB, and then a byte now and then: no timeout of a socket
    ends that.
    """
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificate())
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip_a_record() -> None:
            with suppress(OSError):
                line, _ = listener.accept()
                with line:
                    line.sendall(b"\x16\x03\x03\x40\x00")
                    while True:
                        line.sendall(b"\x00")
                        time.sleep(0.02)

        threading.Thread(target=drip_a_record, daemon=True).start()
        address = f"ipps://127.0.0.1:{listener.getsockname()[1]}/ipp/print"
        began = time.monotonic()
        assert refused(driver(address, ca=ca).check) is Reason.NOT_CONNECTED
        assert time.monotonic() - began < 60  # the record would last five minutes


def certificate() -> bytes:
    return made(ec.generate_private_key(ec.SECP256R1()))


def made(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, age_days: int = 0) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "printer")])
    began = datetime.now(UTC) - timedelta(days=age_days)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


@contextmanager
def secured(folder: Path, bits: int, age_days: int = 0, ciphers: str = "") -> Iterator[Pinned]:
    """A printer that is well, behind TLS with a certificate of its own."""
    key = rsa.generate_private_key(65537, bits)
    pem = made(key, age_days)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "both.pem").write_bytes(private + pem)
    (folder / "ca.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    elif bits < 2048:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(folder / "both.pem")
    printer = Scripted()
    answer = lambda handler: answered(handler, printer.answer(*asked_of(handler)))  # noqa: E731
    with served(answer, context) as address:
        der = ssl.PEM_cert_to_DER_cert(pem.decode())
        digest = hashlib.sha256(der).hexdigest()
        yield Pinned(address.replace("ipp:", "ipps:"), folder / "ca.pem", digest)


class Pinned(NamedTuple):
    address: str
    ca: Path
    fingerprint: str


def test_a_printer_that_knows_plain_rsa_alone_is_spoken_to(tmp_path: Path) -> None:
    with secured(tmp_path, 2048, ciphers="AES256-GCM-SHA384") as printer:
        driver(printer.address, ca=printer.ca, answer_s=10.0, connect_s=10.0).print_page(SHEET)


def test_an_expired_certificate_is_good_by_its_fingerprint_alone(tmp_path: Path) -> None:
    long_s = {"answer_s": 10.0, "connect_s": 10.0}
    with secured(tmp_path, 2048, age_days=400) as printer:
        driver(printer.address, fingerprint=printer.fingerprint, **long_s).print_page(SHEET)
        with pytest.raises(DeviceFault, match="certificate has expired") as caught:
            driver(printer.address, ca=printer.ca, **long_s).check()
        assert caught.value.reason is Reason.CONFIGURATION
        wrong = driver(printer.address, fingerprint="00" * 32, **long_s)
        with pytest.raises(DeviceFault, match=printer.fingerprint):
            wrong.check()
        assert wrong.bytes_sent == 0


def test_a_key_that_is_too_small_is_refused_and_named(tmp_path: Path) -> None:
    with secured(tmp_path, 1024) as printer:
        with pytest.raises(DeviceFault, match="key too weak"):
            driver(printer.address, ca=printer.ca, connect_s=10.0).check()


ADDRESSES = (
    "",
    "printer",
    "http://printer/ipp",
    "ipp://",
    "ipp://printer:0/",
    "ipp://printer:x/",
    "ipp://[::1/",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_none_is_told_at_once(address: str) -> None:
    assert refused(lambda: driver(address)) is Reason.CONFIGURATION


def test_a_certificate_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for ca in (tmp_path / "ca.pem", tmp_path / "missing.pem", None):
        assert refused(lambda: driver("ipps://printer/ipp", ca=ca)) is Reason.CONFIGURATION  # noqa: B023
    assert (
        refused(lambda: driver("ipp://printer/ipp", ca=tmp_path / "ca.pem")) is Reason.CONFIGURATION
    )
