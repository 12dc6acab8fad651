"""The code of a certificate survives what happens to paper. The whole table: code_rate.py."""

from __future__ import annotations

import pytest
from code_rate import CONDITIONS, Symbol, times_read

TRIALS = 2
ORDINARY = Symbol(version=10, level="m", characters=236, dpi=203, module=5)
FINE = Symbol(version=10, level="m", characters=236, dpi=300, module=7)
SURVIVED = (
    "scan at 150 dpi",
    "blur twice as wide",
    "rotated by 15 degrees, 150 dpi",
    "ink spreads 0.12 mm, 150 dpi",
    "a copy, 150 dpi",
)


@pytest.mark.parametrize("condition", SURVIVED)
@pytest.mark.parametrize("symbol", [ORDINARY, FINE], ids=lambda one: f"{one.dpi}dpi")
def test_the_code_is_read_after(symbol: Symbol, condition: str) -> None:
    assert times_read(symbol, CONDITIONS[condition], TRIALS) == TRIALS


def test_at_203_dpi_it_is_read_from_a_copy_of_a_copy() -> None:
    condition = CONDITIONS["a copy of a copy, 10 degrees, 150 dpi"]
    assert times_read(ORDINARY, condition, TRIALS) == TRIALS


def test_smaller_modules_are_lost_by_a_copier() -> None:
    """The simulation is hard enough to tell sizes apart."""
    small = Symbol(version=10, level="m", characters=236, dpi=203, module=3)
    assert times_read(small, CONDITIONS["a copy, 150 dpi"], TRIALS) == 0
