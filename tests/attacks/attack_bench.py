"""Whole kiosks against a city that may be wrong, and a judge who believes neither.

The kiosk is the production journey, permits, executor, journal, proof of the sheets and line, over
real TLS. Its card is a key, its printers and coin unit are lists; a person stands in front of it
who wants one certificate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
from attack_devices import Coins, KeyDesk, Paper
from city_bench import Rehearsal
from mixed_up_city import Hands, confused
from sqlalchemy import select

from city import journals, tables
from city.typesetting import people_on_sheets
from firmware.flow import events
from firmware.flow.screens import Screen
from firmware.link.client import Line
from firmware.service.cash_desk import CashDesk, as_journey_event
from firmware.service.city_desk import CityDesk, trust
from firmware.service.config import Config
from firmware.service.devices import Devices
from firmware.service.executor import Executor
from firmware.service.handlers.outbox import deliver
from firmware.service.journal import Journal
from firmware.service.listeners import Listeners
from firmware.service.paper_desk import PaperDesk
from firmware.service.resident import Resident
from firmware.texts.texts import Texts
from hal.card.contract import Stay
from hal.cash.contract import CashEvent

DPI, WIDTH = 203, 1664
JOURNEY_S = 200.0  # ends a hang
PATIENCE = 60  # screens; an undisturbed journey has about 30
LOGGING: ContextVar[list[tuple[str, dict[str, Any]]]] = ContextVar("the log of the kiosk at work")


@dataclass(frozen=True)
class Wish:
    kind: str = "juminhyo"
    picks: Mapping[str, str | Collection[str]] = field(
        default_factory=dict
    )  # option -> choices that are no default

    def wanted(self, option: str) -> tuple[str, ...] | None:
        found = self.picks.get(option)
        return (found,) if isinstance(found, str) else None if found is None else tuple(found)


class Kiosk:
    """One kiosk and one person: `serve` from the menu to the end. The journal outlives both."""

    def __init__(
        self, attack: Attack, line: Line, resident: str, wish: Wish, kiosk: str, journal: Journal
    ) -> None:
        self.name, self.holder, self.wish, self.journal = (
            kiosk,
            attack.name_of(resident),
            wish,
            journal,
        )
        self.sheets, self.receipts, self.coins = Paper(), Paper(), Coins()
        self.seen: list[Screen] = []
        self.shown: list[str] = []
        self.when: dict[
            str, Callable[[], None]
        ] = {}  # a screen's name -> what happens in the world when it is shown
        self.events: list[events.Event] = []
        self.logged: list[tuple[str, dict[str, Any]]] = []
        config, nothing = _config(attack, kiosk), SimpleNamespace(say=_ignore, follow=_ignore)
        self._resident = resident_ = Resident(config, Listeners(nothing, None), lambda _: None)  # type: ignore[arg-type]
        self._line = line
        self.gives_up = False  # when it comes to paying
        self.expects: Mapping[
            str, Any
        ] = {}  # what must stand on the screen before this person confirms
        self.left = ""  # why this person went away
        self.vault = resident_._vault
        self._executor = Executor(
            config=config,
            post=self._post,
            failed=resident_.fail,
            devices=Devices(nothing, self.sheets, self.receipts, self.coins, nothing),  # type: ignore[arg-type]
            journal=journal,
            vault=resident_._vault,
            panel=SimpleNamespace(show=self._look),  # type: ignore[arg-type]
            announcer=nothing,  # type: ignore[arg-type]
            texts={"ja": Texts.load("ja")},
            card=KeyDesk(attack.city.card(resident)),  # type: ignore[arg-type]
            city=CityDesk(config, line, trust(config)),
            renewal=SimpleNamespace(renew=_nothing),  # type: ignore[arg-type]
            paper=PaperDesk(self.sheets, self.receipts),
            cash=CashDesk(self.coins, self._coin),
            stays=resident_._stays,
        )
        self._stay = Stay("bench", 1)

    async def serve(self) -> Kiosk:
        """Ends when the journey does, or when the person finds the kiosk out of service
        and goes.
        """
        self._loop = asyncio.get_running_loop()
        LOGGING.set(self.logged)
        self.coins.start(lambda event: self._coin(event))
        resident = self._resident
        resident._carry(self._executor, resident._flow.start())
        self._post(events.CardAbsent())
        async with asyncio.timeout(JOURNEY_S):
            self.code = await resident._serve(self._executor)
            await self._executor.finish()
            await deliver(self._executor)  # as the next process would
        self.vault.destroy()
        await self._line.close()
        for thread in self._executor.devices.threads.values():
            thread.shutdown(wait=False)
        return self

    # -- what the judge asks

    @property
    def kept(self) -> int:
        """Yen that this person is without."""
        entries = self.journal.entries(self.vault.session)
        owed = sum(int(entry.facts["amount"]) for entry in entries if entry.kind == "owed")
        return self.coins.inserted - self.coins.paid_out - owed

    @property
    def cases(self) -> list[str]:
        return [case.code for case in self.journal.cases()]

    @property
    def screens(self) -> list[str]:
        return [screen.name for screen in self.seen]

    @property
    def stuck(self) -> bool:
        """The person saw no way on, and left before paying."""
        return len(self.seen) > PATIENCE and not self.coins.inserted

    @property
    def refusal(self) -> str:
        """What the person was told was the cause, or ""."""
        last = next(
            (s for s in reversed(self.seen) if s.name in ("refused", "trouble", "fault")), None
        )
        return (
            ""
            if last is None
            else str(last.facts.get("code") or last.facts.get("problem") or last.name)
        )

    @property
    def page_of_the_reason(self) -> str:
        """The page on which that was told."""
        return next(
            (
                h
                for s, h in zip(self.seen, self.shown, strict=True)
                if s.name in ("refused", "trouble")
            ),
            "",
        )

    # -- the person

    def _look(self, _: int, html: str, ends: float | None = None) -> None:
        screen = self._resident._flow.screen
        self.seen.append(screen)
        self.shown.append(html)
        self.when.pop(screen.name, lambda: None)()
        if len(self.seen) > PATIENCE:
            self.touch(screen, "cancel")
        else:
            DOES.get(screen.name, lambda *_: None)(self, screen)

    def touch(self, screen: Screen, action: str, value: str = "") -> None:
        self._post(events.Touch(screen=screen.number, action=action, value=value))

    def set_card(self, _: Screen) -> None:
        self._resident._stays[str(self._stay)] = self._stay
        self._post(events.CardPresent(stay=str(self._stay)))

    def take_card(self, _: Screen) -> None:
        self._post(events.CardAbsent())

    def type_pin(self, screen: Screen) -> None:
        digits = len(self.vault.pin)
        if digits < 4:
            self.vault.pin.add(1)
            self._post(events.PinDigit(screen=screen.number, count=digits + 1))
        else:
            self.touch(screen, "enter")

    def choose(self, screen: Screen) -> None:
        self.touch(screen, "choose", self.wish.kind)

    def answer(self, screen: Screen) -> None:
        wanted = self.wish.wanted(screen.facts["option"])
        chosen = [c["id"] for c in screen.facts["choices"] if c["chosen"]]
        if screen.facts["type"] == "count":
            more = wanted is not None and screen.facts["count"] < int(wanted[0])
            self.touch(screen, "pick", "more") if more else self.touch(screen, "next")
            return
        missing = [choice for choice in wanted or () if choice not in chosen]
        if missing:
            self.touch(screen, "pick", missing[0])
        else:
            self.touch(screen, "next")

    def confirm(self, screen: Screen) -> None:
        """Looks at what stands there first."""
        wrong = [what for what, value in self.expects.items() if screen.facts[what] != value]
        if wrong:
            self.left = f"the screen showed another {wrong[0]}"
            self.touch(screen, "cancel")
        else:
            self.touch(screen, "confirm")

    def pay(self, screen: Screen) -> None:
        if self.gives_up:
            self.touch(screen, "cancel")
        else:
            self.coins.want(screen.facts["missing"])

    def leave(self, _: Screen) -> None:
        self._post(events.Shutdown())

    # -- wires

    def _post(self, event: events.Event) -> None:
        self.events.append(event)
        self._resident.post(event)

    def _coin(self, event: CashEvent) -> None:
        self._loop.call_soon_threadsafe(self._post, as_journey_event(event))


DOES: Mapping[str, Callable[[Kiosk, Screen], None]] = {
    "menu": Kiosk.set_card,
    "pin": Kiosk.type_pin,
    **dict.fromkeys(("remove", "removealarm", "takecard", "cardleft", "hold"), Kiosk.take_card),
    "certificates": Kiosk.choose,
    "options": Kiosk.answer,
    "confirm": Kiosk.confirm,
    "paying": Kiosk.pay,
    **dict.fromkeys(("sheets", "uncollected"), lambda kiosk, screen: kiosk.touch(screen, "taken")),
    **dict.fromkeys(
        ("receipt", "thanks", "refused", "trouble"), lambda kiosk, screen: kiosk.touch(screen, "ok")
    ),
    "notoffered": lambda kiosk, screen: kiosk.touch(screen, "cancel"),
    **dict.fromkeys(("fault", "closed"), Kiosk.leave),
}


def _ignore(*_: object) -> None:
    """Nobody listens to what the kiosk says."""


async def _nothing() -> None: ...


def _config(attack: Attack, kiosk: str) -> Config:
    pki, folder = attack.city.pki, attack.folder
    certificate, key = pki.kiosk(kiosk)
    printer = {"driver": "escpos", "address": "127.0.0.1:1", "width": WIDTH, "dpi": DPI}
    return msgspec.convert(
        {
            "kiosk": {"id": kiosk, "state": folder, "languages": ("ja",)},
            "panel": {},
            "card": {"driver": "vpcd", "listen": "127.0.0.1:1"},
            "sheets": printer,
            "receipts": {**printer, "width": 576},
            "cash": {"driver": "cctalk", "port": "none", "hoppers": []},
            "speaker": {"driver": "alsa"},
            "line": {
                "city": "https://127.0.0.1:1",
                "city_ca": pki.city_ca,
                "certificate": certificate,
                "key": key,
                "clock_s": 0,
            },
            "trust": {
                "card_ca": [],
                "issuing_keys": [pki.issuing],
                "terms_keys": [pki.terms],
                "allow_test_cards": True,
            },
            "voice": {"recordings": folder},
        },
        Config,
        dec_hook=lambda _, value: Path(value),
    )


@dataclass
class Attack:
    """A city, the hands that confuse it, and the kiosks that ask it."""

    city: Rehearsal
    folder: Path
    hands: Hands = field(init=False)
    journals: dict[str, Journal] = field(default_factory=dict)
    logged: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # by all of them

    def __post_init__(self) -> None:
        self.hands = Hands(self.folder, issuing=self.city.city.issuing)
        self.city.typeset = self.hands.typeset
        self.city.city = replace(self.city.city, paginate=people_on_sheets)

    def kiosk(
        self,
        url: str,
        resident: str,
        wish: Wish,
        kiosk: str = "kiosk-1",
        place: str = "",
        **line: Any,
    ) -> Kiosk:
        """`place`: whose journal; without it, that of the kiosk of this name."""
        place = place or kiosk
        if place not in self.journals:
            self.journals[place] = Journal.create(self.folder / f"{place}.sqlite")
            # As a city does whose kiosk gets a new journal.
            with self.city.city.engine.begin() as connection:
                journals.forget(connection, kiosk)
        journal = self.journals[place]
        made = {"deadline_s": 5.0, "order_deadline_s": 10.0, **line}
        return Kiosk(self, self.city.line(url, kiosk, **made), resident, wish, kiosk, journal)

    def name_of(self, resident: str) -> str:
        """As the city has it."""
        with self.city.city.engine.begin() as connection:
            for table in (tables.residents, tables.family_members):
                found = connection.execute(select(table.c.name).filter_by(id=resident)).scalar()
                if found is not None:
                    return str(found)
        raise KeyError(resident)

    def run(self, how: str, scenario: Callable[[str], Any]) -> Any:
        """`scenario` with the address of the confused gateway; what came out is for `attack_judge`
        to judge.
        """
        self.hands.how = how
        handler = _Remember(self.logged)
        logger = logging.getLogger("madoguchi")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            with confused(self.hands):
                return asyncio.run(self.city.run(scenario)())  # type: ignore[arg-type]
        finally:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)

    def reasons(self, event: str) -> list[str]:
        """Of what was logged under this name."""
        return [str(f.get("reason") or f.get("code")) for name, f in self.logged if name == event]


class _Remember(logging.Handler):
    def __init__(self, into: list[tuple[str, dict[str, Any]]]) -> None:
        super().__init__()
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        entry = (record.getMessage(), getattr(record, "facts", {}))
        self._into.append(entry)
        LOGGING.get([]).append(entry)
