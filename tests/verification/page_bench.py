"""A city's verification page with keys, records and sheets, in this process; and phones in front of
it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from PIL import Image, ImageDraw, ImageFont
from sqlalchemy import Connection, insert

from city import database, municipality, registry, tables
from city.config import PublishedKey, Verification
from city.verification.program import Server
from firmware.link import signing
from firmware.link.sheet_code import SheetCode
from firmware.sheets import code as code_of_sheet
from firmware.sheets.raster import dots

T = TypeVar("T")
AKASHI = Path(municipality.__file__).parent / "data" / "akashi.toml"
CITY = "282031"
DAY = date(2026, 11, 24)
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
FONT = Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf")
DPI = 203

IN_FORCE, VOID, NOT_KNOWN, OTHERS = "K7M2Q9X4R8TW", "V3B6N1C5Z0HD", "AAAABBBBCCCC", "Q2W5E8R1T4YU"


@dataclass
class Keys:
    """One of each kind."""

    current: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    next: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)  # alive beside it
    retired: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    revoked: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    stranger: Ed25519PrivateKey = field(
        default_factory=Ed25519PrivateKey.generate
    )  # published nowhere

    def published(self, folder: Path) -> tuple[PublishedKey, ...]:
        return (
            PublishedKey(key=_pem(folder / "current.pem", self.current), since=date(2026, 1, 1)),
            PublishedKey(key=_pem(folder / "next.pem", self.next), since=date(2026, 11, 1)),
            PublishedKey(
                key=_pem(folder / "retired.pem", self.retired),
                since=date(2025, 1, 1),
                until=date(2026, 3, 31),
            ),
            PublishedKey(
                key=_pem(folder / "revoked.pem", self.revoked),
                since=date(2025, 1, 1),
                revoked=date(2026, 12, 1),
            ),
        )


def _pem(path: Path, key: Ed25519PrivateKey) -> Path:
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def order_rows(number: str, state: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A session, and in it an order of this number."""
    session = {"session": number, "kiosk": "kiosk-1", "state": "ended", "ends": 0}
    order = {
        "order": number,
        "session": number,
        "kiosk": "kiosk-1",
        "state": state,
        "kind": "juminhyo",
        "request_sha256": "",
        "document_sha256": "",
        "unique_number": number,
        "record_version": 1,
        "fee": 100,
        "sheets": 1,
    }
    return session, order


def issue_all(connection: Connection) -> None:
    """What the city knows of: three issued orders, and one of them withdrawn."""
    for number in (IN_FORCE, VOID, OTHERS):
        session, order = order_rows(number, "issued")
        connection.execute(insert(tables.sessions).values(session))
        connection.execute(insert(tables.orders).values(order))
    assert registry.declare_void(connection, VOID, at=1)


class Bench:
    """The page, served by a thread of its own until `close`."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.keys = Keys()
        self.database = folder / "city.sqlite"
        self.writer = database.connect(
            f"sqlite:///{self.database}"
        )  # the gateway's part: it keeps the file open
        with self.writer.begin() as connection:
            issue_all(connection)
        self.config = Verification(
            listen="127.0.0.1:0",
            keys=self.keys.published(folder),
            database=f"sqlite:///{self.database}",
            city=AKASHI,
            **more,
        )
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.server = self.call(self._made())
        self.page = self.call(self.server.start())
        self.port = int(self.page.rpartition(":")[2].removesuffix("/v"))

    async def _made(self) -> Server:
        return Server(self.config)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def add(self, number: str, state: str) -> None:
        """An order of this number, as the gateway would write it."""
        session, order = order_rows(number, state)
        with self.writer.begin() as connection:
            connection.execute(insert(tables.sessions).values(session))
            connection.execute(insert(tables.orders).values(order))

    def declare_void(self, number: str) -> None:
        with self.writer.begin() as connection:
            assert registry.declare_void(connection, number, at=1)

    def set_state(self, number: str, state: str) -> None:
        with self.writer.begin() as connection:
            connection.execute(
                tables.orders.update()
                .where(tables.orders.c.unique_number == number)
                .values(state=state)
            )

    def close(self) -> None:
        self.call(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
        self.writer.dispose()


def code(key: Ed25519PrivateKey, /, **values: Any) -> SheetCode:
    """What a sheet's code says: a certificate of residence, unless told otherwise."""
    said: dict[str, Any] = {
        "key": signing.reference(key.public_key()),
        "city": CITY,
        "day": DAY,
        "kind": "juminhyo",
        "unique_number": IN_FORCE,
        "page": 1,
        "pages": 2,
        "holder": "明石　太郎",
        "people": 3,
        "whole": True,
        "digest": bytes(range(16)),
    }
    return SheetCode(**{**said, **values})


def payload(key: Ed25519PrivateKey, /, **values: Any) -> bytes:
    return signing.sign_code(key, code(key, **values))


def draw_sheet(path: Path, address: str, name: str = "明石　太郎") -> Path:
    """An A4 sheet as the printer gets it, 203 dpi, with the code that the kiosk draws."""
    words = Image.new("L", (dots(210, DPI), dots(297, DPI)), 255)
    pen = ImageDraw.Draw(words)
    font = (
        ImageFont.truetype(str(FONT), dots(5, DPI)) if FONT.exists() else ImageFont.load_default()
    )
    pen.text((dots(14, DPI), dots(24, DPI)), "住民票の写し", 0, font)
    pen.text((dots(14, DPI), dots(50, DPI)), f"氏名　{name}", 0, font)
    page = np.asarray(words) < 128
    code_of_sheet.draw(page, address, DPI)
    Image.fromarray(np.where(page, np.uint8(0), np.uint8(255))).save(path)
    return path
