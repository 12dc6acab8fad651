"""The messages between kiosk and city: the one thing both ends share.

JSON over HTTP/1.1 over TLS 1.3; `bytes` travel as base64. Unknown fields, wrong types and sizes beyond the limits
below are refused by both ends. Identifiers are 128-bit random, in lower-case hex; nothing is keyed by a clock.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware.link.refusals import RefusalCode as RefusalCode

PROTOCOL = 1
MAX_REQUEST = 64 * 1024  # bytes of one request body
MAX_ANSWER = 8 * 1024 * 1024  # bytes of one answer body; a household's document is well under 1 MiB
MAX_SEALED = 5 * 1024 * 1024  # bytes of a sealed document: as base64, with its manifest, it fits into one answer
CODE_HEAD = 41  # bytes, see SheetCode
CODE_SIZE = CODE_HEAD + 64

Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}\\Z")]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}\\Z")]  # SHA-256
Key = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z0-9][a-z0-9.-]*\\Z")]
Text = Annotated[str, Meta(max_length=400)]
Language = Annotated[str, Meta(max_length=16, pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\\Z")]  # BCP 47
Localized = Annotated[dict[Language, Text], Meta(max_length=16)]
Moment = Annotated[str, Meta(max_length=35, pattern="^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}")]  # ISO 8601 with zone
Yen = Annotated[int, Meta(ge=0, le=100_000)]
Seconds = Annotated[int, Meta(ge=0, le=40_000_000)]
Small = Annotated[int, Meta(ge=0, le=99)]
Version = Annotated[int, Meta(ge=0, le=2**53 - 1)]  # what every JSON reader holds exactly
Challenge = Annotated[bytes, Meta(min_length=32, max_length=32)]
Code = Annotated[bytes, Meta(min_length=CODE_SIZE, max_length=CODE_SIZE)]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything on the line."""


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


class Hello(Message, frozen=True):
    """POST /v1/hello. Who asks is read from the client certificate, never from the body."""

    protocol: Small
    build: Text


class CertificateNotice(Message, frozen=True):
    """What the menu tells before anybody has identified themselves."""

    kind: Key
    title: Localized
    fee: Yen
    open: bool
    opens_at: Moment | None = None


class Terms(Message, frozen=True):
    """What holds now: effective-dated data of the city, evaluated at the city's clock."""

    protocol: Small
    city: Text
    city_name: Localized
    now: Moment
    open: bool
    refusal: Refusal | None  # why not open
    closes_in_s: Seconds | None
    certificates: Annotated[tuple[CertificateNotice, ...], Meta(max_length=16)]
    contacts: Annotated[dict[Key, Contact], Meta(max_length=32)]  # by subject: "card", "resident", "tax"
    refusal_contacts: Annotated[dict[Key, Key], Meta(max_length=128)]  # refusal or kiosk cause -> subject in `contacts`
    challenge: Challenge  # good for one session
    challenge_expires_s: Seconds


# -- sessions


class SessionRequest(Message, frozen=True):
    """POST /v1/sessions. `signature` is the card's, over `transcript_digest` of the rest."""

    session: Id
    challenge: Challenge
    card_certificate: Annotated[bytes, Meta(max_length=8192)]  # DER
    document_key: Annotated[
        bytes, Meta(max_length=1216)
    ]  # the kiosk's one-time HPKE public key, MLKEM768-X25519 (X-Wing)
    signature: Annotated[
        bytes, Meta(max_length=1024)
    ]  # RSA PKCS#1 v1.5; `transcript_digest` is the SHA-256 in its DigestInfo, not hashed again


class Choice(Message, frozen=True):
    """One value of an option. `name` is literal (a person); without it the texts know `option.<id>.<choice>`."""

    id: Key
    name: Text = ""

    def __repr__(self) -> str:
        return f"Choice({self.id!r})"


