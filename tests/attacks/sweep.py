"""Every message of a journey, altered in every way, by an insider of the line; what became of each
attempt.

`python tests/attacks/every_attempt.py` makes them all and prints the table; the tests make a part
of them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final
from unittest.mock import patch

import msgspec
from attack_bench import Attack, Kiosk, Wish
from attack_judge import Table, judge
from insider import CUT, Answer, Call, Insider, Tamper
from sqlalchemy import delete, select

from city import tables
from firmware.link import messages
from firmware.link.signing import sign_manifest
from firmware.service.handlers import panel

NAMES: Final = ("hello", "sessions", "orders", "release", "outcome", "cancel")
DEADLINE_S: Final = 2.5
WISH: Final = Wish("juminhyo", {"scope": "household"})
JOURNEYS: Final = 5  # A journey that a busy machine cut short before the attempt is walked again.
AT_ONCE: Final = ("kiosk-1", "kiosk-2", "kiosk-3")
ANOTHER: Final = "kiosk-4"
FREE_KEYS: Final = (
    "contacts",
    "refusal_contacts",
    "title",
    "city_name",
    "office",
    "hours",
    "members",
)
Path = tuple[str | int, ...]


class UntoldOutcome(Exception):
    """The journey's end waits in the journal for a line that was too slow: it is walked again."""


@dataclass(frozen=True)
class Attempt:
    """`tamper` meets the first call of this name."""

    name: str
    what: str
    tamper: Tamper


@dataclass
class Heard:
    """What the insider has kept of honest journeys: name -> request, answer."""

    earlier: dict[str, tuple[bytes, Answer]]  # of this very person, a session ago
    other: dict[str, tuple[bytes, Answer]]  # of somebody else


# -- one value altered -----------------------------------------------------------------------------


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every field; of a list, and of a table with free keys, the first."""
    if isinstance(value, dict):
        free = bool(at) and at[-1] in FREE_KEYS
        for key in list(value)[:1] if free else value:
            yield (*at, key)
            yield from paths(value[key], (*at, key))
    elif isinstance(value, list) and value:
        yield from paths(value[0], (*at, 0))


def flipped(value: Any) -> Any:
    """Something else of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        at = len(value) // 2
        letter = value[at : at + 1]
        swap = next(
            (b if letter != b else a for a, b in ("01", "ab", "AB") if letter in a + b), None
        )
        digit = str((int(letter) + 1) % 10) if letter.isdecimal() and letter.isascii() else None
        return value[:at] + (swap or digit or ("a" if letter.isascii() else "別")) + value[at + 1 :]
    return {dict: {}, list: [], type(None): 1}[type(value)]


def put(body: bytes, path: Path, make: Callable[[Any], Any]) -> bytes:
    """The message with one value replaced; `DROP` leaves it out. As it was when there is no such
    field.
    """
    message = json.loads(body)
    place = message
    try:
        for key in path[:-1]:
            place = place[key]
        made = make(place[path[-1]])
    except (KeyError, IndexError, TypeError):
        return body
    if made is DROP:
        del place[path[-1]]
    else:
        place[path[-1]] = made
    return json.dumps(message).encode()


DROP: Final = object()


def on_request(alter: Callable[[bytes], bytes]) -> Tamper:
    async def tamper(call: Call) -> Answer:
        return await call.ask(alter(call.body))

    return tamper


def on_answer(alter: Callable[[bytes], bytes]) -> Tamper:
    async def tamper(call: Call) -> Answer:
        status, body = await call.ask()
        return status, alter(body)

    return tamper


