"""An order issued for good, and a session ended: each is decided in one transaction, which locks
what it relies on.
"""

from __future__ import annotations

from sqlalchemy import Connection

from city import cases, files, registry, rules
from city.handlers import City, Refused, require, seconds
from firmware.link import messages
from firmware.link.messages import RefusalCode


def release(city: City, kiosk: str, message: messages.ReleaseRequest) -> messages.ReleaseAnswer:
    now = city.clock()
    # An order that exists is finished also when the kiosk was taken from its site meanwhile.
    data = city.data.seen_by(kiosk) or city.data

    def decide(connection: Connection) -> RefusalCode | None:
        session, order = registry.ordered(
            connection, message.session, kiosk, seconds(now), message.order
        )
        if session is None:
            return RefusalCode.SESSION_UNKNOWN
        if order is None or order.session != session.session:
            return RefusalCode.ORDER_UNKNOWN
        if order.document_sha256 != message.document_sha256:
            return RefusalCode.OTHER_DOCUMENT
        if order.state != "reserved":
            return RefusalCode.ORDER_OVER
        if message.paid < order.fee:
            return RefusalCode.UNDERPAID
        if cases.paused(connection, hold=True).stops(kiosk, order.kind):
            registry.void(connection, order.order)
            return RefusalCode.MAINTENANCE
        file = files.file_of(connection, session.card, hold=True)
        if (
            file is None
            or file.version != order.record_version
            or rules.person_refusal(data, now, file)
        ):
            registry.void(connection, order.order)
            return RefusalCode.CHANGED_MEANWHILE
        if not registry.issue(connection, order.order, session.session, message.document_sha256):
            return RefusalCode.ORDER_OVER
        city.log(
            connection,
            "issued",
            kiosk=kiosk,
            session=session.session,
            order=order.order,
            paid=message.paid,
        )
        return None

    code = city.step(decide)  # returned, not raised: a void must be kept
    if code:
        raise Refused(code)
    return messages.ReleaseAnswer(
        order=message.order, document_sha256=message.document_sha256, released=True
    )


def cancel(city: City, kiosk: str, message: messages.CancelRequest) -> messages.Done:
    def end(connection: Connection) -> bool:
        order = (
            registry.reserved_of(connection, message.session, kiosk) if message.rejected else None
        )
        ours = registry.end_session(connection, message.session, kiosk, seconds(city.clock()))
        # The kiosk has stopped itself; whether the kind must stop is for a person to say.
        if ours and message.rejected:
            which = {"kind": order.kind, "order": order.order} if order else {}
            cases.open_case(
                connection,
                cases.DOCUMENT_REJECTED,
                seconds(city.clock()),
                kiosk=kiosk,
                session=message.session,
                **which,
            )
            city.log(
                connection,
                "document-rejected",
                session=message.session,
                reason=message.rejected,
                **which,
            )
        city.log(
            connection, "ended" if ours else "end-refused", kiosk=kiosk, session=message.session
        )
        return ours

    require(city.step(end), RefusalCode.SESSION_UNKNOWN)
    return messages.Done(accepted=True)
