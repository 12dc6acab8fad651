"""Accounts and transactions. In yen: debits are positive; each transaction sums to 0."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

BOX, UNKNOWN_HOPPER = "box", "hoppers"
VALUES = (10, 50, 100, 500)  # coins that the acceptor takes


class Title(StrEnum):
    """Where money is, and whose it is."""

    CASH = "cash"  # coins in the machine; by place and value
    RECEIVABLE = "receivable"  # cashless charges that the terminal approved
    INQUIRY = "inquiry"  # cashless charges that nobody knows to have been made or not
    FEES = "fees"  # income; by kind of certificate
    OWED = "owed"  # claims of residents that the office has yet to pay
    HELD = "held"  # nobody's before an operator has looked
    OPEN = "open"  # of journeys that have not ended yet
    OVER_SHORT = "over-short"
    OFFICE = "office"  # the city's cash office: refills, collections, claims it has paid


NAMES: Mapping[Title, str] = {
    Title.CASH: "現金",
    Title.RECEIVABLE: "未収（キャッシュレス）",
    Title.INQUIRY: "照会中（キャッシュレス）",
    Title.FEES: "手数料収入",
    Title.OWED: "未払い",
    Title.HELD: "預り金",
    Title.OPEN: "取引中",
    Title.OVER_SHORT: "現金過不足",
    Title.OFFICE: "会計課（補充・回収・返金）",
}
# What a balance is shown as: money that is there as it stands, what is somebody's turned round.
SIGN: Mapping[Title, int] = {
    Title.CASH: 1,
    Title.RECEIVABLE: 1,
    Title.INQUIRY: 1,
    Title.FEES: -1,
    Title.OWED: -1,
    Title.HELD: -1,
    Title.OPEN: -1,
    Title.OVER_SHORT: -1,  # more than there should be: +
    Title.OFFICE: -1,  # given by the office and not yet taken back: +
}


def hopper(address: int) -> str:
    """The place of the hopper at this address."""
    return f"hopper-{address}"


def place_name(place: str) -> str:
    if place == BOX:
        return "金庫"
    return (
        "ホッパー（不明）"
        if place == UNKNOWN_HOPPER
        else f"ホッパー{place.removeprefix('hopper-')}"
    )


@dataclass(frozen=True, order=True)
class Account:
    """`part`: a place for coins, a kind of certificate for fees. `value`: of the coins, in yen."""

    title: Title
    part: str = ""
    value: int = 0


class Unbalanced(ValueError):
    """Postings that do not sum to zero: a mistake in the program."""


Amounts = dict[Account, int]


def added(many: Iterable[Mapping[Account, int]]) -> Amounts:
    """The sum of each account; those of 0 are left out."""
    sums: defaultdict[Account, int] = defaultdict(int)
    for amounts in many:
        for account, yen in amounts.items():
            sums[account] += yen
    return {account: yen for account, yen in sums.items() if yen}


@dataclass(frozen=True)
class About:
    """What a journey was, for the day's figures. `charged`: paid without cash."""

    certificate: str = ""
    ended: bool = False
    fee: int = 0
    sheets: int = 0
    printed: int = 0
    inserted: int = 0
    charged: int = 0
    returned: int = 0
    kept: int = 0
    owed: int = 0
    held: int = 0

    @property
    def issued(self) -> bool:
        """All its sheets are certainly out."""
        return 0 < self.sheets <= self.printed


@dataclass(frozen=True)
class Transaction:
    """Of one journey, or of one act of the operator. `seq`, `at`: of the entry that posted it.

    `difference`: yen more (+) or less (-) than there should be, unexplained by the journal.
    """

    seq: int
    at: str
    kind: str
    session: str
    postings: Mapping[Account, int]
    difference: int = 0
    about: About | None = field(default=None)

    def __post_init__(self) -> None:
        if sum(self.postings.values()):
            raise Unbalanced(
                f"entry {self.seq}: {self.kind} is {sum(self.postings.values())} yen out of balance"
            )

    def yen(self, title: Title) -> int:
        """What it moves on all accounts of this title."""
        return sum(yen for account, yen in self.postings.items() if account.title is title)
