"""The status of an IPP answer (RFC 8011, appendix B): its name, and what it means for a sheet."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from hal.faults import Reason
from hal.printer.ipp_message import UNSUPPORTED_GROUP, IppResponse, IppTrouble

OK: Final = 0x0000
SUBSTITUTED: Final = 0x0001
FIRST_ERROR: Final = 0x0400
NOT_FOUND, GONE = 0x0406, 0x0407
BUSY: Final = 0x0507  # nothing was taken, ask again

# A printer says these of a request's head, before it has looked at a document: none was taken.
OF_THE_HEAD: Final = {
    0x0400: "client-error-bad-request",
    0x0401: "client-error-forbidden",
    0x0402: "client-error-not-authenticated",
    0x0403: "client-error-not-authorized",
    0x0409: "client-error-request-value-too-long",
    0x040A: "client-error-document-format-not-supported",
    0x040B: "client-error-attributes-or-values-not-supported",
    0x040D: "client-error-charset-not-supported",
    0x040E: "client-error-conflicting-attributes",
    0x040F: "client-error-compression-not-supported",
    0x041C: "client-error-account-info-needed",
    0x041D: "client-error-account-closed",
    0x041E: "client-error-account-limit-reached",
    0x041F: "client-error-account-authorization-failed",
    0x0501: "server-error-operation-not-supported",
    0x0503: "server-error-version-not-supported",
    0x0506: "server-error-not-accepting-jobs",
    0x0507: "server-error-busy",
    0x0509: "server-error-multiple-document-jobs-not-supported",
}
# These may come in the middle of a document, with paper under way: a job that a person cancels at
# the printer is not found, or nothing is possible with it.
LATE: Final = {
    0x0001: "successful-ok-ignored-or-substituted-attributes",
    0x0002: "successful-ok-conflicting-attributes",
    0x0404: "client-error-not-possible",
    0x0405: "client-error-timeout",
    0x0406: "client-error-not-found",
    0x0407: "client-error-gone",
    0x0408: "client-error-request-entity-too-large",
    0x0410: "client-error-compression-error",
    0x0411: "client-error-document-format-error",
    0x0412: "client-error-document-access-error",
    0x0500: "server-error-internal-error",
    0x0502: "server-error-service-unavailable",
    0x0504: "server-error-device-error",
    0x0505: "server-error-temporary-error",
    0x0508: "server-error-job-canceled",
}
# Nothing but another configuration, of the kiosk or of the printer, helps against these.
TO_CONFIGURE: Final = frozenset(
    {0x0401, 0x0402, 0x0403, 0x0406, 0x0407, 0x040A, 0x040B, 0x040D, 0x0501, 0x0503}
    | set(range(0x041C, 0x0420))
)


class Declined(IppTrouble):
    """The printer answered that it did not do what it was asked. `job`: and yet it names a job."""

    def __init__(self, status: int, job: bool = False) -> None:
        super().__init__(named(status))
        self.status = status
        self.took_nothing = status in OF_THE_HEAD and not job
        if status == BUSY:
            self.reason = Reason.BUSY
        elif status in TO_CONFIGURE:
            self.reason = Reason.CONFIGURATION


def named(status: int) -> str:
    name = OF_THE_HEAD.get(status) or LATE.get(status) or "a status that is not known"
    return f"{name} ({status:#06x})"


def changed(answer: IppResponse, ticket: Set[str]) -> str:
    """What the printer would do otherwise than the ticket says, or "".

    Attributes that it passes over and that are not of the sheet change nothing. One that tells no
    names may change anything.
    """
    if answer.status == OK:
        return ""
    passed_over = set(answer.first(UNSUPPORTED_GROUP))
    if answer.status == SUBSTITUTED and passed_over and not passed_over & ticket:
        return ""
    wrong = ", ".join(sorted(passed_over & ticket))
    return f"{named(answer.status)}{': ' + wrong if wrong else ''}"