def field_attempts(heard: Heard) -> Iterator[Attempt]:
    """Each field of each message: another value, none, and what stood there for somebody else."""
    for name in NAMES:
        request, (_, answer) = heard.earlier[name]
        others = heard.other[name][0], heard.other[name][1][1]
        for way, body, other, on in (
            ("request", request, others[0], on_request),
            ("answer", answer, others[1], on_answer),
        ):
            for path in paths(json.loads(body)):
                where = f"{way} {'.'.join(map(str, path))}"
                yield Attempt(
                    name, f"{where}: another value", on(lambda b, p=path: put(b, p, flipped))
                )
                yield Attempt(
                    name, f"{where}: left out", on(lambda b, p=path: put(b, p, lambda _: DROP))
                )
                theirs, own = value_at(other, path), value_at(body, path)
                if theirs is not None and theirs != own:
                    yield Attempt(
                        name,
                        f"{where}: somebody else's",
                        on(lambda b, p=path, t=theirs: put(b, p, lambda _: t)),
                    )


def value_at(body: bytes, path: Path) -> Any:
    value = json.loads(body)
    try:
        for key in path:
            value = value[key]
    except (KeyError, IndexError, TypeError):
        return None
    return value


def manifest_attempts(heard: Heard, attack: Attack) -> Iterator[Attempt]:
    """Each field of the manifest, signed again with the city's own key: a mistake, not
    a forgery.
    """
    manifest = base64.b64decode(json.loads(heard.earlier["orders"][1][1])["manifest"])

    def resigned(path: Path) -> Callable[[bytes], bytes]:
        def alter(body: bytes) -> bytes:
            answer = json.loads(body)
            altered = put(base64.b64decode(answer["manifest"]), path, flipped)
            signature = sign_manifest(attack.city.city.issuing, altered)
            answer["manifest"] = base64.b64encode(altered).decode()
            return json.dumps(
                {**answer, "manifest_signature": base64.b64encode(signature).decode()}
            ).encode()

        return alter

    for path in paths(json.loads(manifest)):
        yield Attempt(
            "orders",
            f"manifest {'.'.join(map(str, path))}: another, signed",
            on_answer(resigned(path)),
        )


# -- the message as a whole ------------------------------------------------------------------------


async def cut_before(call: Call) -> Answer:
    return CUT


async def cut_after(call: Call) -> Answer:
    await call.ask()
    return CUT


async def late(call: Call) -> Answer:
    answer = await call.ask()
    await asyncio.sleep(DEADLINE_S + 0.5)
    return answer


async def twice(call: Call) -> Answer:
    await call.ask()
    return await call.ask()


async def twice_first(call: Call) -> Answer:
    first = await call.ask()
    await call.ask()
    return first


async def both_at_once(call: Call) -> Answer:
    return (await asyncio.gather(call.ask(), call.ask()))[0]


