"""A script in the customer's place: it looks at the panel as a browser does, and has hands at the
simulated devices.

Everything goes over the same wires as a real journey; this file knows screens by name and what a
customer does there.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hal.sim.bench import PrintedSheet
from testbed import paper
from testbed.process import ProcessDead
from testbed.rehearsal_error import RehearsalError
from testbed.screen import Seen, read
from testbed.system import System

STAGE_S = 60.0  # no screen of an undisturbed journey needs longer
PAY_S = 5.0  # until the coin unit takes a coin
AGAIN_S = 0.05  # between attempts
COINS: tuple[int, ...] = (500, 100, 50, 10)


class JourneyFailed(ProcessDead):
    """One line: on which screen, and what it said."""


@dataclass(frozen=True)
class Errand:
    """Whose card, which certificate, and where the pages go."""

    resident: str
    certificate: str
    out: Path


class PanelWire(msgspec.Struct):
    screen: int
    html: str


class Watcher:
    """The panel's page: keeps a connection to the wire, and the newest screen.

    `key`: the file of the key to the wire; the dock has it itself.
    """

    def __init__(self, address: str, key: Path | None = None) -> None:
        self._address = address
        self._key = key
        self._wire: ClientWebSocketResponse | None = None
        self._screens: asyncio.Queue[Seen] = asyncio.Queue()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Watcher]:
        async with ClientSession(trust_env=False) as client:
            task = asyncio.create_task(self._watch(client))
            try:
                yield self
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def next(self, timeout_s: float) -> Seen:
        """The next screen; one that was replaced meanwhile is skipped. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            seen = await self._screens.get()
        while not self._screens.empty():
            seen = self._screens.get_nowait()
        return seen

    async def touch(self, seen: Seen, action: str, value: str = "") -> None:
        """A touch on that screen; lost when the kiosk's process has just ended, as a touch on a
        dark panel is.
        """
        if self._wire is not None and not self._wire.closed:
            await self._wire.send_str(
                json.dumps({"screen": seen.number, "action": action, "value": value})
            )

    async def _watch(self, client: ClientSession) -> None:
        while True:
            try:
                key = self._key.read_text() if self._key else ""
                url = f"{self._address}/panel/wire?key={key}"
                async with client.ws_connect(url, origin=self._address) as wire:
                    self._wire = wire
                    async for message in wire:
                        if message.type is WSMsgType.TEXT:
                            sent = msgspec.json.decode(message.data, type=PanelWire)
                            self._screens.put_nowait(read(sent.screen, sent.html))
            except (ClientError, OSError):
                pass
            self._wire = None
            await asyncio.sleep(AGAIN_S)


@dataclass
class Journey:
    """One errand on its way."""

    system: System
    errand: Errand
    watcher: Watcher
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    apdus: int = 0
    due: int | None = None  # as the screen said before the first coin
    paid: int = 0
    returned: int = 0
    pages: list[PrintedSheet] = field(default_factory=list)
    receipts: list[PrintedSheet] = field(default_factory=list)
    entered: bool = False  # the PIN, all of it
    thanked: bool = False

    async def run(self) -> None:
        """From the first screen to the next customer's. Raises JourneyFailed."""
        name = "starting"
        said = ""
        since = time.monotonic()
        while True:
            try:
                seen = await self.watcher.next(STAGE_S)
            except TimeoutError:
                raise JourneyFailed(
                    f"{STAGE_S:.0f} s without progress on {name!r}: {said}"
                ) from None
            now = time.monotonic()
            self.seconds[name] += now - since
            name = seen.name
            said = seen.text
            since = now
            if self.thanked and name in ("menu", "closed"):
                return
            await DOES.get(name, _wait)(self, seen)

    async def touch(self, seen: Seen, action: str, value: str = "") -> None:
        if not seen.offers(action, value):
            wanted = " ".join((action, value)).strip()
            offered = ", ".join(f"{b.action} {b.value}" for b in seen.buttons)
            raise JourneyFailed(
                f"the screen {seen.name!r} does not offer {wanted!r}; it offers: {offered}"
            )
        await self.watcher.touch(seen, action, value)


# --- what a customer does, screen by screen


async def _wait(journey: Journey, seen: Seen) -> None:
    pass


async def _set_card(journey: Journey, seen: Seen) -> None:
    if journey.system.bench.on_reader is None:
        journey.system.bench.insert_card(journey.errand.resident)


async def _type_pin(journey: Journey, seen: Seen) -> None:
    """By what stands there: a touch on a screen that has just been replaced is lost."""
    pin = journey.system.rehearsal.pin(journey.errand.resident)
    typed = seen.facts["digits"]
    if journey.entered and seen.facts.get("notice"):
        raise JourneyFailed(f"the card did not take the PIN: {seen.text}")
    if typed < len(pin):
        await journey.touch(seen, "digit", pin[typed])
    else:
        journey.entered = True
        await journey.touch(seen, "enter")


async def _try(journey: Journey, seen: Seen) -> None:
    await journey.touch(seen, "try")


async def _take_card(journey: Journey, seen: Seen) -> None:
    bench = journey.system.bench
    journey.apdus = max(journey.apdus, bench.apdus)
    bench.remove_card()


