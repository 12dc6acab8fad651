"""Which hopper paid: told from the commands and what was left, however a payout ends."""

from __future__ import annotations

from itertools import product

import pytest

import hal.cash.hopper
from firmware.ledger.accounts import UNKNOWN_HOPPER, Account, Title
from firmware.ledger.payouts import MOST_COINS, DispenseCommand, coins_out, out_of_hoppers

VALUES = {5: 100, 4: 50, 3: 10}


def pay(
    amount: int, holds: dict[int, int], stops: int, most: int
) -> tuple[list[DispenseCommand], list[int], int]:
    """As the driver does it, `most` coins a command: commands, coins, the rest; hopper `stops` is
    asked last.
    """
    commands, out, rest = [], [], amount
    for address, value in VALUES.items():
        left = holds[address]
        while due := min(rest // value, most):
            coins = min(due, left)
            commands.append(DispenseCommand(address, value, due))
            out.append(coins)
            rest -= coins * value
            left -= coins
            if coins < due:
                break
        if address == stops:
            break
    return commands, out, rest


MOST = (20, 1)  # coins a command: as configured, and in single coin mode
HELD = (0, 1, 3, 8, 25, 50)


@pytest.mark.parametrize("most", MOST)
@pytest.mark.parametrize("amount", range(0, 1000, 10))
def test_every_coin_is_known(amount: int, most: int) -> None:
    for hundreds, fifties, tens, stops in product((0, 1, 4, 9), (0, 1, 3, 9), HELD, VALUES):
        commands, out, rest = pay(amount, {5: hundreds, 4: fifties, 3: tens}, stops, most)
        moved = out_of_hoppers(commands, amount, amount - rest)
        assert sum(moved.values()) == rest - amount
        told = coins_out(commands, amount, amount - rest)
        assert all(known in (None, truth) for known, truth in zip(told, out, strict=True))
        if amount < 200 and most == MOST[0]:
            assert told == out, "one command for each hopper: then everything is known"
            assert Account(Title.CASH, UNKNOWN_HOPPER) not in moved


def test_the_most_that_one_command_asks_for_is_the_drivers() -> None:
    assert hal.cash.hopper.MOST_COINS == MOST_COINS


def test_what_two_ways_explain_nobody_can_tell() -> None:
    """80 of 250 yen: eight tens and no fifty, or one fifty and three tens."""
    commands = [DispenseCommand(5, 100, 2), DispenseCommand(4, 50, 5), DispenseCommand(3, 10, 20)]
    assert coins_out(commands, 250, 80) == [0, None, None]
    assert out_of_hoppers(commands, 250, 80) == {Account(Title.CASH, UNKNOWN_HOPPER): -80}
    assert coins_out(commands, 250, 0) == [0, 0, 0]


def test_a_hopper_that_was_asked_again_had_paid_all() -> None:
    """290 yen in tens, of which one command may ask for twenty."""
    commands = [DispenseCommand(3, 10, 20), DispenseCommand(3, 10, 9)]
    assert coins_out(commands, 290, 290) == [20, 9]
    assert coins_out(commands, 290, 240) == [20, 4]


def test_a_payout_without_commands_left_some_hopper() -> None:
    assert out_of_hoppers([], 300, 200) == {Account(Title.CASH, UNKNOWN_HOPPER): -200}


def test_commands_that_do_not_explain_it_do_not_hide_it() -> None:
    moved = out_of_hoppers([DispenseCommand(5, 100, 2)], 500, 500)
    assert moved == {
        Account(Title.CASH, "hopper-5", 100): -200,
        Account(Title.CASH, UNKNOWN_HOPPER): -300,
    }
