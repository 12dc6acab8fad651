"""What is known about this journey: one immutable value, replaced as a whole.

Amounts are in yen. Personal data here are those within `holder` and `offers`; the session lives in
the memory of one process and dies with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from firmware.flow.offers import Answers, Holder, Offer, Terms


class Presence(StrEnum):
    """The card, as far as the reader has told. Only ABSENT is absent."""

    ABSENT = "absent"
    PRESENT = "present"
    UNKNOWN = "unknown"


class Token(StrEnum):
    """What a person identifies with. Words and one refusal depend on it, no other step does."""

    CARD = "card"
    ANDROID = "android"
    IPHONE = "iphone"
    UNKNOWN = "unknown"

    @property
    def is_phone(self) -> bool:
        return self in (Token.ANDROID, Token.IPHONE)


class Mode(StrEnum):
    """How this person wants the screens: each can be switched on any screen, for this journey."""

    LARGE = "large"  # larger text
    CONTRAST = "contrast"  # black ground, white and yellow
    LOW = "low"  # every control in the lower half
    SLOW = "slow"  # longer limits


def switched(modes: frozenset[Mode], value: str) -> frozenset[Mode]:
    """This mode on, or off again. One that nobody knows changes nothing."""
    return modes ^ {mode for mode in Mode if mode.value == value}


@dataclass(frozen=True)
class Document:
    """The checked document of this order. `sheets` counts all copies, `fee` too."""

    sha256: str
    unique_number: str
    sheets: int
    fee: int
    copies: int = 1


@dataclass(frozen=True)
class Session:
    # the world as last told
    presence: Presence = Presence.UNKNOWN
    stay: str = ""
    lying: Token = Token.UNKNOWN  # what this stay is of, once it was read
    terms: Terms | None = None
    problem: str | None = None  # None: health not known yet; "": fit
    number: str = ""  # of the case that is open
    line: bool = True  # False: the city could not be reached last time
    stopping: bool = False  # the service is asked to end
    service_key: bool = False  # the technician's key is turned
    private: bool = False  # headphones are in: only this person hears what is said

    # this transaction
    epoch: int = 0
    language: str = "ja"
    modes: frozenset[Mode] = frozenset()
    token: Token = Token.UNKNOWN  # what was read last, whether it still lies there or not
    tries: int | None = None
    digits: int = 0
    typed: bool = False  # this person has had a PIN checked since the card was laid down
    authenticated: bool = False
    card: str = ""
    expires_in_days: int | None = None
    holder: Holder | None = field(default=None, repr=False)
    offers: tuple[Offer, ...] = field(default=(), repr=False)
    kind: str = ""
    answers: Answers = field(default=(), repr=False)
    step: int = 0
    document: Document | None = None
    outlet_sensor: bool = False
    ordered: bool = False  # the city holds something of ours that must be cancelled or reported
    released: bool = False  # its release was asked for: the city may count it as issued

    # money
    accepting: bool = False
    exact_only: bool = False  # no change can be given for some payments: told before anybody pays
    # the coin unit did what it may not: nobody pays until it is found well
    distrusted: bool = False
    inserted: int = 0
    returned: int = 0
    owed: int = 0
    charging: int = 0  # asked of the payment terminal, and not answered yet
    charged: int = 0
    doubted: int = 0  # nobody can tell whether the terminal took it; it is undecided too
    reversing: int = 0
    reversed: int = 0
    transaction: str = ""  # the terminal's number of the charge
    earned: int = 0  # the fee of whole copies, when not all of them came out
    undecided: int = 0  # nobody may have it before an operator has looked

    # paper
    sheet: int = 0  # being printed, 1..n
    printed: int = 0  # certainly out
    uncertain: bool = False  # nobody can tell whether one more came out

    # what the screen says besides
    notice: str = ""
    refusal: str = ""
    opens_at: str = ""
    resume: str = ""  # where HOLD goes back to

    @property
    def phones(self) -> bool:
        """The city takes phones in place of the card."""
        return self.terms is not None and self.terms.phones

    @property
    def offer(self) -> Offer | None:
        """The certificate chosen."""
        return next((o for o in self.offers if o.kind == self.kind), None)

    @property
    def fee(self) -> int:
        return self.document.fee if self.document else 0

    @property
    def held(self) -> int:
        """Coins in the machine that belong to this person until paper is theirs."""
        return self.credit - self.reversible

    @property
    def credit(self) -> int:
        """This person's money, in the machine or at the payment terminal, until paper is theirs."""
        taken = self.inserted - self.returned + self.charged + self.doubted - self.reversed
        return taken - self.owed - self.earned - self.undecided

    @property
    def reversible(self) -> int:
        """As much of it as the payment terminal has to give back."""
        return max(self.charged - self.reversed - self.earned - self.undecided + self.doubted, 0)

    @property
    def complete(self) -> bool:
        """Every sheet is out."""
        return self.document is not None and self.printed == self.document.sheets
