"""The fit of the soak test: what grows is told from what varies."""

from __future__ import annotations

import random

import pytest

from testbed.soak import LEAST, LIMITS, WARM_UP, fit, judge

COUNT = WARM_UP + 200


def samples(growth: float, noise: float) -> dict[str, list[float]]:
    """In multiples of each limit."""
    chance = random.Random(4)
    return {
        name: [100 + limit.most * (growth * n + chance.gauss(0, noise)) for n in range(COUNT)]
        for name, limit in LIMITS.items()
    }


def test_a_straight_line_is_found() -> None:
    line = fit([5 + 0.25 * n for n in range(LEAST)])
    assert (line.start, line.slope) == (pytest.approx(5), pytest.approx(0.25))
    assert line.error == pytest.approx(0, abs=1e-9)


def test_its_error_is_that_of_the_textbook() -> None:
    """1, 2, 2, 3: slope 0.6, residual sum 0.2, so sqrt(0.1 / 5)."""
    assert fit([1, 2, 2, 3]).slope == pytest.approx(0.6)
    assert fit([1, 2, 2, 3]).error == pytest.approx((0.1 / 5) ** 0.5)


def test_two_points_are_no_line() -> None:
    with pytest.raises(ValueError, match="three"):
        fit([1, 2])


@pytest.mark.parametrize(
    ("growth", "noise", "within"), [(0, 0, True), (0, 50, True), (0.9, 5, True), (1.3, 5, False)]
)
def test_growth_is_told_from_noise(growth: float, noise: float, within: bool) -> None:
    assert judge(samples(growth, noise))["within_limits"] is within


@pytest.mark.parametrize("name", LIMITS)
def test_one_that_grows_is_enough(name: str) -> None:
    given = samples(0, 1)
    given[name] = samples(2, 1)[name]
    found = judge(given)
    assert not found["within_limits"]
    assert [one for one, told in found["measures"].items() if not told["within"]] == [name]


def test_what_fills_caches_at_first_does_not_count() -> None:
    given = samples(0, 0)
    given["memory"][:WARM_UP] = [float(n) for n in range(WARM_UP)]
    assert judge(given)["within_limits"]
