"""Many kiosks, their steps in any order: late, twice, given up, while records change and sessions
run out.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final

import msgspec
import pytest
from city_bench import (
    HELLO,
    NOON,
    Card,
    Direct,
    Rehearsal,
    new_id,
    outcome_of,
    sealed,
    session_request,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from city import tables
from firmware.link import messages, sealing
from firmware.link.client import CityRefusal
from firmware.link.messages import RefusalCode

PEOPLE: Final = {
    "taro": "明石　太郎",
    "hanako": "明石　花子",
    "yoshiko": "𠮷田　美子",
    "koichi": "松本　浩一",
}
ASKED_AGAIN: Final = 20
KIOSKS: Final = tuple(f"kiosk-{n}" for n in range(1, 5))


@dataclass
class Books:
    """What all kiosks have been given, kept beside the city's own books."""

    city: Rehearsal
    alone: bool  # one step at a time: then it can be said beforehand what the city must answer
    numbers: dict[str, str] = field(default_factory=dict)  # unique number -> order
    issued: Counter[str] = field(default_factory=Counter)
    printed: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def records(self, resident: str) -> list[object]:
        """What the register says of that household."""
        with self.city.city.engine.begin() as connection:
            household = (
                select(tables.residents.c.household).filter_by(id=resident).scalar_subquery()
            )
            return list(
                connection.execute(
                    select(tables.residents).where(tables.residents.c.household == household)
                )
            )


def _holder(manifest: messages.Manifest) -> str:
    """The one person on what is ordered here."""
    (sheet,) = manifest.content.sheets
    (person,) = sheet.people
    return person.name


@dataclass
class Player:
    """One kiosk and whoever stands there. A step that cannot be taken yet is not taken."""

    books: Books
    kiosk: str
    cards: dict[str, Card]
    resident: str = ""
    keys: sealing.KeyPair = field(default_factory=sealing.generate)
    session: str = ""
    request: messages.OrderRequest | None = None
    manifest: messages.Manifest | None = None
    entered: list[object] = field(
        default_factory=list
    )  # the records as they were when the session was opened
    records: list[object] = field(default_factory=list)  # as they were when the document came
    released: bool = False
    told: messages.Outcome | None = None
    left: list[messages.OrderRequest] = field(
        default_factory=list
    )  # of sessions that were given up

    def ask(self, name: str, message: messages.Message) -> messages.Message | RefusalCode:
        """A city that is busy has done nothing, and is asked again: on a slow disk it may be."""
        line = Direct(self.books.city.city, self.kiosk)
        for _ in range(ASKED_AGAIN):
            try:
                answer: messages.Message = line.ask(name, message)
            except CityRefusal as refused:
                if refused.refusal.code is not RefusalCode.BUSY:
                    return refused.refusal.code
            else:
                return answer
        return RefusalCode.BUSY

    def enter(self, resident: str) -> None:
        """The next person; the city hears nothing of the one before."""
        if self.request is not None:
            self.left.append(self.request)
        self.__init__(self.books, self.kiosk, self.cards, resident, left=self.left)  # type: ignore[misc]
        terms = self.ask("hello", HELLO)
        assert isinstance(terms, messages.Terms)
        request = session_request(self.cards[resident], terms.challenge, self.keys, self.kiosk)
        answer = self.ask("sessions", request)
        if not terms.open:  # a case has paused this kiosk
            assert answer is RefusalCode.MAINTENANCE
            return
        assert isinstance(answer, messages.SessionAnswer), answer
        assert answer.members[answer.holder] == PEOPLE[resident]
        self.session, self.entered = request.session, self.books.records(resident)

    def order(self, kind: str) -> None:
        if self.session:
            self.manifest, self.released, self.told = None, False, None
            self.request = messages.OrderRequest(
                session=self.session, order=new_id(), kind=kind, choices={}, copies=1
            )
            self.order_again(kind)

    def order_again(self, _: str) -> None:
        """The same request once more, as after an answer that was lost."""
        if self.request is None:
            return
        answer = self.ask("orders", self.request)
        if isinstance(answer, messages.OrderAnswer):
            self._receive(answer)
        elif (
            answer is RefusalCode.CHANGED_MEANWHILE
        ):  # the session has committed to records that are others now
            assert not self.books.alone or self.books.records(self.resident) != self.entered
        else:
            assert answer in (
                RefusalCode.SESSION_UNKNOWN,
                RefusalCode.ORDER_OVER,
                RefusalCode.MAINTENANCE,
                RefusalCode.NOT_AVAILABLE,
            ), answer

    def _receive(self, answer: messages.OrderAnswer) -> None:
        request, holder = self.request, PEOPLE[self.resident]
        assert request is not None
        manifest = msgspec.json.decode(answer.manifest, type=messages.Manifest)
        info = messages.seal_info(self.kiosk, self.session, request.order)
        text = sealing.open(self.keys.private, info, answer.sealed).decode()
        bound = (
            manifest.kiosk,
            manifest.session,
            manifest.order,
            manifest.request_sha256,
            _holder(manifest),
        )
        assert bound == (
            self.kiosk,
            self.session,
            request.order,
            messages.request_sha256(request),
            holder,
        )
        assert holder in text and manifest.content.unique_number in text
        assert not any(name in text for name in PEOPLE.values() if name != holder), (
            "another person's document"
        )
        with self.books.lock:
            assert (
                self.books.numbers.setdefault(manifest.content.unique_number, request.order)
                == request.order
            )
        assert self.manifest in (None, manifest), "the same order, another document"
        self.records = self.records if self.manifest else self.books.records(self.resident)
        self.manifest = manifest

    def release(self, _: str) -> None:
        made = self.manifest
        if made is None:
            return
        fresh = self.books.records(self.resident) == self.records
        answer = self.ask(
            "release",
            messages.ReleaseRequest(
                session=made.session,
                order=made.order,
                document_sha256=made.document_sha256,
                paid=made.fee,
            ),
        )
        if isinstance(answer, messages.ReleaseAnswer):
            assert (answer.order, answer.document_sha256) == (made.order, made.document_sha256)
            assert fresh or not self.books.alone, "a record that had changed was certified"
            with self.books.lock:
                self.books.issued[made.order] += 1
            assert self.books.issued[made.order] == 1, "issued twice"
            self.released = True
        else:
            over = (
                RefusalCode.SESSION_UNKNOWN,
                RefusalCode.ORDER_OVER,
                RefusalCode.CHANGED_MEANWHILE,
                RefusalCode.MAINTENANCE,
            )
            assert answer in over, answer
            assert not self.released or answer is not RefusalCode.CHANGED_MEANWHILE

    def outcome(self, _: str) -> None:
        if self.manifest is None:
            return
        if self.told is None:
            result = messages.Result.PRINTED if self.released else messages.Result.FAILED
            self.told = outcome_of(self.manifest, result)
        assert self.ask("outcome", self.told) == messages.Done(accepted=True)

    def cancel(self, _: str) -> None:
        if self.session:
            assert self.ask(
                "cancel", messages.CancelRequest(session=self.session)
            ) == messages.Done(accepted=True)

    def late(self, _: str) -> None:
        """What was asked for in a session given up arrives now, perhaps for the first time."""
        for request in self.left[-2:]:
            answer = self.ask("orders", request)
            refused = (
                RefusalCode.SESSION_UNKNOWN,
                RefusalCode.ORDER_OVER,
                RefusalCode.MAINTENANCE,
                RefusalCode.CHANGED_MEANWHILE,
            )
            assert isinstance(answer, messages.OrderAnswer) or answer in refused

    def change(self, resident: str) -> None:
        where = tables.residents.c.id == resident
        with self.books.city.city.engine.begin() as connection:
            connection.execute(
                update(tables.residents).where(where).values(previous_address=new_id())
            )

    def time(self, _: str) -> None:
        self.books.city.clock.now += timedelta(minutes=4)


