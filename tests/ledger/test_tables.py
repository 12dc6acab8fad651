"""Every kind of entry is in exactly one table of the ledger, and in the documentation."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from firmware.ledger.accounts import NAMES, SIGN, VALUES, Title
from firmware.ledger.acts import ACTS, FACTS, NOTED
from firmware.ledger.journey import DESCRIBED, POSTED, LedgerEntry
from firmware.ledger.ledger import MOVES_NO_MONEY, Ledger
from firmware.service.cash_desk import COINS
from firmware.service.entry import KINDS

TABLES = {
    "posted": POSTED,
    "described": DESCRIBED,
    "acts": ACTS,
    "noted": NOTED,
    "no money": MOVES_NO_MONEY,
}
PAGE = (Path(__file__).parents[2] / "docs/ledger.md").read_text("utf-8")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_entry_is_in_one_table(kind: str) -> None:
    assert [name for name, table in TABLES.items() if kind in table] != []


@pytest.mark.parametrize(("one", "other"), list(combinations(TABLES, 2)))
def test_no_kind_is_in_two(one: str, other: str) -> None:
    assert not set(TABLES[one]) & set(TABLES[other])


def test_a_kind_that_no_table_knows_is_told() -> None:
    assert Ledger.of([LedgerEntry(1, "s", "bribe", {"amount": 500})]).unread == {"bribe"}


@pytest.mark.parametrize("kind", sorted(set().union(*TABLES.values())))
def test_every_kind_is_explained(kind: str) -> None:
    assert kind in re.findall(r"`([a-z-]+)`", PAGE)


@pytest.mark.parametrize("title", Title)
def test_every_account_has_a_name_and_is_explained(title: Title) -> None:
    assert NAMES[title] in PAGE
    assert SIGN[title] in (1, -1)


def test_an_act_has_a_fact_for_every_coin_that_is_taken() -> None:
    assert set(VALUES) == COINS
    for kind in ("cash-count", "cash-refill", "cash-emptied"):
        assert KINDS[kind] == {"place", *FACTS.values()}
