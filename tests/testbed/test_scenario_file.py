"""A scenario that is wrong is one line: file, line, step counted from one, and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed.scenario_file import BadScript, load

GOOD = 'title = "x"\nsteps = [\n  { see = "menu" },\n  { touch = "start" },\n  %s\n]\n'


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (
            '{ fault = "earthquake" },',
            ":5: Invalid enum value 'earthquake' - at `$.steps[3].fault`",
        ),
        ('{ fault = "earthquake" },', "(one of: line-cut, line-stall, reader-lost,"),
        ('{ tuch = "start" },', ":5: Object contains unknown field `tuch` - at `$.steps[3]`"),
        ('{ tuch = "start" },', "(one of: touch, slip, pin,"),
        ('{ coin = "100" },', "at `$.steps[3].coin`"),
        ('{ touch = "a", coin = 10 },', "step 3 needs one verb"),
        ("{ },", "step 3 needs one verb"),
        ("{{", "Invalid"),
    ],
)
def test_a_mistake_says_where_it_is(tmp_path: Path, step: str, told: str) -> None:
    path = tmp_path / "journey.toml"
    path.write_text(GOOD % step)
    with pytest.raises(BadScript, match=re.escape(told)):
        load(path)


def test_a_good_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journey.toml"
    path.write_text(GOOD % '{ card = "taro" },')
    assert len(load(path)[0].steps) == 3
