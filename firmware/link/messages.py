"""The messages between kiosk and city: the one thing both ends share.

JSON over HTTP/1.1 over TLS 1.3; `bytes` travel as base64. Unknown fields, wrong types and sizes
beyond the limits below are refused by both ends. Identifiers are 128-bit random, in lower-case hex;
nothing is keyed by a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from firmware.link.base import (
    CityCode,
    Hash,
    Id,
    Key,
    Localized,
    Moment,
    Salt,
    Seconds,
    Small,
    Text,
    Version,
    Yen,
    frame,
)
from firmware.link.base import Message as Message
from firmware.link.commitments import Opening
from firmware.link.content import MAX_SHEETS, Content
from firmware.link.refusals import RefusalCode as RefusalCode
from firmware.link.sheet_code import HEADER_SIZE, SIGNATURE_SIZE

PROTOCOL = 2
MAX_REQUEST = 64 * 1024  # bytes of one request body
MAX_ANSWER = 8 * 1024 * 1024  # bytes of one answer body; a household's document is well under 1 MiB
MAX_FORM_TERMS = 256 * 1024  # bytes of a city's signed form terms
MAX_MANIFEST = 256 * 1024  # bytes: the content of 20 sheets, opened records and an imprint
MAX_SEALED = (
    5 * 1024 * 1024
)  # bytes of a sealed document: as base64, with its manifest, it fits into one answer

Challenge = Annotated[bytes, Meta(min_length=32, max_length=32)]
Code = Annotated[bytes, Meta(min_length=HEADER_SIZE + SIGNATURE_SIZE, max_length=1024)]


# -- refusals


class Contact(Message, frozen=True):
    """The place to go."""

    office: Localized
    phone: Text
    hours: Localized


class Refusal(Message, frozen=True):
    """Body of every 4xx/5xx answer."""

    code: RefusalCode
    contact: Contact | None = None
    opens_at: Moment | None = None  # with CLOSED and MAINTENANCE


# -- hello

# What came after the first kiosks of this protocol: a kiosk names what it understands, and the city
# sends nothing else of it. A kiosk refuses fields that it does not know.
TODAY: Final = "today"  # `Terms.today`
OPENINGS: Final = "openings"  # `Offer.opens_at`
READINGS: Final = "readings"  # `SessionAnswer.readings`
BUILDS: Final = "builds"  # `Terms.build_refused`
UPDATES: Final = "updates"  # `Terms.update`
FAMILY: Final = "family"  # `SessionAnswer.family`, and certificates of it
CAUSES: Final = "causes"  # the codes of `refusals.OLDER`, and `CertificateNotice.refusal`
WORDS: Final = "words"  # `discount` and `not_for` of a certificate, with `hello` and sessions
ENTRIES: Final = "entries"  # `SessionAnswer.entries`, and the forms of an entry
UNDERSTOOD: Final = (TODAY, OPENINGS, READINGS, BUILDS, UPDATES, CAUSES, WORDS, FAMILY, ENTRIES)
ISSUING: Final = "issuing"  # `Terms.issuing`: understood by whoever compares both sides' keys
Understood = Annotated[tuple[Key, ...], Meta(max_length=32)]


class JournalHead(Message, frozen=True):
    """The newest entry of a kiosk's journal: the city keeps it, so that a journal that lost entries
    is noticed.
    """

    journal: Id  # the journal's random identity
    seq: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    hash: Hash


# Of an image: numbers with points between them, so that any two can be compared.
BuildVersion = Annotated[str, Meta(max_length=59, pattern="^\\d{1,14}(\\.\\d{1,14}){0,3}\\Z")]
NoVersion = Annotated[str, Meta(max_length=59, pattern="^(\\d{1,14}(\\.\\d{1,14}){0,3})?\\Z")]


class UpdateReport(Message, frozen=True, omit_defaults=True):
    """Where a board that runs an image stands with its updates."""

    board: Key  # which images fit it
    version: BuildVersion  # that runs
    staged: NoVersion = ""  # installed, and not started yet
    on_trial: bool = False  # its first journeys are being watched
    fell_back: NoVersion = ""  # the version after this one that was tried last
    refused: NoVersion = ""  # was to be installed, and could not be
    why: Annotated[str, Meta(max_length=64, pattern="^[a-z0-9.-]*\\Z")] = ""  # of either

    def words(self) -> Iterator[str]:
        """For people: which image runs, and what there is to say of another one."""
        yield self.version
        for text, holds in (
            ("on trial", self.on_trial),
            (f"{self.staged} installed", self.staged),
            (f"fell back from {self.fell_back}: {self.why}", self.fell_back),
            (f"{self.refused} not installed: {self.why}", self.refused),
        ):
            if holds:
                yield text


MAX_CASE_CODES: Final = 16
YEAR_3000: Final = 32_503_680_000  # seconds since 1970


class CaseCount(Message, frozen=True):
    """The open cases of one code."""

    code: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z0-9._/-]*\\Z")]
    number: Annotated[int, Meta(ge=1, le=99)]
    oldest: Annotated[int, Meta(ge=0, le=YEAR_3000)]  # seconds since 1970: when it was opened


class KioskStatus(Message, frozen=True, omit_defaults=True):
    """How a kiosk is, for the city's view of its fleet. Codes and counts."""

    availability: Key
    problem: Annotated[str, Meta(max_length=64, pattern="^[a-z0-9.-]*\\Z")] = ""
    paper: Annotated[dict[Key, Key], Meta(max_length=4)] = msgspec.field(default_factory=dict)
    cases: Small = 0  # open ones, at most 99
    exact_only: bool = False  # it has too little change for some payments
    update: UpdateReport | None = None
    # `cases` by their codes, the oldest first
    case_codes: Annotated[tuple[CaseCount, ...], Meta(max_length=MAX_CASE_CODES)] = ()


