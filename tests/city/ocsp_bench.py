"""Card authorities, OpenSSL's own OCSP responder, and peers that answer as they are told to."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from city.cards import USER_AUTHENTICATION
from city.revocation import Responder, Trouble, Unanswered

ANSWER_S = 10.0  # for a real responder on a busy machine
GOOD, REVOKED, UNKNOWN = (
    ocsp.OCSPCertStatus.GOOD,
    ocsp.OCSPCertStatus.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN,
)


@dataclass(eq=False)
class Authority:
    """A card authority with some cards, valid today. All generations have one name."""

    key: RSAPrivateKey
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        self.certificate = self.issue(self.key, "card authority", self.key, ca=True)

    def issue(
        self,
        key: RSAPrivateKey,
        name: str,
        signer: RSAPrivateKey | None = None,
        *,
        ca: bool = False,
        use: x509.ObjectIdentifier | None = None,
        days: tuple[int, int] = (-3650, 3650),
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name("card authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days[0]))
            .not_valid_after(now + timedelta(days[1]))
            .add_extension(x509.BasicConstraints(ca, None), True)
        )
        if not ca:
            policy = x509.PolicyInformation(x509.ObjectIdentifier(USER_AUTHENTICATION), None)
            builder = builder.add_extension(x509.CertificatePolicies([policy]), True)
        if use:
            builder = builder.add_extension(x509.ExtendedKeyUsage([use]), False)
        return builder.sign(signer or self.key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-TEST"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def card(jpki: Authority, keys: tuple[RSAPrivateKey, ...]) -> x509.Certificate:
    return jpki.issue(keys[2], "card")


def asks(jpki: Authority, port: int, **values: object) -> Responder:
    plain = {"deadline_s": ANSWER_S, "nonce": True, "max_age_s": 300}
    return Responder(jpki.certificate, "127.0.0.1", port, "/", **{**plain, **values})  # type: ignore[arg-type]


def trouble(responder: Responder, certificate: x509.Certificate) -> Trouble | ocsp.OCSPCertStatus:
    try:
        return responder.status(certificate.serial_number, datetime.now(UTC))
    except Unanswered as error:
        return error.trouble


@dataclass
class OpenSsl:
    """`openssl ocsp` with its index of certificates; `start` gives the port."""

    folder: Path
    authority: Authority
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, signer: x509.Certificate, key: RSAPrivateKey, *options: str) -> int:
        (self.folder / "ca.pem").write_bytes(self.authority.certificate.public_bytes(Encoding.PEM))
        (self.folder / "signer.pem").write_bytes(signer.public_bytes(Encoding.PEM))
        (self.folder / "signer.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        command = [
            "openssl",
            "ocsp",
            "-index",
            "index.txt",
            "-port",
            "0",
            "-CA",
            "ca.pem",
            "-rsigner",
            "signer.pem",
            "-rkey",
            "signer.key",
            *options,
        ]
        said = self.folder / f"said-{len(self.running)}"
        with said.open("wb") as out:
            self.running.append(
                subprocess.Popen(command, cwd=self.folder, stdout=out, stderr=subprocess.STDOUT)
            )
        return _port(said)

    def index(self, *lines: tuple[str, x509.Certificate]) -> None:
        """`V` valid or `R` revoked, as `openssl ca` writes them."""
        text = ""
        for status, certificate in lines:
            revoked = (
                f"{datetime.now(UTC) - timedelta(hours=1):%y%m%d%H%M%SZ}" if status == "R" else ""
            )
            ends = certificate.not_valid_after_utc
            fields = (
                status,
                f"{ends:%y%m%d%H%M%SZ}",
                revoked,
                _hex(certificate),
                "unknown",
                "/O=JPKI-TEST/CN=card",
            )
            text += "\t".join(fields) + "\n"
        (self.folder / "index.txt").write_text(text)
        (self.folder / "index.txt.attr").write_text("unique_subject = no\n")


def _hex(certificate: x509.Certificate) -> str:
    text = f"{certificate.serial_number:X}"
    return text if len(text) % 2 == 0 else "0" + text


def _port(said: Path) -> int:
    """Where it listens, as it says itself: a mere trial connection would keep it waiting for a
    request.
    """
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        if match := re.search(rb"ACCEPT \S+:(\d+) .*waiting", said.read_bytes(), re.DOTALL):
            return int(match[1])
        time.sleep(0.02)
    raise AssertionError("openssl ocsp does not listen")


@dataclass
class Liar:
    """A peer that reads a request and answers as it is told to; `None` ends its turn without an
    answer.
    """

    answer_with: Callable[[bytes], bytes | None]
    hold_s: float = 0.0
    drip_s: float = 0.0
    asked: int = 0

    def __enter__(self) -> int:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        port: int = self._server.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._server.accept()
            except OSError:
                return
            self.asked += 1
            with wire, contextlib.suppress(OSError):
                self._answer(wire)

    def _answer(self, wire: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += wire.recv(65536)
        head, _, body = request.partition(b"\r\n\r\n")
        length = int(
            next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))[15:]
        )
        while len(body) < length:
            body += wire.recv(65536)
        answer = self.answer_with(body)
        self._over.wait(self.hold_s)
        if answer is None:
            return
        size = 1 if self.drip_s else 1 << 20
        for at in range(0, len(answer), size):
            wire.sendall(answer[at : at + size])
            self._over.wait(self.drip_s)


def http(
    body: bytes, status: str = "200 OK", kind: str = "application/ocsp-response", more: str = ""
) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


@dataclass
class Answers:
    """Right answers, each wrong in what `changes` says."""

    authority: Authority
    certificate: x509.Certificate

    def __call__(self, request: bytes, **changes: object) -> bytes:
        asked = ocsp.load_der_ocsp_request(request)
        now = datetime.now(UTC)
        values = {
            "certificate": self.certificate,
            "issuer": self.authority.certificate,
            "status": GOOD,
            "this": now,
            "next": now + timedelta(minutes=5),
            "signer": self.authority.certificate,
            "key": self.authority.key,
            "algorithm": hashes.SHA256(),
            "certificates": [],
            "nonce": asked.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce,
            "by_key": True,
            "unsigned": False,
            **changes,
        }
        revoked = values["status"] is REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            values["certificate"],
            values["issuer"],
            hashes.SHA1(),
            values["status"],
            values["this"],
            values["next"],
            now if revoked else None,
            None,
        )
        encoding = (
            ocsp.OCSPResponderEncoding.HASH if values["by_key"] else ocsp.OCSPResponderEncoding.NAME
        )
        builder = builder.responder_id(encoding, values["signer"])
        if values["certificates"]:
            builder = builder.certificates(values["certificates"])
        if values["nonce"]:
            builder = builder.add_extension(x509.OCSPNonce(values["nonce"]), False)
        signed = builder.sign(values["key"], values["algorithm"])
        der = signed.public_bytes(Encoding.DER)
        return der.replace(signed.signature, bytes(256)) if values["unsigned"] else der
