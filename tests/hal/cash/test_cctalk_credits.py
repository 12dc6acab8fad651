from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.cash import credits
from hal.cash.contract import CoinAccepted, CoinFault, CoinReturned
from hal.faults import Reason
from hal.sim.coins.acceptor import Acceptor


def answer(counter: int, *newest_first: tuple[int, int]) -> bytes:
    pairs = b"".join(bytes(pair) for pair in newest_first)
    return bytes([counter]) + pairs.ljust(10, b"\x00")


def test_nothing_new() -> None:
    assert credits.fresh(7, answer(7, (1, 0))) == credits.Fresh(7)


def test_oldest_first() -> None:
    assert credits.fresh(7, answer(9, (2, 0), (1, 0), (5, 0))).events == ((8, (1, 0)), (9, (2, 0)))


def test_the_counter_leaves_out_zero() -> None:
    assert credits.fresh(254, answer(1, (2, 0), (1, 0))).events == ((255, (1, 0)), (1, (2, 0)))
    assert credits.fresh(0, answer(1, (4, 0))).events == ((1, (4, 0)),)


def test_six_new_are_five_and_a_loss() -> None:
    news = credits.fresh(10, answer(16, *[(3, 0)] * 5))
    assert (len(news.events), news.lost) == (5, True)
    assert not credits.fresh(10, answer(15, *[(3, 0)] * 5)).lost


def test_zero_in_the_middle_is_a_reset() -> None:
    assert credits.fresh(10, answer(0)) == credits.Fresh(0, lost=True)
    assert not credits.fresh(0, answer(0)).lost


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ((3, 0), CoinAccepted(100, 9)),
        ((3, 2), CoinAccepted(100, 9)),
        ((9, 0), CoinFault(Reason.CONFIGURATION)),
        ((0, 0), None),
        ((0, 1), CoinReturned()),
        ((0, 2), CoinReturned()),
        ((0, 130), CoinReturned()),
        ((0, 14), CoinFault(Reason.COIN_JAM)),
        ((0, 20), CoinFault(Reason.COIN_JAM)),
        ((0, 255), CoinFault(Reason.COIN_JAM)),
    ],
)
def test_meaning(event: tuple[int, int], expected: object) -> None:
    assert credits.meaning((9, event), {3: 100}) == expected


@given(st.integers(0, 255), st.binary(min_size=11, max_size=11))
def test_any_answer_has_a_meaning(last: int, raw: bytes) -> None:
    news = credits.fresh(last, raw)
    assert len(news.events) <= credits.REMEMBERED
    for event in news.events:
        credits.meaning(event, {1: 10})


@pytest.mark.parametrize(
    ("coin_id", "value"),
    [
        (b"JP100A", 100),
        (b"JP500B", 500),
        (b"JP050A", 50),
        (b"......", None),
        (b"      ", None),
        (b"EU100A", None),
        (b"JP000A", None),
        (b"JP1K0A", None),
        (b"\xff\xff\xff\xff\xff\xff", None),
    ],
)
def test_coin_ids(coin_id: bytes, value: int | None) -> None:
    assert credits.coin_value(coin_id) == value


def test_mask() -> None:
    assert credits.mask(frozenset()) == b"\x00\x00"
    assert credits.mask(frozenset({1, 3, 16})) == b"\x05\x80"


@given(st.lists(st.sampled_from([10, 50, 100, 500, 0]), max_size=400), st.data())
def test_every_coin_is_told_once_when_polled_in_time(coins: list[int], data: st.DataObject) -> None:
    acceptor, told, last = Acceptor(), [], 0
    values = {1: 10, 2: 50, 3: 100, 4: 500, 5: 500}
    while coins:
        batch, coins = coins[: (n := data.draw(st.integers(1, 5)))], coins[n:]
        for coin in batch:
            acceptor.insert(coin)
        news = credits.fresh(last, acceptor._buffered_credit(b""))
        last = news.counter
        assert not news.lost
        told += [
            e.value
            for pair in news.events
            if isinstance(e := credits.meaning(pair, values), CoinAccepted)
        ]
    assert told == acceptor.swallowed


def test_what_is_not_new_must_stand_in_both_answers() -> None:
    before = answer(6, (1, 0), (2, 0), (3, 0), (4, 0), (5, 0))
    assert not credits.fresh(6, answer(7, (5, 0), (1, 0), (2, 0), (3, 0), (4, 0)), before).lost
    assert credits.fresh(
        6, answer(7, (5, 0), (1, 0), (2, 0), (3, 0), (5, 0)), before
    ) == credits.Fresh(7, lost=True)
    assert credits.fresh(6, answer(6, (5, 0)), before) == credits.Fresh(
        6, lost=True
    )  # a counter that stands still


def test_a_reset_that_counted_past_the_old_counter_is_noticed() -> None:
    before = answer(2, (1, 0), (2, 0))
    assert credits.fresh(2, answer(4, (4, 0), (4, 0), (3, 0), (3, 0)), before).lost
