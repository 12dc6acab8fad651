"""What can be asked of the gateway, each with what it is asked with, what it answers and when it
refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from city import handlers, ordering, outcomes, releasing, renewal, sessions
from city.handlers import City
from firmware.link import messages
from firmware.link.messages import RefusalCode
from firmware.link.refusals import UNFIT

Work = Callable[[City, Any, Any], messages.Message]
# With these every path may refuse.
ANY: Final = (
    RefusalCode.PROTOCOL_ERROR,
    RefusalCode.MALFORMED,
    RefusalCode.TOO_BIG,
    RefusalCode.INTERNAL,
    RefusalCode.BUSY,
    *sorted(UNFIT),
)
# With these where a customer asks for something: each is shown on the panel.
CUSTOMER: Final = (
    RefusalCode.CLOSED,
    RefusalCode.MAINTENANCE,
    RefusalCode.CARD_REVOKED,
    RefusalCode.CARD_EXPIRED,
    RefusalCode.CARD_INVALID,
    RefusalCode.CARD_UNCONFIRMED,
    RefusalCode.CARD_NOT_CONTINUED,
    RefusalCode.CARD_TOO_NEW,
    RefusalCode.PHONE_NOT_ACCEPTED,
    RefusalCode.NOT_LINKED,
    RefusalCode.MOVED_OUT,
    RefusalCode.NOTICE_IN_PROCESS,
    RefusalCode.HOUSEHOLD_NOTICE,
    RefusalCode.UNDER_15,
    RefusalCode.NOT_AVAILABLE,
    RefusalCode.SEAL_NOT_REGISTERED,
    RefusalCode.SEAL_DEREGISTERED,
    RefusalCode.NO_FAMILY_REGISTER,
    RefusalCode.NOT_REGISTERED_FOR_USE,
    RefusalCode.REGISTRATION_IN_PROCESS,
    RefusalCode.FILING_IN_PROCESS,
    RefusalCode.PAYMENT_NOT_RECORDED,
    RefusalCode.NOTHING_BILLED,
    RefusalCode.NO_VEHICLE,
    RefusalCode.NO_REMOVED_ENTRY,
    RefusalCode.NOT_ISSUED,
    RefusalCode.NO_TAX_RETURN,
    RefusalCode.TAXED_ELSEWHERE,
    RefusalCode.NOT_RESIDENT_ON_JANUARY_1,
    RefusalCode.YEAR_NOT_YET,
    RefusalCode.CHARACTERS,
    RefusalCode.CHARACTER_PENDING,
    RefusalCode.TEXT_TOO_LONG,
    RefusalCode.TOO_MANY_SHEETS,
    RefusalCode.CHANGED_MEANWHILE,
    RefusalCode.DAY_CHANGED,
)


@dataclass(frozen=True)
class Path:
    """`refuses`: besides ANY. `work` is given whose certificate was shown; with `certificate`, the
    certificate.
    """

    request: type[messages.Message]
    answer: type[messages.Message]
    work: Work
    refuses: tuple[RefusalCode, ...]
    summary: str
    certificate: bool = False


PATHS: Final[Mapping[str, Path]] = {
    "hello": Path(
        request=messages.Hello,
        answer=messages.Terms,
        work=handlers.hello,
        refuses=(),
        summary=(
            "What holds now, and a challenge for one session. Asked again while the kiosk waits."
        ),
    ),
    "sessions": Path(
        request=messages.SessionRequest,
        answer=messages.SessionAnswer,
        work=sessions.open_session,
        refuses=(
            *CUSTOMER,
            RefusalCode.CHALLENGE,
            RefusalCode.DOCUMENT_KEY,
            RefusalCode.SESSION_REUSED,
        ),
        summary="Who is there, proven by the card's signature; what this person may have.",
    ),
    "orders": Path(
        request=messages.OrderRequest,
        answer=messages.OrderAnswer,
        work=ordering.order,
        refuses=(
            *CUSTOMER,
            RefusalCode.SESSION_UNKNOWN,
            RefusalCode.NOT_OFFERED,
            RefusalCode.ORDER_REUSED,
            RefusalCode.ORDER_OVER,
        ),
        summary=(
            "The choice; the document comes back, sealed and signed. The same order again has the "
            "same answer."
        ),
    ),
    "release": Path(
        request=messages.ReleaseRequest,
        answer=messages.ReleaseAnswer,
        work=releasing.release,
        refuses=(
            RefusalCode.MAINTENANCE,
            RefusalCode.CHANGED_MEANWHILE,
            RefusalCode.SESSION_UNKNOWN,
            RefusalCode.ORDER_UNKNOWN,
            RefusalCode.OTHER_DOCUMENT,
            RefusalCode.ORDER_OVER,
            RefusalCode.UNDERPAID,
        ),
        summary="Money is in: may paper come out? Yes is said once.",
    ),
    "cancel": Path(
        request=messages.CancelRequest,
        answer=messages.Done,
        work=releasing.cancel,
        refuses=(RefusalCode.SESSION_UNKNOWN,),
        summary="The person left, or time ran out. Can be repeated.",
    ),
    "outcome": Path(
        request=messages.Outcome,
        answer=messages.Done,
        work=outcomes.outcome,
        refuses=(RefusalCode.ORDER_UNKNOWN, RefusalCode.OUTCOME_REUSED),
        summary=(
            "What came of it, from the kiosk's journal. Repeated until accepted, and counted once."
        ),
    ),
    "renew": Path(
        request=messages.RenewRequest,
        answer=messages.RenewAnswer,
        work=renewal.renew,
        refuses=(RefusalCode.NO_RENEWAL,),
        summary="A new certificate for the kiosk, on the strength of the one it has.",
        certificate=True,
    ),
}
