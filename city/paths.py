"""What can be asked of the gateway, each with what it is asked with, what it answers and when it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from city import handlers, renewal
from city.handlers import City
from firmware.link import messages as m
from firmware.link.messages import RefusalCode as R
from firmware.link.refusals import UNFIT

Work = Callable[[City, Any, Any], m.Message]
ANY: Final = (R.PROTOCOL_ERROR, R.MALFORMED, R.TOO_BIG, R.INTERNAL, R.BUSY, *sorted(UNFIT))
PERSON: Final = tuple(code for code in R if list(R).index(code) < list(R).index(R.BUSY))


@dataclass(frozen=True)
class Path:
    """`refuses`: besides ANY. `work` is given whose certificate was shown; with `certificate`, the certificate."""

    request: type[m.Message]
    answer: type[m.Message]
    work: Work
    refuses: tuple[R, ...]
    says: str
    certificate: bool = False


PATHS: Final[Mapping[str, Path]] = {
    "hello": Path(
        m.Hello,
        m.Terms,
        handlers.hello,
        (),
        "What holds now, and a challenge for one session. Asked again while the kiosk waits.",
    ),
    "sessions": Path(
        m.SessionRequest,
        m.SessionAnswer,
        handlers.open_session,
        (*PERSON, R.CHALLENGE, R.DOCUMENT_KEY, R.SESSION_REUSED),
        "Who is there, proven by the card's signature; what this person may have.",
    ),
    "orders": Path(
        m.OrderRequest,
        m.OrderAnswer,
        handlers.order,
        (*PERSON, R.SESSION_UNKNOWN, R.NOT_OFFERED, R.ORDER_REUSED, R.ORDER_OVER),
        "The choice; the document comes back, sealed and signed. The same order again has the same answer.",
    ),
    "release": Path(
        m.ReleaseRequest,
        m.ReleaseAnswer,
        handlers.release,
        (
            R.MAINTENANCE,
            R.CHANGED_MEANWHILE,
            R.SESSION_UNKNOWN,
            R.ORDER_UNKNOWN,
            R.OTHER_DOCUMENT,
            R.ORDER_OVER,
            R.UNDERPAID,
        ),
        "Money is in: may paper come out? Yes is said once.",
    ),
    "cancel": Path(
        m.CancelRequest,
        m.Done,
        handlers.cancel,
        (R.SESSION_UNKNOWN,),
        "The person left, or time ran out. Can be repeated.",
    ),
    "outcome": Path(
        m.Outcome,
        m.Done,
        handlers.outcome,
        (R.ORDER_UNKNOWN, R.OUTCOME_REUSED),
        "What came of it, from the kiosk's journal. Repeated until accepted, and counted once.",
    ),
    "renew": Path(
        m.RenewRequest,
        m.RenewAnswer,
        renewal.renew,
        (R.NO_RENEWAL,),
        "A new certificate for the kiosk, on the strength of the one it has.",
        certificate=True,
    ),
}