STEPS: Final = (
    "enter",
    "order",
    "order_again",
    "release",
    "release",
    "outcome",
    "cancel",
    "late",
    "change",
    "time",
)
Step = tuple[int, str, str]  # which kiosk, what, whom or what for


def value(step: str, person: str, kind: str) -> str:
    return kind if step == "order" else person


PLANS = st.lists(
    st.builds(
        lambda kiosk, step, person, kind: (kiosk, step, value(step, person, kind)),
        st.integers(0, len(KIOSKS) - 1),
        st.sampled_from(STEPS),
        st.sampled_from(tuple(PEOPLE)),
        st.sampled_from(("juminhyo", "inkan")),
    ),
    min_size=10,
    max_size=60,
)


def players(city: Rehearsal, cards: dict[str, Card], *, alone: bool) -> list[Player]:
    city.clock.now = NOON
    books = Books(city, alone)
    made = [Player(books, kiosk, cards) for kiosk in KIOSKS]
    for player, resident in zip(made, PEOPLE, strict=True):
        player.enter(resident)
        player.order("juminhyo")
    return made


def balance(books: Books) -> None:
    """The city's own books say the same."""
    with books.city.city.engine.begin() as connection:
        orders = {row.order: row for row in connection.execute(select(tables.orders))}
        events = [
            msgspec.json.decode(row.entry) for row in connection.execute(select(tables.audit))
        ]
        told = Counter(connection.execute(select(tables.outcomes.c.order)).scalars())
    assert sealed(books.city.city).broken is None
    issued = Counter(event["order"] for event in events if event["event"] == "issued")
    assert all(count == 1 for count in issued.values())
    assert (
        set(books.issued)
        <= {order for order, row in orders.items() if row.state == "issued"}
        == set(issued)
    )
    assert len({row.unique_number for row in orders.values()}) == len(orders)
    assert all(count == 1 for count in told.values())


@pytest.fixture
def cards(city: Rehearsal) -> dict[str, Card]:
    return {resident: city.card(resident) for resident in PEOPLE}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=PLANS)
def test_steps_in_any_order(city: Rehearsal, cards: dict[str, Card], plan: Sequence[Step]) -> None:
    made = players(city, cards, alone=True)
    for kiosk, step, what in plan:
        getattr(made[kiosk], step)(what)
    balance(made[0].books)


def at_once(city: Rehearsal, seed: int) -> None:
    cards = {resident: city.card(resident) for resident in PEOPLE}
    made = players(city, cards, alone=False)

    def play(number: int) -> None:
        drawn = Random(seed * 100 + number)
        for _ in range(50):
            step = drawn.choice([step for step in STEPS if step != "time"])
            getattr(made[number], step)(
                value(step, drawn.choice(tuple(PEOPLE)), drawn.choice(("juminhyo", "inkan")))
            )

    with ThreadPoolExecutor(len(made)) as pool:
        list(pool.map(play, range(len(made))))
    balance(made[0].books)


@pytest.mark.parametrize("seed", range(2))
def test_kiosks_at_the_same_time(city: Rehearsal, seed: int) -> None:
    at_once(city, seed)


@pytest.mark.parametrize("seed", range(2))
def test_kiosks_at_the_same_time_on_postgres(city_on_postgres: Rehearsal, seed: int) -> None:
    at_once(city_on_postgres, seed)