async def half_an_answer(call: Call) -> Answer:
    status, body = await call.ask()
    return status, body[: len(body) // 2]


async def half_a_request(call: Call) -> Answer:
    return await call.ask(call.body[: len(call.body) // 2])


async def no_body(call: Call) -> Answer:
    await call.ask()
    return 200, b""


async def refused_after_all(call: Call) -> Answer:
    await call.ask()
    return 403, msgspec.json.encode(messages.Refusal(code=messages.RefusalCode.MOVED_OUT))


async def failed_after_all(call: Call) -> Answer:
    await call.ask()
    return 500, msgspec.json.encode(messages.Refusal(code=messages.RefusalCode.INTERNAL))


async def refusal_as_success(call: Call) -> Answer:
    await call.ask()
    return 200, msgspec.json.encode(messages.Refusal(code=messages.RefusalCode.BUSY))


WHOLE: Final = (
    cut_before,
    cut_after,
    late,
    twice,
    twice_first,
    both_at_once,
    half_an_answer,
    half_a_request,
    no_body,
    refused_after_all,
    failed_after_all,
    refusal_as_success,
)
DECISIVE: Final = ("orders", "release")
REST: Final = 0.1
REFUSING: Final = ("closed", "fault", "refused", "notoffered", "trouble")
RENAMED: Final = ("session", "order", "document_sha256")


def whole_attempts(heard: Heard) -> Iterator[Attempt]:
    for name in NAMES:
        for tamper in WHOLE:
            yield Attempt(name, tamper.__name__.replace("_", " "), tamper)
        for whose, kept in (("an earlier", heard.earlier), ("somebody else's", heard.other)):
            request, answer = kept[name]
            yield Attempt(name, f"{whose} answer, unasked", _saying(answer, asking=False))
            yield Attempt(name, f"{whose} answer instead", _saying(answer, asking=True))
            yield Attempt(name, f"{whose} answer under this one's ids", _renamed(answer))
            yield Attempt(name, f"{whose} request instead", on_request(lambda _, r=request: r))
        for before in NAMES[: NAMES.index(name)]:
            yield Attempt(
                name, f"the answer to {before}", _saying(heard.earlier[before][1], asking=True)
            )


def _saying(answer: Answer, *, asking: bool) -> Tamper:
    async def tamper(call: Call) -> Answer:
        if asking:
            await call.ask()
        return answer

    return tamper


def _renamed(answer: Answer) -> Tamper:
    """As if it were the answer to this request: made up, not asked for."""

    async def tamper(call: Call) -> Answer:
        asked, said = json.loads(call.body), json.loads(answer[1])
        own = {name: asked[name] for name in RENAMED if name in said and name in asked}
        return answer[0], json.dumps({**said, **own}).encode()

    return tamper


# -- what became of it -----------------------------------------------------------------------------


@dataclass
class Sweep:
    """Attempts, some at a time, each in a journey of its own."""

    attack: Attack
    table: Table
    failed: list[str] = field(default_factory=list)

    def run(self, choose: Callable[[list[Attempt]], Sequence[Attempt]]) -> None:
        with patch.object(
            panel, "render", lambda *_: ""
        ):  # nobody reads the pages here: a third of the time
            self.attack.run("", lambda url: self._all(url, choose))

    async def _all(self, url: str, choose: Callable[[list[Attempt]], Sequence[Attempt]]) -> None:
        async with Insider(self.attack.city.pki, [url]) as insider:
            heard = await self._listen(insider)
            made = [
                *field_attempts(heard),
                *manifest_attempts(heard, self.attack),
                *whole_attempts(heard),
            ]
            waiting = list(choose(made))[::-1]

            async def one_by_one(kiosk: str) -> None:
                while waiting:
                    attempt = waiting.pop()
                    try:
                        await self._try(insider, kiosk, attempt)
                    except (AssertionError, TimeoutError) as error:
                        self.failed.append(f"{attempt.name}, {attempt.what}: {error!r}")

            await asyncio.gather(*map(one_by_one, AT_ONCE))

    async def _listen(self, insider: Insider) -> Heard:
        """Journeys that nobody disturbs; of one the answer to its release is lost, so that it ends
        with a cancel.
        """
        kept: list[dict[str, tuple[bytes, Answer]]] = []
        for resident, kiosk in (("taro", "kiosk-1"), ("yoshiko", ANOTHER)):
            insider.heard.clear()
            served = await self._kiosk(insider, resident, kiosk).serve()
            assert judge(self.attack, served) == 1
            first = {
                name: (request, answer) for _, name, request, answer in reversed(insider.heard)
            }
            order = json.loads(first["orders"][0])
            cancel = json.dumps({"session": order["session"]}).encode(), (200, b'{"accepted":true}')
            kept.append({"cancel": cancel, **first})
        return Heard(*kept)

    def _kiosk(self, insider: Insider, resident: str, kiosk: str) -> Kiosk:
        place = secrets.token_hex(8)
        line = {"deadline_s": DEADLINE_S, "order_deadline_s": DEADLINE_S}
        return self.attack.kiosk(insider.address, resident, WISH, kiosk, place, **line)

    async def _try(self, insider: Insider, kiosk: str, attempt: Attempt) -> None:
        """Every journey is judged, also one that ended before the attempt could be made."""
        for _ in range(JOURNEYS):
            with suppress(UntoldOutcome):
                if await self._journey(insider, kiosk, attempt):
                    return
        raise AssertionError("was never made")

    async def _journey(self, insider: Insider, kiosk: str, attempt: Attempt) -> bool:
        """Whether the attempt was made.

        Raises:
            AssertionError: what the judge says of the journey.
        """
        met: list[str] = []

        async def once(call: Call) -> Answer:
            if call.name != attempt.name or met:
                return await call.ask()
            met.append(call.name)
            return await attempt.tamper(call)

        insider.tampers[kiosk] = once
        served = self._kiosk(insider, "taro", kiosk)
        if attempt.name == "cancel":
            served.gives_up = True
        await served.serve()
        reason = self._became(served)
        assert served.screens[-1] == "ending" or "service.error" in served.cases, served.screens
        assert reason, f"neither caught nor harmless: {served.screens}"
        if met:
            self.table.add(f"{attempt.name}: {attempt.what}", reason)
        return bool(met)

    def _became(self, kiosk: Kiosk) -> str:
        """The judge's word on paper and money, then by which name it was caught; "" when nobody
        noticed. Raises UntoldOutcome when the city could not be told in time.
        """
        at_city = self._city_cases(kiosk)
        unissued = "printed-unissued" in at_city
        sheets = judge(self.attack, kiosk, released=not unissued)
        if kiosk.journal.undelivered():
            raise UntoldOutcome
        told = self._told_to_city(kiosk)
        if not at_city and not kiosk.cases and told is not None:
            assert (told is messages.Result.PRINTED) is bool(sheets), (
                "the city's books say otherwise"
            )
        named = [*kiosk.cases, *(f"city: {code}" for code in at_city)]
        for event, facts in kiosk.logged:
            if event in ("line.fault", "line.refused") and not named:
                named.append(f"{facts['call']}: {facts.get('reason') or facts.get('code')}")
        screen = next((s.name for s in reversed(kiosk.seen) if s.name in REFUSING), "")
        swallowed = (
            "unnoticed" if sheets and told is None else ""
        )  # issued, and nobody has said what came of it
        harmless = (
            "harmless" if sheets == 1 or kiosk.gives_up else "given up" if kiosk.stuck else ""
        )
        return (
            ", ".join(dict.fromkeys(named))
            or (screen and f"told: {screen}")
            or swallowed
            or harmless
        )

    def _told_to_city(self, kiosk: Kiosk) -> messages.Result | None:
        """The outcome of this session's order, as the city has it."""
        query = select(tables.outcomes.c.body).join(
            tables.orders, tables.outcomes.c.order == tables.orders.c.order
        )
        with self.attack.city.city.engine.begin() as connection:
            body = connection.execute(
                query.where(tables.orders.c.session == kiosk.vault.session)
            ).scalar()
        return msgspec.json.decode(body, type=messages.Outcome).result if body else None

    def _city_cases(self, kiosk: Kiosk) -> list[str]:
        """Those this kiosk's line has brought about; closed, so that the next attempt is not
        stopped by them.
        """
        with self.attack.city.city.engine.begin() as connection:
            own = tables.cases.c.kiosk == kiosk.name
            found = connection.execute(select(tables.cases.c.code).where(own)).scalars().all()
            connection.execute(delete(tables.cases).where(own))
        return sorted(set(found))


def every(made: list[Attempt]) -> list[Attempt]:
    return made


def some(made: list[Attempt]) -> list[Attempt]:
    """Each field of what decides about paper, once; all that is done to these messages whole; a few
    of the rest.
    """
    drawn, fields = random.Random(7), dict[tuple[str, str], list[Attempt]]()
    for attempt in made:
        where, _, how = attempt.what.partition(": ")
        fields.setdefault((attempt.name, where if how else ""), []).append(attempt)
    once = [same if not where else [drawn.choice(same)] for (_, where), same in fields.items()]
    decisive = [a for a in chain(*once) if a.name in DECISIVE and not a.what.startswith("manifest")]
    return [a for a in chain(*once) if a in decisive or drawn.random() < REST]
