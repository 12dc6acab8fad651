"""The city's clock stands still and 10,000 requests come in that one microsecond: no two share
anything (I2). The whole suite makes a fifth of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import msgspec
from city_bench import HELLO, Direct, Rehearsal, new_id, sealed, session_request
from sqlalchemy import event, select

from city import tables
from firmware.link import messages, sealing

KIOSKS: Final = ("kiosk-1", "kiosk-2", "kiosk-3", "kiosk-4")
CHALLENGES: Final = 9_740
SESSIONS: Final = 100
ORDERS: Final = 100
RELEASES: Final = 60
T = TypeVar("T")


def test_ten_thousand_requests_in_one_microsecond(city: Rehearsal, all_wanted: bool) -> None:
    hellos = CHALLENGES if all_wanted else CHALLENGES // 5
    assert CHALLENGES + SESSIONS + ORDERS + RELEASES == 10_000
    event.listen(city.city.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    city.city.engine.dispose()
    card, keys = city.card("taro"), sealing.generate()
    at = {kiosk: Direct(city.city, kiosk) for kiosk in KIOSKS}

    def of(n: int) -> str:
        return KIOSKS[n % len(KIOSKS)]

    def enter(n: int) -> messages.SessionRequest:
        request = session_request(card, challenges[n], keys, of(n))
        at[of(n)].ask("sessions", request)
        return request

    def order(n: int) -> messages.Manifest:
        request = messages.OrderRequest(
            session=sessions[n].session, order=new_id(), kind="inkan", choices={}, copies=1
        )
        return msgspec.json.decode(
            at[of(n)].ask("orders", request).manifest, type=messages.Manifest
        )

    def release(n: int) -> messages.ReleaseAnswer:
        made = manifests[n]
        paid = messages.ReleaseRequest(
            session=made.session,
            order=made.order,
            document_sha256=made.document_sha256,
            paid=made.fee,
        )
        answer: messages.ReleaseAnswer = at[of(n)].ask("release", paid)
        return answer

    with ThreadPoolExecutor(len(KIOSKS)) as pool:

        def all_of(count: int, work: Callable[[int], T]) -> list[T]:
            return list(pool.map(work, range(count)))

        challenges = [at[of(n)].ask("hello", HELLO).challenge for n in range(hellos)]
        sessions = all_of(SESSIONS, enter)
        manifests = all_of(ORDERS, order)
        released = all_of(RELEASES, release)

    assert len(set(challenges)) == hellos
    for name in ("session", "order", "salt", "document_sha256", "codes"):
        assert len({getattr(manifest, name) for manifest in manifests}) == ORDERS, name
    assert len({manifest.content.unique_number for manifest in manifests}) == ORDERS
    assert [(made.kiosk, made.session) for made in manifests] == [
        (of(n), s.session) for n, s in enumerate(sessions)
    ]
    assert {made.content.issued_on for made in manifests} == {"令和8年11月24日"}, (
        "the clock did stand still"
    )
    assert [answer.order for answer in released] == [made.order for made in manifests[:RELEASES]]
    with city.city.engine.begin() as connection:
        states = Counter(connection.execute(select(tables.orders.c.state)).scalars())
        assert states == {"issued": RELEASES, "reserved": ORDERS - RELEASES}
        assert connection.execute(select(tables.cases)).all() == []
    assert sealed(city.city).broken is None
