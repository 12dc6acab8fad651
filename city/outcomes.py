"""The outcome of an order, as the kiosk's journal has it: counted once, and compared with what the
city knows of the order.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from city import cases, journals, registry
from city.handlers import City, Refused, require, seconds
from firmware.link import messages
from firmware.link.messages import RefusalCode


def outcome(city: City, kiosk: str, message: messages.Outcome) -> messages.Done:
    repeatable = replace(message, journal=None)  # repeated, it comes with a later head
    body = msgspec.json.encode(repeatable, order="deterministic")

    def settle(connection: Connection) -> None:
        order = registry.brief_of(connection, message.order, hold=True)
        if order is None or order.kiosk != kiosk or order.session != message.session:
            raise Refused(RefusalCode.ORDER_UNKNOWN)
        if not registry.add_outcome(connection, message.outcome, message.order, kiosk, body):
            known = registry.outcome_of(connection, message.outcome)
            require(known == repeatable, RefusalCode.OUTCOME_REUSED)
            return
        if message.journal and not journals.keep(connection, kiosk, message.journal):
            cases.open_case(connection, cases.JOURNAL_BEHIND, seconds(city.clock()), kiosk=kiosk)
        if message.result is not messages.Result.PRINTED:
            registry.void(connection, message.order)
        city.log(
            connection,
            "outcome",
            kiosk=kiosk,
            order=message.order,
            outcome=message.outcome,
            state=order.state,
            result=message.result.value,
            sheets=message.sheets,
            kept=message.kept,
            returned=message.returned,
            owed=message.owed,
            held=message.held,
        )
        for code in _anomalies(order, message):
            cases.open_case(
                connection,
                code,
                seconds(city.clock()),
                kiosk=kiosk,
                session=message.session,
                order=message.order,
                outcome=message.outcome,
            )

    city.step(settle)
    return messages.Done(accepted=True)


def _anomalies(order: registry.Order, outcome: messages.Outcome) -> Iterator[str]:
    """What a kiosk reports of an order that does not fit what the city knows of it: codes
    of cases.
    """
    if outcome.result is messages.Result.PRINTED:
        if order.state != "issued":
            yield cases.PRINTED_UNISSUED
        if outcome.sheets != order.sheets:
            yield "sheets-mismatch"
        if outcome.kept != order.fee:
            yield "money-mismatch"
    else:
        if outcome.sheets > order.sheets:
            yield "sheets-mismatch"
        # Copies that came out before a failure are paid for: never more than the sheets that are
        # out are worth.
        if outcome.kept * order.sheets > order.fee * outcome.sheets:
            yield "money-mismatch"
    if outcome.held:
        yield "money-held"
    if outcome.result is messages.Result.UNKNOWN:
        yield "outcome-unknown"
