"""Whether a manifest is that of this very order, and whether what was shown before it is what the
signed terms say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from firmware.link.form_terms import FAMILY_FORMS, Current, FormTerms, current
from firmware.link.messages import (
    PROTOCOL,
    Manifest,
    OrderRequest,
    SessionAnswer,
    Terms,
    request_sha256,
)
from firmware.sheets import era
from firmware.sheets.fault import SheetFault, SheetReason


@dataclass(frozen=True)
class Ordered:
    """What this session knows for itself. `days`: the first and the last on which the document can
    be made out.
    """

    kiosk: str
    card_sha256: str
    request: OrderRequest
    session: SessionAnswer = field(repr=False)
    days: tuple[date, date]


def check_notices(terms: FormTerms, stated: Terms, day: date) -> None:
    """The menu, which nobody signed, says what the signed terms say of that day.
    Raises SheetFault.
    """
    if stated.city != terms.city:
        raise SheetFault(SheetReason.TERMS)
    for notice in stated.certificates:
        try:
            now = current(terms, notice.kind, day)
        except LookupError:
            raise SheetFault(SheetReason.TERMS) from None
        if (notice.title, notice.fee) != (now.form.title, now.fee):
            raise SheetFault(SheetReason.TERMS)


def check_binding(ordered: Ordered, manifest: Manifest) -> None:
    """A manifest whose signature holds is that of this very order. Raises SheetFault."""
    request, session = ordered.request, ordered.session
    bindings = (
        (manifest.protocol, PROTOCOL, SheetReason.PROTOCOL),
        (manifest.kiosk, ordered.kiosk, SheetReason.KIOSK),
        (manifest.session, request.session, SheetReason.SESSION),
        (session.session, request.session, SheetReason.SESSION),
        (manifest.order, request.order, SheetReason.ORDER),
        (manifest.card_sha256, ordered.card_sha256, SheetReason.CARD),
        (manifest.request_sha256, request_sha256(request), SheetReason.REQUEST),
        (manifest.kind, request.kind, SheetReason.KIND),
        (manifest.copies, request.copies, SheetReason.COPIES),
        (manifest.record_version, session.record_version, SheetReason.RECORD_VERSION),
        (len(manifest.codes), manifest.content.pages, SheetReason.PAGE_COUNT),
    )
    for stated, known, reason in bindings:
        if stated != known:
            raise SheetFault(reason)


def day_of_issue(ordered: Ordered, manifest: Manifest) -> date:
    """As the manifest writes it, within the days of the order. Raises SheetFault."""
    try:
        day = era.read(manifest.content.issued_on)
    except ValueError:
        raise SheetFault(SheetReason.DATE) from None
    if not ordered.days[0] <= day <= ordered.days[1]:
        raise SheetFault(SheetReason.DATE)
    return day


def check_offer(ordered: Ordered, now: Current, manifest: Manifest) -> None:
    """What was offered on the screen is what the signed terms say. Raises SheetFault."""
    offer = next((o for o in ordered.session.offers if o.kind == manifest.kind), None)
    if offer is None or offer.title != now.form.title:
        raise SheetFault(SheetReason.TITLE)
    if offer.family is not (now.form.form in FAMILY_FORMS):
        raise SheetFault(SheetReason.MEMBERS)  # the screen named other people
    if offer.fee != now.fee or manifest.fee != now.fee * manifest.copies:
        raise SheetFault(SheetReason.FEE)
    if manifest.copies > now.form.copies:
        raise SheetFault(SheetReason.COPIES)
