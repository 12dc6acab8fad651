"""Which events are written down before anything else gets them, and as what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from firmware.flow import events

ENTRIES: Mapping[
    type[events.Event], Callable[[Any, str], tuple[str, dict[str, str | int | bool]]]
] = {
    events.CardAuthenticated: lambda v, _: ("authenticated", {"card": v.card}),
    events.DocumentChecked: lambda v, order: (
        "checked",
        {
            "order": order,
            "document": v.document,
            "sheets": v.sheets,
            "copies": v.copies,
            "fee": v.fee,
        },
    ),
    events.CoinInserted: lambda v, _: ("coin", {"value": v.value, "counter": v.counter}),
    events.CoinsStopped: lambda v, _: ("coin-counter", {"counter": v.counter, "open": False}),
    events.Charged: lambda v, _: ("charge-done", {"amount": v.amount, "reference": v.transaction}),
    events.ChargeDeclined: lambda v, _: (
        "charge-failed",
        {"amount": v.amount, "result": "declined"},
    ),
    events.ChargeUnknown: lambda v, _: ("charge-failed", {"amount": v.amount, "result": "unknown"}),
    events.Reversed: lambda v, _: ("reversal-done", {"amount": v.amount}),
    events.ReverseFailed: lambda v, _: (
        "reversal-failed",
        {"amount": v.amount, "result": "refused" if v.certain else "unknown"},
    ),
    events.Released: lambda v, order: ("released", {"order": order, "document": v.document}),
    events.SheetPrinted: lambda v, _: ("sheet-done", {"sheet": v.sheet}),
    events.SheetFailed: lambda v, _: (
        "sheet-failed",
        {"sheet": v.sheet, "reason": v.reason, "certain": v.certain},
    ),
    events.PaidOut: lambda v, _: ("payout-done", {"amount": v.amount}),
    events.PayoutFailed: lambda v, _: (
        "payout-failed",
        {"amount": v.amount, "paid": v.paid, "reason": v.reason},
    ),
}
