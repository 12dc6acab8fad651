"""Which hopper the coins of a payout came from, by what the journal says of its commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from firmware.ledger.accounts import UNKNOWN_HOPPER, Account, Amounts, Title, added, hopper

MOST_COINS = 20  # that the kiosk asks one hopper for at once; one in single coin mode


@dataclass(frozen=True)
class DispenseCommand:
    """`coins` of `value` yen, by the hopper at `address`; `events`: its own counter before."""

    address: int
    value: int
    coins: int
    events: int = 0


def coins_out(commands: Sequence[DispenseCommand], amount: int, paid: int) -> list[int | None]:
    """How many coins each command moved, when `paid` of `amount` yen left the hoppers. None: nobody
    can tell.

    A command asks for as many coins of its value as what is left allows, or for the most that one
    command may. Of the last one nobody can see which; so everything that it may have moved is
    tried, and what explains the sum counts.
    """
    if not commands:
        return []
    last, rest = commands[-1], amount - paid
    tried = (
        [*_earlier(commands, rest + moved * last.value), moved] for moved in range(last.coins + 1)
    )
    found = [out for out in tried if _explains(commands, out, amount, paid)]
    if not found:
        # commands are missing in the journal: what stands there is taken for what it says
        moved = max(last.coins - rest // last.value, 0)
        found = [[*_earlier(commands, rest + moved * last.value), moved]]
    return [ways[0] if len(set(ways)) == 1 else None for ways in zip(*found, strict=True)]


def _explains(
    commands: Sequence[DispenseCommand], out: Sequence[int], amount: int, paid: int
) -> bool:
    """So much was paid, and each command asked for what was left before it, or for the most that
    one may.
    """
    most = MOST_COINS if any(command.coins > 1 for command in commands) else 1
    left = amount
    for command, moved in zip(commands, out, strict=True):
        if command.coins != min(left // command.value, most):
            return False
        left -= moved * command.value
    return left == amount - paid


def _earlier(commands: Sequence[DispenseCommand], rest: int) -> list[int]:
    """What all but the last command moved, when `rest` yen were left before the last one.

    A hopper that was asked again had paid all that it was asked before. Of any other, what was left
    behind its command tells how many of the coins had not come: they would have fitted into it.
    """
    out: list[int] = []
    for place, command in reversed(list(enumerate(commands[:-1]))):
        asked_again = any(later.address == command.address for later in commands[place + 1 :])
        moved = command.coins if asked_again else max(command.coins - rest // command.value, 0)
        out.insert(0, moved)
        rest += moved * command.value
    return out


def out_of_hoppers(commands: Sequence[DispenseCommand], amount: int, paid: int) -> Amounts:
    """`paid` of `amount` yen certainly left the hoppers. What no command explains left one."""
    moved = zip(commands, coins_out(commands, amount, paid), strict=True)
    coins = added(
        {Account(Title.CASH, hopper(command.address), command.value): -(count or 0) * command.value}
        for command, count in moved
    )
    unknown = paid + sum(coins.values())
    return added([coins, {Account(Title.CASH, UNKNOWN_HOPPER): -unknown}])