class Option(Message, frozen=True):
    """A question before the order. `when` names (option, choice) that must have been chosen for it to be asked.

    The answers travel in `OrderRequest.choices`; the one option of type "count" is `copies` and travels in
    `OrderRequest.copies`. An option that was not asked is left out; one left out otherwise means its default.
    """

    id: Key
    type: Literal["one", "many", "count"]
    choices: Annotated[tuple[Choice, ...], Meta(max_length=32)]
    default: Annotated[tuple[Key, ...], Meta(max_length=32)] = ()
    minimum: Small = 0  # of choices, or of the count
    maximum: Small = 0
    when: tuple[Key, Key] | None = None


class Offer(Message, frozen=True):
    """A certificate this person may, or may not, have. Not available: `refusal` says why."""

    kind: Key
    title: Localized
    fee: Yen  # for one copy
    refusal: RefusalCode | None
    options: Annotated[tuple[Option, ...], Meta(max_length=12)]


class SessionAnswer(Message, frozen=True):
    session: Id
    holder: Text  # the name as it will be printed; the kiosk checks every sheet against it
    members: Annotated[dict[Key, Text], Meta(max_length=32)]  # choice id -> name, for the check of the sheets
    offers: Annotated[tuple[Offer, ...], Meta(max_length=16)]
    card_expires_in_days: Annotated[int, Meta(ge=0, le=36_525)]
    ends_in_s: Seconds  # the city ends the session by itself then

    def __repr__(self) -> str:
        return f"SessionAnswer({self.session})"


# -- orders


class OrderRequest(Message, frozen=True):
    """POST /v1/orders."""

    session: Id
    order: Id  # made by the kiosk: a repeated request is the same order
    kind: Key
    choices: Annotated[dict[Key, Annotated[tuple[Key, ...], Meta(max_length=32)]], Meta(max_length=12)]
    copies: Annotated[int, Meta(ge=1, le=10)]

    def __repr__(self) -> str:
        return f"OrderRequest({self.order}, {self.kind})"


class Manifest(Message, frozen=True):
    """What the document is and whom it is for, signed by the city's issuing key (Ed25519 over these very bytes).

    `pages` are those of one copy. `codes` holds one signed payload per page of one copy, drawn on the sheet as
    a 2D code. `fields` and `members` are the choices the sheets must show.
    """

    protocol: Small
    kiosk: Key
    session: Id
    order: Id
    card_sha256: Hash
    request_sha256: Hash
    kind: Key
    title: Text
    holder: Text
    members: Annotated[tuple[Text, ...], Meta(max_length=32)]
    issued_on: Text  # as printed, with era: 令和8年11月24日
    unique_number: Annotated[str, Meta(min_length=8, max_length=32)]
    record_version: Version
    pages: Annotated[int, Meta(ge=1, le=20)]
    copies: Annotated[int, Meta(ge=1, le=10)]
    fee: Yen  # for all copies
    seal_page: Small  # the page that must carry the seal's imprint; 0 for none
    document_sha256: Hash
    codes: Annotated[tuple[Code, ...], Meta(max_length=20)]

    def __repr__(self) -> str:
        return f"Manifest({self.order}, {self.kind}, pages={self.pages})"


class OrderAnswer(Message, frozen=True):
    """`sealed` is the PDF, HPKE-sealed to the session's document key with `seal_info` as info."""

    order: Id
    manifest: Annotated[bytes, Meta(max_length=64 * 1024)]
    manifest_signature: Annotated[bytes, Meta(min_length=64, max_length=64)]
    sealed: Annotated[bytes, Meta(max_length=MAX_SEALED)]

    def __repr__(self) -> str:  # the manifest names people
        return f"OrderAnswer({self.order})"


# -- release and outcome


class ReleaseRequest(Message, frozen=True):
    """POST /v1/release, after payment. Only the answer lets paper out."""

    session: Id
    order: Id
    document_sha256: Hash
    paid: Yen  # money taken for this order so far, before change: at least the manifest's fee


class ReleaseAnswer(Message, frozen=True):
    order: Id
    document_sha256: Hash
    released: Literal[True]


