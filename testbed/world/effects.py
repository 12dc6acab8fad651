"""What becomes of the world: by an answer, by a hand, and by a command that goes out.

An effect takes the world before and the event or command, and returns the world after. The tables
of answers.py and happenings.py say which effect each of them has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firmware.flow import commands, events
from testbed.world.state import Order, World

Effect = Callable[[World, Any], World]

# -- small ones


def change_nothing(world: World, _: object) -> World:
    return world


def set_fields(**values: Any) -> Effect:
    """These fields get these values."""

    def effect(world: World, _: object) -> World:
        return world._replace(**values)

    return effect


def add(field: str, of: str) -> Effect:
    """As much is added to the field as the event says in `of`."""

    def effect(world: World, event: events.Event) -> World:
        return world._replace(**{field: getattr(world, field) + getattr(event, of)})

    return effect


def do_both(first: Effect, second: Effect) -> Effect:
    def effect(world: World, event: object) -> World:
        return second(first(world, event), event)

    return effect


# -- by what happens

insert_coin = add("inserted", "value")
insert_unexpected_coin = do_both(insert_coin, set_fields(extra=True))


def return_coin(world: World, _: events.CoinReturned) -> World:
    expected = world.slot and not world.waiting(commands.StopCoins)
    return world._replace(extra=world.extra or not expected)


def fail_payout(world: World, event: events.PayoutFailed) -> World:
    uncertain = 0 if event.certain else event.amount - event.paid
    return world._replace(
        returned=world.returned + event.paid, unreported=world.unreported + uncertain
    )


def check_document(world: World, event: events.DocumentChecked) -> World:
    return world._replace(
        sheets=event.sheets,
        fee=event.fee,
        printed=0,
        bought=Order(event.sheets, event.copies, event.fee),
    )


def release(world: World, event: events.Released) -> World:
    return world._replace(released=event.document)


def print_sheet(world: World, event: events.SheetPrinted) -> World:
    return world._replace(printed=event.sheet)


# -- by commands

forget_document = set_fields(sheets=0, fee=0, released="", printed=0)
forget_card = do_both(forget_document, set_fields(verified=False, opened=False))


def report(world: World, command: commands.ReportOutcome) -> World:
    return world._replace(at_city=False, kept=command.kept)


def open_case(world: World, command: commands.OpenCase) -> World:
    held = command.code.startswith(("cashless.", "reversal."))
    return world._replace(
        case_due=world.case_due and not command.pauses,
        paused=world.paused or command.pauses,
        case_held=world.case_held or held,
    )
