"""When each command may go out, by the world's own account and not by the permits'."""

from __future__ import annotations

from firmware.flow import commands
from firmware.flow.session import Presence
from testbed.world.state import DEAD, DOCUMENT, HERE, NOW, World

# What is asked while nobody is served.
OF_NOBODY = (commands.FetchTerms, commands.CheckHealth)


def is_forbidden(world: World, command: commands.Command, stay: str = HERE) -> bool:
    """Whether it must not go out now. `stay`: the card that lies there."""
    match command:
        case commands.ReadCard() | commands.Authenticate():
            return world.card is not Presence.PRESENT or command.stay != stay
        case commands.OpenSession():
            return not (_card_is_absent(world) and world.verified)
        case commands.PlaceOrder():
            return not (_card_is_absent(world) and world.opened and not world.sheets)
        case commands.AcceptCoins():
            return not _may_accept_coins(world, command)
        case commands.Charge():
            return not _may_charge(world, command)
        case commands.ReleaseOrder():
            return not _may_release(world, command)
        case commands.PrintSheet():
            return not _may_print(world, command)
        case commands.PayOut():
            return not _may_pay_out(world, command)
        case commands.Reverse():
            return not _may_reverse(world, command)
        case commands.PrintReceipt():
            return not world.complete
        case commands.PrintClaim():
            return not 0 < command.owed <= _held(world)
        case commands.ReportOutcome():
            return not world.release_asked
        case commands.OpenTechnician():
            return not _is_nobodys(world)
    return False


def _may_accept_coins(world: World, command: commands.AcceptCoins) -> bool:
    return (
        _card_is_absent(world) and world.sheets > 0 and not world.release_asked and command.due > 0
    )


def _may_charge(world: World, command: commands.Charge) -> bool:
    already_paid_for = (
        world.charging
        or world.doubted
        or world.charged > world.reversed
        or world.release_asked
        or world.slot
    )
    return (
        _card_is_absent(world)
        and world.sheets > 0
        and command.document == DOCUMENT
        and command.epoch != DEAD
        and command.amount == world.fee > 0
        and not already_paid_for
    )


def _may_release(world: World, command: commands.ReleaseOrder) -> bool:
    return (
        _card_is_absent(world)
        and world.sheets > 0
        and command.document == DOCUMENT
        and command.epoch != DEAD
        and _is_paid(world)
        and not world.slot
    )


def _may_print(world: World, command: commands.PrintSheet) -> bool:
    # An epoch that has just begun is above NOW until the step is over.
    printing = any(ask.kind is commands.PrintSheet and ask.epoch >= NOW for ask in world.asks)
    return (
        _card_is_absent(world)
        and _is_paid(world)
        and command.document == DOCUMENT == world.released
        and command.epoch != DEAD
        and command.sheet == world.printed + 1 <= world.sheets
        and not printing
    )


def _may_pay_out(world: World, command: commands.PayOut) -> bool:
    most = min(_held(world), world.inserted - world.returned)
    return 0 < command.amount <= most and not world.slot and not world.waiting(commands.PayOut)


def _may_reverse(world: World, command: commands.Reverse) -> bool:
    most = min(_held(world), world.charged - world.reversed)
    return 0 < command.amount <= most and not world.waiting(commands.Charge, commands.Reverse)


def _is_nobodys(world: World) -> bool:
    """No card, no person and no money: nothing that a technician could see or disturb."""
    of_somebody = (
        world.pin or world.verified or world.opened or world.at_city or world.sheets or world.slot
    )
    asked = any(ask.kind not in OF_NOBODY for ask in world.asks)
    money = world.taken or world.inserted or world.charging
    return world.card is not Presence.PRESENT and not (of_somebody or asked or money)


def _card_is_absent(world: World) -> bool:
    return world.card is Presence.ABSENT


def _is_paid(world: World) -> bool:
    return world.taken - world.doubted >= world.fee


def _held(world: World) -> int:
    """What the machine and the terminal have certainly got, without what is sold."""
    return world.inserted - world.gone + world.charged - world.reversed - world.sold
