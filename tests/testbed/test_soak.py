"""The fit of the soak test: what grows is told from what varies."""

from __future__ import annotations

import random
from subprocess import PIPE, Popen

import pytest

from testbed.soak import LEAST, LIMITS, WARM_UP, Samples, _life, fit

COUNT = WARM_UP + 200
LIFE = 40  # residents


def samples(growth: float, noise: float, in_a_life: float = 0.0) -> Samples:
    """In multiples of each limit; what grows in a life is gone with it."""
    chance = random.Random(4)
    return Samples(
        {
            name: [
                100 + limit.most * (growth * n + in_a_life * (n % LIFE) + chance.gauss(0, noise))
                for n in range(COUNT)
            ]
            for name, limit in LIMITS.items()
        },
        [str(n // LIFE) for n in range(COUNT)],
    )


def test_a_straight_line_is_found() -> None:
    line = fit([5 + 0.25 * n for n in range(LEAST)])
    assert line.slope == pytest.approx(0.25)
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
    assert samples(growth, noise).judged()["within_limits"] is within


@pytest.mark.parametrize("name", LIMITS)
def test_one_that_grows_is_enough(name: str) -> None:
    given = samples(0, 1)
    given.of[name] = samples(2, 1).of[name]
    found = given.judged()
    assert not found["within_limits"]
    assert [one for one, told in found["measures"].items() if not told["within"]] == [name]


def test_what_fills_caches_at_first_does_not_count() -> None:
    given = samples(0, 0)
    given.of["memory"][:WARM_UP] = [float(n) for n in range(WARM_UP)]
    assert given.judged()["within_limits"]


@pytest.mark.parametrize(("in_a_life", "within"), [(0.8, True), (1.3, False)])
def test_what_grows_in_each_life_and_is_gone_with_it_is_growth(
    in_a_life: float, within: bool
) -> None:
    found = samples(0, 5, in_a_life).judged()
    assert found["within_limits"] is within
    every = [one["a_resident"]["slope"] / one["limit"] for one in found["measures"].values()]
    assert max(every) < 1, "it is not seen over all of them"


def test_a_program_that_executes_itself_anew_has_another_life() -> None:
    script = "echo; read _; exec sh -c 'echo; read _'"
    with Popen(("sh", "-c", script), stdin=PIPE, stdout=PIPE) as shell:
        assert shell.stdin and shell.stdout
        shell.stdout.readline()
        before, still = _life(shell.pid), _life(shell.pid)
        shell.stdin.write(b"\n")
        shell.stdin.flush()
        shell.stdout.readline()
        after = _life(shell.pid)
        shell.stdin.close()
    assert before == still != after
