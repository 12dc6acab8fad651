"""Why the city answers no: one cause, one code."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class RefusalCode(StrEnum):
    """Those a resident is told have their texts in `firmware/texts`, in every language; the others
    are `LINE`.
    """

    CLOSED = "closed"  # outside service hours, or 29 December to 3 January
    MAINTENANCE = "maintenance"
    CARD_REVOKED = "card-revoked"
    CARD_EXPIRED = "card-expired"
    CARD_INVALID = "card-invalid"  # chain or signature does not hold
    CARD_UNCONFIRMED = (
        "card-unconfirmed"  # its authority does not say whether it is revoked: neither good nor bad
    )
    CARD_NOT_CONTINUED = (
        "card-not-continued"  # issued before its holder moved in, 継続利用手続 not done here
    )
    CARD_TOO_NEW = "card-too-new"  # issued, renewed or continued a moment ago: from `opens_at`
    PHONE_NOT_ACCEPTED = "phone-not-accepted"  # a phone's certificate, and the city takes none yet
    NOT_LINKED = "not-linked"  # the city knows no resident for this certificate
    MOVED_OUT = "moved-out"
    NOTICE_IN_PROCESS = "notice-in-process"  # of a change of address: until `opens_at`
    HOUSEHOLD_NOTICE = "household-notice"  # of somebody else in the household: until `opens_at`
    UNDER_15 = "under-15"
    NOT_AVAILABLE = "not-available"  # neutral on purpose: protective measures, suppression
    SEAL_NOT_REGISTERED = "seal-not-registered"
    SEAL_DEREGISTERED = "seal-deregistered"
    NO_TAX_RETURN = "no-tax-return"
    TAXED_ELSEWHERE = "taxed-elsewhere"
    NOT_RESIDENT_ON_JANUARY_1 = "not-resident-on-january-1"
    YEAR_NOT_YET = "year-not-yet"  # the year there is a return for is not issued before June
    NO_FAMILY_REGISTER = "no-family-register"  # its holder's 本籍 is in no register of this city
    NOT_REGISTERED_FOR_USE = "not-registered-for-use"  # neither resident here nor 利用登録
    REGISTRATION_IN_PROCESS = "registration-in-process"  # 利用登録 filed: until `opens_at`
    FILING_IN_PROCESS = "filing-in-process"  # a notice about the family register: until `opens_at`
    # 納税証明書: what was billed is not paid, or the payment is not known here yet
    PAYMENT_NOT_RECORDED = "payment-not-recorded"
    NOTHING_BILLED = "nothing-billed"  # no such tax of a year that is on offer
    NO_VEHICLE = "no-vehicle"  # none that is inspected (車検), under this name
    NO_REMOVED_ENTRY = "no-removed-entry"  # 除票: none that this person may have
    NOT_ISSUED = "not-issued"  # no machine issues this certificate for this person
    CHARACTERS = "characters"  # a character no font of this city has: counter
    CHARACTER_PENDING = "character-pending"  # the register has 〓 where its character will stand
    TEXT_TOO_LONG = "text-too-long"  # longer than its place on the sheet, or in the sheet's code
    TOO_MANY_SHEETS = "too-many-sheets"
    CHANGED_MEANWHILE = "changed-meanwhile"  # the record changed between order and release
    DAY_CHANGED = "day-changed"  # at midnight, and with it what was offered: fee, title, year
    BUSY = "busy"  # bounded queues are full; nothing was charged
    PROTOCOL_ERROR = "protocol-error"  # not this protocol's path, method or HTTP

    # between the machines: never the resident's fault
    MALFORMED = "malformed"  # the body is not the message of its path
    TOO_BIG = "too-big"
    VERSION = "version"  # the other end speaks another version of this protocol
    INTERNAL = "internal"  # the gateway's own failure
    # the certificate names no kiosk, or is not listed after another was revoked
    KIOSK_UNKNOWN = "kiosk-unknown"
    KIOSK_REVOKED = "kiosk-revoked"
    KIOSK_EXPIRED = "kiosk-expired"  # the certificate, on a connection older than its last day
    CHALLENGE = "challenge"  # used before, too old, or given to another kiosk
    DOCUMENT_KEY = "document-key"  # nothing can be sealed to it
    # none of this kiosk's that is going on; another kiosk's is told no other way
    SESSION_UNKNOWN = "session-unknown"
    SESSION_REUSED = "session-reused"  # there already is, or was, one of that id
    ORDER_UNKNOWN = "order-unknown"  # none of this session's
    ORDER_REUSED = "order-reused"  # that id stands for another request
    ORDER_OVER = "order-over"  # released before, or void
    NOT_OFFERED = "not-offered"  # kind, choices or copies this person was not offered
    OTHER_DOCUMENT = "other-document"  # not the document of this order
    UNDERPAID = "underpaid"
    OUTCOME_REUSED = "outcome-reused"  # that id stands for another outcome
    NO_RENEWAL = "no-renewal"  # this gateway gives no certificates, or not this one


# About the line itself: no resident is told these.
LINE: Final = frozenset(
    {
        RefusalCode.PROTOCOL_ERROR,
        RefusalCode.MALFORMED,
        RefusalCode.TOO_BIG,
        RefusalCode.VERSION,
        RefusalCode.INTERNAL,
        RefusalCode.KIOSK_UNKNOWN,
        RefusalCode.KIOSK_REVOKED,
        RefusalCode.KIOSK_EXPIRED,
        RefusalCode.CHALLENGE,
        RefusalCode.DOCUMENT_KEY,
        RefusalCode.SESSION_UNKNOWN,
        RefusalCode.SESSION_REUSED,
        RefusalCode.ORDER_UNKNOWN,
        RefusalCode.ORDER_REUSED,
        RefusalCode.ORDER_OVER,
        RefusalCode.NOT_OFFERED,
        RefusalCode.OTHER_DOCUMENT,
        RefusalCode.UNDERPAID,
        RefusalCode.OUTCOME_REUSED,
        RefusalCode.NO_RENEWAL,
    }
)

# What a kiosk is told instead that does not name `messages.CAUSES` in what it understands: its
# build has no words for the newer codes, and refuses an answer with one.
OLDER: Final[Mapping[RefusalCode, RefusalCode]] = {
    RefusalCode.HOUSEHOLD_NOTICE: RefusalCode.NOTICE_IN_PROCESS,
    RefusalCode.CHARACTER_PENDING: RefusalCode.CHARACTERS,
    RefusalCode.TEXT_TOO_LONG: RefusalCode.CHARACTERS,
    RefusalCode.TOO_MANY_SHEETS: RefusalCode.CHARACTERS,
    RefusalCode.DAY_CHANGED: RefusalCode.CHANGED_MEANWHILE,
    RefusalCode.NO_FAMILY_REGISTER: RefusalCode.NOT_AVAILABLE,
    RefusalCode.NOT_REGISTERED_FOR_USE: RefusalCode.NOT_LINKED,
    RefusalCode.REGISTRATION_IN_PROCESS: RefusalCode.NOTICE_IN_PROCESS,
    RefusalCode.FILING_IN_PROCESS: RefusalCode.NOTICE_IN_PROCESS,
    RefusalCode.PAYMENT_NOT_RECORDED: RefusalCode.NOT_AVAILABLE,
    RefusalCode.NOTHING_BILLED: RefusalCode.NOT_AVAILABLE,
    RefusalCode.NO_VEHICLE: RefusalCode.NOT_AVAILABLE,
    RefusalCode.NO_REMOVED_ENTRY: RefusalCode.NOT_AVAILABLE,
    RefusalCode.NOT_ISSUED: RefusalCode.NOT_AVAILABLE,
}

# Ids are 128-bit random and every step is done once: these come of a repetition or a mix-up, never
# of haste.
ANOMALIES: Final = frozenset(
    {
        RefusalCode.SESSION_REUSED,
        RefusalCode.ORDER_REUSED,
        RefusalCode.ORDER_OVER,
        RefusalCode.OTHER_DOCUMENT,
        RefusalCode.OUTCOME_REUSED,
    }
)

# The city's books and the kiosk's differ about an outcome: telling it again changes nothing, a
# person must look.
DENIALS: Final = frozenset(
    {
        RefusalCode.MALFORMED,
        RefusalCode.TOO_BIG,
        RefusalCode.ORDER_UNKNOWN,
        RefusalCode.OUTCOME_REUSED,
    }
)

# The kiosk as it is now cannot work with this city: out of service until somebody has been there.
UNFIT: Final = frozenset(
    {
        RefusalCode.VERSION,
        RefusalCode.KIOSK_UNKNOWN,
        RefusalCode.KIOSK_REVOKED,
        RefusalCode.KIOSK_EXPIRED,
    }
)

STATUS: Final[Mapping[RefusalCode, int]] = {
    **dict.fromkeys(RefusalCode, 403),  # of a person, a card, a kiosk
    **dict.fromkeys(
        (
            RefusalCode.PROTOCOL_ERROR,
            RefusalCode.MALFORMED,
            RefusalCode.VERSION,
            RefusalCode.DOCUMENT_KEY,
            RefusalCode.NOT_OFFERED,
        ),
        400,
    ),
    **dict.fromkeys((RefusalCode.SESSION_UNKNOWN, RefusalCode.ORDER_UNKNOWN), 404),
    **dict.fromkeys(
        (
            *ANOMALIES,
            RefusalCode.CHANGED_MEANWHILE,
            RefusalCode.DAY_CHANGED,
            RefusalCode.CHALLENGE,
            RefusalCode.UNDERPAID,
        ),
        409,
    ),
    RefusalCode.TOO_BIG: 413,
    RefusalCode.INTERNAL: 500,
    **dict.fromkeys(
        (
            RefusalCode.BUSY,
            RefusalCode.CARD_UNCONFIRMED,
            RefusalCode.CLOSED,
            RefusalCode.MAINTENANCE,
            RefusalCode.NO_RENEWAL,
        ),
        503,
    ),
}