class CancelRequest(Message, frozen=True):
    """POST /v1/cancel: the person left, or time ran out. Ends session and order at the city too; idempotent."""

    session: Id
    rejected: Annotated[str, Meta(max_length=40, pattern="^[a-z-]*\\Z")] = ""  # why its document was no such document


class Done(Message, frozen=True):
    """The answer to cancel and outcome."""

    accepted: Literal[True]


class Result(StrEnum):
    PRINTED = "printed"
    FAILED = "failed"  # certainly not (all) printed; money went back
    UNKNOWN = "unknown"  # nobody can tell: a person looks at it


class Outcome(Message, frozen=True):
    """POST /v1/outcome, from the kiosk's durable outbox; the same `outcome` id counts once."""

    outcome: Id
    session: Id
    order: Id
    result: Result
    sheets: Small  # that certainly came out
    kept: Yen
    returned: Yen
    owed: Yen


# -- the kiosk's own certificate


class RenewRequest(Message, frozen=True):
    """POST /v1/renew, on the still valid certificate. The same key again has the same answer."""

    csr: Annotated[bytes, Meta(max_length=4096)]  # PKCS #10, DER; P-256, the kiosk's id as its only name


class RenewAnswer(Message, frozen=True):
    certificate: Annotated[bytes, Meta(max_length=8192)]  # X.509, DER, of the kiosk CA


# -- what is signed and sealed


def _frame(*parts: bytes) -> bytes:
    """Length-prefixed concatenation: no two different lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def transcript_digest(
    kiosk: str, session: str, challenge: bytes, card_certificate: bytes, document_key: bytes
) -> bytes:
    """SHA-256 that the card signs: it binds the city's challenge, this kiosk, this session and its one-time key."""
    return hashlib.sha256(
        _frame(
            b"madoguchi session v1",
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
    return _frame(b"madoguchi document v1", kiosk.encode(), bytes.fromhex(session), bytes.fromhex(order))


def manifest_signing_input(manifest: bytes) -> bytes:
    """What the issuing key signs: domain-separated from the sheet codes signed by the same key."""
    return _frame(b"madoguchi manifest v1", manifest)


# -- the code on the sheet

CODE_MAGIC = b"MG1"
CODE_AREA_MM = (162.0, 249.0, 36.0, 36.0)  # left, top, width, height on A4 portrait: the city leaves it blank


class SheetCode(msgspec.Struct, frozen=True):
    """The 41 signed bytes of one sheet's 2D code.

    Magic 3, unique number 16 (ASCII, NUL padded), page 1, pages 1, days since 2000-01-01 2 (big-endian), hash 18.
    """

    unique_number: str
    page: int
    pages: int
    issued_days: int  # days since 2000-01-01
    text_hash: bytes  # first 18 bytes of SHA-256 over the document

    def encode(self) -> bytes:
        """Raises ValueError when a value does not fit."""
        number = self.unique_number.encode("ascii")
        if len(number) > 16 or len(self.text_hash) != 18:
            raise ValueError("sheet code: value does not fit")
        return (
            CODE_MAGIC
            + number.ljust(16, b"\0")
            + bytes((self.page, self.pages))
            + self.issued_days.to_bytes(2, "big")
            + self.text_hash
        )

    @staticmethod
    def decode(head: bytes) -> SheetCode:
        """Raises ValueError when these are not such bytes."""
        if len(head) != CODE_HEAD or not head.startswith(CODE_MAGIC):
            raise ValueError("sheet code: not one of ours")
        return SheetCode(
            unique_number=head[3:19].rstrip(b"\0").decode("ascii"),
            page=head[19],
            pages=head[20],
            issued_days=int.from_bytes(head[21:23], "big"),
            text_hash=head[23:41],
        )


def code_signing_input(head: bytes) -> bytes:
    """What the issuing key signs for one sheet; the code carries head + 64-byte signature, base45."""
    return _frame(b"madoguchi sheet v1", head)
