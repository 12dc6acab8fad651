"""What is known about this journey: one immutable value, replaced as a whole.

Amounts are in yen. Personal data here are the holder's name and those within `offers`; the session lives in the
memory of one process and dies with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from firmware.flow.offers import Answers, Offer, Terms


class Presence(StrEnum):
    """The card, as far as the reader has told. Only ABSENT is absent."""

    ABSENT = "absent"
    PRESENT = "present"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Document:
    """The checked document of this order. `sheets` counts all copies, `fee` too."""

    sha256: str
    unique_number: str
    sheets: int
    fee: int


@dataclass(frozen=True)
class Session:
    # the world as last told
    presence: Presence = Presence.UNKNOWN
    stay: str = ""
    terms: Terms | None = None
    problem: str | None = None  # None: health not known yet; "": fit
    line: bool = True  # False: the city could not be reached last time
    stopping: bool = False  # the service is asked to end

    # this transaction
    epoch: int = 0
    language: str = "ja"
    tries: int | None = None
    digits: int = 0
    authenticated: bool = False
    card: str = ""
    expires_in_days: int | None = None
    holder: str = field(default="", repr=False)
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
    distrusted: bool = False  # the coin unit did what it may not: nobody pays until it is found well
    inserted: int = 0
    returned: int = 0
    owed: int = 0

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
    def offer(self) -> Offer | None:
        """The certificate chosen."""
        return next((o for o in self.offers if o.kind == self.kind), None)

    @property
    def fee(self) -> int:
        return self.document.fee if self.document else 0

    @property
    def held(self) -> int:
        """Money in the machine that belongs to this person until paper is theirs."""
        return self.inserted - self.returned - self.owed

    @property
    def complete(self) -> bool:
        """Every sheet is out."""
        return self.document is not None and self.printed == self.document.sheets
