"""Faults that were thought of when the diagnosis was done, to see whether it was made for its own
table only: what an editor, a copy or a power cut leaves behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from firmware.service.cases import journal_path
from firmware.texts.recordings import path_of
from firmware.texts.texts import Texts
from firmware.texts.voice import phrases
from testbed.diagnose_drill.fault import Fault, Put, made
from testbed.diagnose_drill.line_faults import answer
from testbed.diagnose_drill.site import Site

LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
HELLO: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"


def _written(content: Callable[[Site], bytes]) -> Callable[[Site], Put]:
    """Another configuration file."""
    return lambda site: Put(file=site.write("kiosk.toml", content(site)))


def _with_mark(site: Site) -> bytes:
    """As some editors save UTF-8."""
    return b"\xef\xbb\xbf" + site.made.kiosk_toml.read_bytes()


def _folder(site: Site) -> Path:
    folder = site.scratch("folder")
    folder.mkdir()
    return site.give(folder)


def _locked_key(site: Site) -> Put:
    """A key with a password: nobody is there to type it."""
    key = load_pem_private_key(site.config.line.key.read_bytes(), None)
    locked = BestAvailableEncryption(b"0000")
    path = site.write("kiosk.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    path.chmod(0o640)
    return Put({"line": {"key": path}})


def _binary_certificate(site: Site) -> Put:
    found = x509.load_pem_x509_certificate(site.config.line.certificate.read_bytes())
    path = site.write("kiosk.pem", found.public_bytes(Encoding.DER))
    return Put({"line": {"certificate": path}})


def _link_to_nowhere(site: Site) -> Put:
    """The disk behind it was not mounted."""
    link = site.scratch("state")
    link.symlink_to("/nowhere/state")
    return Put({"kiosk": {"state": link}})


def _empty_journal(site: Site) -> Put:
    """The power went while it was copied."""
    folder = _folder(site)
    journal_path(folder).touch()
    site.give(folder)
    return Put({"kiosk": {"state": folder}})


def _empty_recording(site: Site) -> Put:
    folder = site.copy(site.config.voice.recordings)
    path_of(folder, min(phrases(Texts.load("ja")))).write_bytes(b"")
    return Put({"voice": {"recordings": folder}})


def _certificate_for_key(site: Site) -> Put:
    """The city sent its certificate and not the key in it."""
    return Put({"trust": {"terms_keys": [site.copy(site.config.line.city_ca)]}})


@asynccontextmanager
async def _half_an_answer(site: Site) -> AsyncIterator[Put]:
    """It announces more than it sends, and hangs up."""
    well = answer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while (head := await reader.readuntil(b"\r\n\r\n")).startswith(b"GET"):
                writer.write(well(head) or b"")
            length = LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            writer.write(HELLO + b'{"protocol": 2,')
            await writer.drain()
        writer.close()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(site.keys.gateway, site.keys.gateway_key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        port = server.sockets[0].getsockname()[1]
        yield Put({"line": {"city": f"https://127.0.0.1:{port}"}})
    finally:
        server.close()


def _two_of_one_address(_: Site) -> Put:
    unit = {"address": 3, "value": 10}
    return Put({"cash": {"hoppers": [unit, {**unit, "value": 50}]}})


FAULTS: Final = (
    Fault(
        "configuration: an empty file",
        "configuration",
        "configuration.section",
        made(_written(lambda _: b"")),
    ),
    Fault(
        "configuration: a byte-order mark",
        "configuration",
        "configuration.syntax",
        made(_written(_with_mark)),
    ),
    Fault(
        "configuration: two hoppers of one address",
        "configuration",
        "configuration.value",
        made(_two_of_one_address),
    ),
    Fault(
        "issuing-keys: a folder",
        "issuing-keys",
        "file.not-a-file",
        made(lambda site: Put({"trust": {"issuing_keys": [_folder(site)]}})),
    ),
    Fault("terms-keys: a certificate", "terms-keys", "trust.not-a-key", made(_certificate_for_key)),
    Fault(
        "certificate: a key with a password",
        "certificate",
        "certificate.not-a-key",
        made(_locked_key),
    ),
    Fault(
        "certificate: not as text",
        "certificate",
        "certificate.not-a-certificate",
        made(_binary_certificate),
    ),
    Fault("state: a link to nowhere", "state", "state.missing", made(_link_to_nowhere)),
    Fault("journal: an empty file", "journal", "journal.not-a-database", made(_empty_journal)),
    Fault("recordings: an empty one", "recordings", "voice.damaged", made(_empty_recording)),
    Fault("city: half an answer", "city", "city.truncated", _half_an_answer),
)