async def _choose(journey: Journey, seen: Seen) -> None:
    await journey.touch(seen, "choose", journey.errand.certificate)


async def _next(journey: Journey, seen: Seen) -> None:
    # What was offered as chosen is not enough: take the first that is not chosen yet.
    if "notice" in seen.marked:
        left = [
            button for button in seen.buttons if button.action == "pick" and button.chosen is False
        ]
        if not left:
            raise JourneyFailed(f"cannot get past the question: {seen.text}")
        await journey.touch(seen, "pick", left[0].value)
    else:
        await journey.touch(seen, "next")


async def _confirm(journey: Journey, seen: Seen) -> None:
    await journey.touch(seen, "confirm")


async def _pay(journey: Journey, seen: Seen) -> None:
    """The largest coin first, as people do; one that comes back is tried smaller, and then once
    more.
    """
    if journey.due is None:
        journey.due = int(re.sub(r"\D", "", seen.marked.get("main", "")) or 0)
    if journey.paid >= journey.due:
        return
    bench = journey.system.bench
    for _ in range(round(PAY_S / AGAIN_S)):
        for value in COINS:
            if bench.coin(value):
                journey.paid += value
                return
            bench.take_coins()  # it fell through: still in the customer's hand
        await asyncio.sleep(AGAIN_S)
    raise JourneyFailed("the coin unit takes no coin")


async def _take_sheets(journey: Journey, seen: Seen) -> None:
    journey.pages += journey.system.bench.take_sheets()
    if seen.offers("taken"):
        await journey.touch(seen, "taken")


async def _take_receipt(journey: Journey, seen: Seen) -> None:
    bench = journey.system.bench
    journey.receipts += bench.take_receipt()
    journey.returned += sum(bench.take_coins())
    if seen.offers("ok"):
        await journey.touch(seen, "ok")


async def _thank(journey: Journey, seen: Seen) -> None:
    journey.thanked = True
    await journey.touch(seen, "ok")


async def _give_up(journey: Journey, seen: Seen) -> None:
    raise JourneyFailed(f"{seen.name}: {seen.marked.get('body', seen.text)}")


DOES: Mapping[str, Callable[[Journey, Seen], Awaitable[None]]] = {
    **dict.fromkeys(("menu", "place"), _set_card),
    "pin": _type_pin,
    "lasttry": _try,
    **dict.fromkeys(("remove", "removealarm", "hold", "takecard", "cardleft"), _take_card),
    "certificates": _choose,
    "options": _next,
    "confirm": _confirm,
    "paying": _pay,
    **dict.fromkeys(("sheets", "uncollected"), _take_sheets),
    "receipt": _take_receipt,
    "thanks": _thank,
    **dict.fromkeys(("notoffered", "refused", "trouble", "closed"), _give_up),
}


# --- the errand


async def run_errand(system: System, errand: Errand) -> dict[str, Any]:
    """Do it; what it came to. Raises JourneyFailed, RehearsalError for an unknown resident."""
    if errand.resident not in system.rehearsal.cards:
        known = ", ".join(system.rehearsal.cards)
        raise RehearsalError(f"no resident {errand.resident!r} with a card; there are {known}")
    began = time.monotonic()
    async with Watcher(system.dock.address.rstrip("/")).watching() as watcher:
        journey = Journey(system, errand, watcher)
        await journey.run()
    if not journey.pages:
        raise JourneyFailed("the journey ended without paper")
    errand.out.mkdir(parents=True, exist_ok=True)
    kind = errand.certificate
    return {
        "certificate": kind,
        "pages": [
            _keep(sheet, errand.out / f"{kind}-{n}.png") for n, sheet in enumerate(journey.pages, 1)
        ],
        "receipt": [_keep(sheet, errand.out / f"{kind}-receipt.png") for sheet in journey.receipts],
        "unique_number": _unique_number(journey.pages, paper.issuing_keys(system.rehearsal)),
        "paid": journey.paid,
        "returned": journey.returned,
        "seconds": {name: round(seconds, 3) for name, seconds in journey.seconds.items()},
        "total_seconds": round(time.monotonic() - began, 3),
        "apdus": journey.apdus,
        "bytes_printed": system.bench.bytes_printed,
    }


def _keep(sheet: PrintedSheet, path: Path) -> str:
    path.write_bytes(sheet.png())
    return str(path)


def _unique_number(pages: list[PrintedSheet], keys: tuple[Ed25519PublicKey, ...]) -> str:
    """As the code on every page says. Raises JourneyFailed when pages lack it, differ, or are not n
    of n.
    """
    codes = [code for page in pages if (code := paper.sheet_code(page, keys)) is not None]
    if len(codes) != len(pages):
        raise JourneyFailed("a sheet carries no code that the city signed")
    numbers = {code.unique_number for code in codes}
    complete = all((code.page, code.pages) == (n, len(codes)) for n, code in enumerate(codes, 1))
    if len(numbers) != 1 or not complete:
        raise JourneyFailed("the codes on the sheets are not those of one whole document")
    return numbers.pop()