class Hello(Message, frozen=True, omit_defaults=True):
    """POST /v2/hello. Who asks is read from the client certificate, never from the body."""

    protocol: Small
    build: Text
    journal_behind: bool = False  # the kiosk's journal lacks the entry that the city has kept of it
    journal: JournalHead | None = None  # once the kiosk has found the entry that the city kept
    phones: bool = False  # this kiosk can check a phone's certificate
    understands: Understood = ()
    status: KioskStatus | None = None


class Discount(Message, frozen=True):
    """The fee holds until the end of that day; `regular` is that of the day after, for one copy."""

    until: date
    regular: Yen


class CertificateNotice(Message, frozen=True, omit_defaults=True):
    """What the menu tells before anybody has identified themselves."""

    kind: Key
    title: Localized
    fee: Yen
    open: bool
    opens_at: Moment | None = None
    refusal: RefusalCode | None = None  # why it is not open, where that is told
    discount: Discount | None = None
    not_for: Localized = msgspec.field(default_factory=dict)  # what it cannot be used for


ClockTime = Annotated[
    str, Meta(min_length=5, max_length=5, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
]


class Hours(Message, frozen=True):
    """Of one day: HH:MM by the city's clock."""

    opens: ClockTime
    closes: ClockTime  # 00:00: at the end of the day, which people are told as 24:00


class Terms(Message, frozen=True, omit_defaults=True):
    """What holds now: effective-dated data of the city, evaluated at the city's clock."""

    protocol: Small
    city: CityCode
    city_name: Localized
    now: Moment
    open: bool
    refusal: Refusal | None  # why not open
    closes_in_s: Seconds | None
    certificates: Annotated[tuple[CertificateNotice, ...], Meta(max_length=16)]
    contacts: Annotated[
        dict[Key, Contact], Meta(max_length=32)
    ]  # by subject: "card", "resident", "tax"
    refusal_contacts: Annotated[
        dict[Key, Key], Meta(max_length=128)
    ]  # refusal or kiosk cause -> subject in `contacts`
    form_terms: Annotated[bytes, Meta(max_length=MAX_FORM_TERMS)]  # `form_terms.FormTerms` as JSON
    form_terms_signature: Annotated[
        bytes, Meta(min_length=64, max_length=64)
    ]  # by the city's terms key
    challenge: Challenge  # good for one session
    challenge_expires_s: Seconds
    journal: JournalHead | None = None  # what this kiosk has told of its journal
    phones: bool = False  # a phone is taken in place of the card; told to who can check one
    today: Hours | None = None  # when the service is open today; None: not at all, or not told
    build_refused: bool = False  # the city does not work with this kiosk's build
    # the reference of the key that the city signs documents with, in hex; "" when not asked for
    issuing: Text = ""
    update: NoVersion = ""  # of the image that the city wants this kiosk to have; "": as it is


# -- sessions


class SessionRequest(Message, frozen=True, omit_defaults=True):
    """POST /v2/sessions. `signature` is the card's, over `transcript_digest` of all but
    `understands`.
    """

    session: Id
    challenge: Challenge
    card_certificate: Annotated[bytes, Meta(max_length=8192)]  # DER
    document_key: Annotated[
        bytes, Meta(max_length=1216)
    ]  # the kiosk's one-time HPKE public key, MLKEM768-X25519 (X-Wing)
    signature: Annotated[
        bytes, Meta(max_length=1024)
    ]  # RSA PKCS#1 v1.5; `transcript_digest` is the SHA-256 in its DigestInfo, not hashed again
    understands: Understood = ()


class Choice(Message, frozen=True):
    """One value of an option. `name` is literal (a person); without it the texts know
    `option.<id>.<choice>`.
    """

    id: Key
    name: Text = ""

    def __repr__(self) -> str:
        return f"Choice({self.id!r})"


class Option(Message, frozen=True):
    """A question before the order. `when` names (option, choice) that must have been chosen for it
    to be asked; that option stands before it. The choices of `members` are all members of the
    session, or of its family, in their order.

    The answers travel in `OrderRequest.choices`; the one option of type "count" is `copies` and
    travels in `OrderRequest.copies`. An option that was not asked is left out; one left out
    otherwise means its default.
    """

    id: Key
    type: Literal["one", "many", "count"]
    choices: Annotated[tuple[Choice, ...], Meta(max_length=32)]
    default: Annotated[tuple[Key, ...], Meta(max_length=32)] = ()
    minimum: Small = 0  # of choices, or of the count
    maximum: Small = 0
    when: tuple[Key, Key] | None = None


class Offer(Message, frozen=True, omit_defaults=True):
    """A certificate this person may, or may not, have. Not available: `refusal` says why, and
    `opens_at` when that ends by itself.
    """

    kind: Key
    title: Localized
    fee: Yen  # for one copy
    refusal: RefusalCode | None
    options: Annotated[tuple[Option, ...], Meta(max_length=12)]
    opens_at: Moment | None = None
    family: bool = False  # it shows people of the family register, not of the household
    discount: Discount | None = None
    not_for: Localized = msgspec.field(default_factory=dict)  # told before the order is confirmed


class FamilyPeople(Message, frozen=True):
    """Who is in the family register of the holder, as far as it can be certified."""

    holder: Key  # which of `members` is the holder
    members: Annotated[dict[Key, Text], Meta(max_length=32)]  # record -> name in full

    def __repr__(self) -> str:
        return f"FamilyPeople({len(self.members)})"


Entries = Annotated[dict[Key, Text], Meta(max_length=32)]


class SessionAnswer(Message, frozen=True, omit_defaults=True):
    """Who set the card, as the city knows it, and what it binds itself to: a commitment for each
    record.
    """

    session: Id
    holder: Key  # which of `members` the card belongs to
    holder_birth: Text  # as printed; shown with name and address before the order is confirmed
    holder_address: Text
    members: Annotated[
        dict[Key, Text], Meta(max_length=32)
    ]  # record -> name, everybody who can be certified
    records: Annotated[dict[Key, Hash], Meta(max_length=128)]  # record -> `commitments.commitment`
    record_version: (
        Version  # of the city's file: in every commitment, in the manifest, and compared at release
    )
    offers: Annotated[tuple[Offer, ...], Meta(max_length=16)]
    card_expires_in_days: Annotated[int, Meta(ge=0, le=36_525)]
    ends_in_s: Seconds  # the city ends the session by itself then
    # record -> how the name is read, in katakana, of those in `members` whose reading the city has:
    # spoken sound by sound, and only where nobody else can hear
    readings: Annotated[dict[Key, Text], Meta(max_length=32)] = msgspec.field(default_factory=dict)
    family: FamilyPeople | None = None  # of a certificate of it that can be had
    # option of an `EntryForm` -> record -> what the entry is called, of those that can be chosen
    entries: Annotated[dict[Key, Entries], Meta(max_length=8)] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"SessionAnswer({self.session})"


# -- orders


class OrderRequest(Message, frozen=True, omit_defaults=True):
    """POST /v2/orders."""

    session: Id
    order: Id  # made by the kiosk: a repeated request is the same order
    kind: Key
    choices: Annotated[
        dict[Key, Annotated[tuple[Key, ...], Meta(max_length=32)]], Meta(max_length=12)
    ]
    copies: Annotated[int, Meta(ge=1, le=10)]
    understands: Understood = ()

    def __repr__(self) -> str:
        return f"OrderRequest({self.order}, {self.kind})"


class Manifest(Message, frozen=True):
    """What the document is and whom it is for, signed by the city's issuing key (Ed25519 over these
    very bytes).

    `content` is all that the sheets of one copy show. `openings` prove that it is of the records
    the city committed to in this session. `codes` holds one signed payload for each sheet.
    """

    protocol: Small
    kiosk: Key
    session: Id
    order: Id
    card_sha256: Hash
    request_sha256: Hash
    kind: Key
    record_version: Version
    copies: Annotated[int, Meta(ge=1, le=10)]
    fee: Yen  # for all copies
    content: Content
    salt: Salt  # of the sheets' digests
    openings: Annotated[dict[Key, Opening], Meta(max_length=96)]  # record -> its fields
    document_sha256: Hash
    codes: Annotated[tuple[Code, ...], Meta(max_length=MAX_SHEETS)]

    def __repr__(self) -> str:
        return f"Manifest({self.order}, {self.kind}, pages={self.content.pages})"


class OrderAnswer(Message, frozen=True):
    """`sealed` is the PDF, HPKE-sealed to the session's document key with `seal_info` as info."""

    order: Id
    manifest: Annotated[bytes, Meta(max_length=MAX_MANIFEST)]
    manifest_signature: Annotated[bytes, Meta(min_length=64, max_length=64)]
    sealed: Annotated[bytes, Meta(max_length=MAX_SEALED)]

    def __repr__(self) -> str:  # the manifest names people
        return f"OrderAnswer({self.order})"


# -- release and outcome


class ReleaseRequest(Message, frozen=True):
    """POST /v2/release, after payment. Only the answer lets paper out."""

    session: Id
    order: Id
    document_sha256: Hash
    paid: Yen  # money taken for this order so far, before change: at least the manifest's fee


class ReleaseAnswer(Message, frozen=True):
    order: Id
    document_sha256: Hash
    released: Literal[True]


class CancelRequest(Message, frozen=True):
    """POST /v2/cancel: the person left, or time ran out. Ends session and order at the city too;
    idempotent.
    """

    session: Id
    rejected: Annotated[str, Meta(max_length=40, pattern="^[a-z-]*\\Z")] = (
        ""  # why its document was no such document
    )


class Done(Message, frozen=True):
    """The answer to cancel and outcome."""

    accepted: Literal[True]


class Result(StrEnum):
    PRINTED = "printed"
    FAILED = "failed"  # certainly not (all) printed; money went back
    UNKNOWN = "unknown"  # nobody can tell: a person looks at it


class Outcome(Message, frozen=True, omit_defaults=True):
    """POST /v2/outcome, from the kiosk's durable outbox; the same `outcome` id counts once."""

    outcome: Id
    session: Id
    order: Id
    result: Result
    sheets: Small  # that certainly came out
    kept: Yen
    returned: Yen
    owed: Yen
    held: Yen = 0  # nobody has it before an operator has looked
    journal: JournalHead | None = (
        None  # when it is told; the same outcome may be told again with a later one
    )


# -- the kiosk's own certificate


class RenewRequest(Message, frozen=True):
    """POST /v2/renew, on the still valid certificate. The same key again has the same answer."""

    csr: Annotated[
        bytes, Meta(max_length=4096)
    ]  # PKCS #10, DER; P-256, the kiosk's id as its only name


class RenewAnswer(Message, frozen=True):
    certificate: Annotated[bytes, Meta(max_length=8192)]  # X.509, DER, of the kiosk CA


# -- what is signed and sealed


def transcript_digest(
    kiosk: str, session: str, challenge: bytes, card_certificate: bytes, document_key: bytes
) -> bytes:
    """SHA-256 that the card signs: it binds the city's challenge, this kiosk, this session and its
    one-time key.
    """
    return hashlib.sha256(
        frame(
            b"madoguchi session v2",
            kiosk.encode(),
            bytes.fromhex(session),
            challenge,
            hashlib.sha256(card_certificate).digest(),
            document_key,
        )
    ).digest()


def request_sha256(order: OrderRequest) -> str:
    """Hash of the order as asked (canonical JSON), returned in the manifest."""
    return hashlib.sha256(msgspec.json.encode(order, order="deterministic")).hexdigest()


def seal_info(kiosk: str, session: str, order: str) -> bytes:
    """HPKE `info`: a document sealed for one order opens for no other."""
    return frame(
        b"madoguchi document v2", kiosk.encode(), bytes.fromhex(session), bytes.fromhex(order)
    )


def manifest_signing_input(manifest: bytes) -> bytes:
    """What the issuing key signs: domain-separated from the sheet codes signed by the same key."""
    return frame(b"madoguchi manifest v2", manifest)


def form_terms_signing_input(terms: bytes) -> bytes:
    """What the city's terms key signs."""
    return frame(b"madoguchi form terms v2", terms)
