"""A scenario that is wrong is one line: file, line, step counted from one, and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hal.sim.breakage import FAULTS
from testbed.scenario_file import VERBS, BadScript, Step, load

GOOD = 'title = "x"\nsteps = [\n  { see = "menu" },\n  { touch = "start" },\n  %s\n]\n'
VARIANT = """
[[variants]]
at = "%s"
steps = [
  { touch = "cancel" },
  { %s },
]
"""


def told_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "journey.toml"
    path.write_text(text)
    with pytest.raises(BadScript) as bad:
        load(path)
    told = str(bad.value)
    assert told.startswith(str(path))
    assert "\n" not in told
    return told.removeprefix(str(path))


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (
            '{ fault = "paper-our" },',
            ":5: step 3, fault: no fault 'paper-our' is known"
            " (nearest: paper-out; one of: reader-lost, ",
        ),
        ('{ heal = "earthquake" },', ":5: step 3, heal: no fault 'earthquake' is known (one of: "),
        (
            '{ fault = "card-flaw:rubish" },',
            ":5: step 3, fault: fault 'card-flaw': which: 'rubish' is not possible"
            " (nearest: rubbish; one of: reissued, ",
        ),
        (
            '{ fault = "card-chunk:300" },',
            "fault 'card-chunk': bytes: '300' is not possible (bytes: 0 to 255)",
        ),
        ('{ fault = "paper-out:5" },', "it takes no argument, and '5' was given"),
        (
            '{ see = "certificate" },',
            ":5: step 3, see: no screen 'certificate' is known (nearest: certificates; one of: ",
        ),
        (
            '{ wait = "limits" },',
            ":5: step 3, wait: Invalid enum value 'limits'"
            " (nearest: limit; one of: limit, remind, noticed, shut)",
        ),
        (
            '{ tuch = "start" },',
            ":5: step 3, tuch: Object contains unknown field `tuch`"
            " (nearest: touch; one of: touch, slip, pin,",
        ),
        ('{ coin = "100" },', ":5: step 3, coin: Expected `int | null`, got `str`"),
        ('{ touch = "a", coin = 10 },', ":5: step 3: a step needs one verb of touch, slip,"),
        ('{ touch = "a", coin = 10 },', "it has touch and coin"),
        ("{ },", ":5: step 3: a step needs one verb"),
        ('{ touch = "a", says = "b" },', ":5: step 3: facts and says belong to see"),
        (
            '{ see = "pin", facts = { n = [1,\n2] } }, { fault = "x" },',
            ":6: step 4, fault: no fault",
        ),
        ("{{", ":5: "),
    ],
)
def test_a_mistake_says_where_it_is(tmp_path: Path, step: str, told: str) -> None:
    assert told in told_of(tmp_path, GOOD % step)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (VARIANT % ("menu", 'coin = "x"'), ":12: variant 1, step 2, coin: Expected"),
        (VARIANT % ("menu", 'fault = "x"'), ":12: variant 1, step 2, fault: no fault 'x'"),
        (VARIANT % ("menue", "coin = 10"), ":9: variant 1, at: no step of the file sees 'menue'"),
        (VARIANT % ("menue", "coin = 10"), "(nearest: menu; one of: menu)"),
        ("[expect]\nsheet = 1\n", ":8: expect, sheet: Object contains unknown field `sheet`"),
        ("[expect]\nsheet = 1\n", "(nearest: sheets; one of: sheets, receipts,"),
        ("[expect]\nsheets = true\n", ":8: expect, sheets: Expected `int`"),
    ],
)
def test_so_does_one_behind_the_steps(tmp_path: Path, text: str, told: str) -> None:
    assert told in told_of(tmp_path, GOOD % '{ card = "taro" },' + text)


def test_what_is_no_file_of_text(tmp_path: Path) -> None:
    with pytest.raises(BadScript, match="No such file"):
        load(tmp_path / "none.toml")
    path = tmp_path / "journey.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadScript, match="no text in UTF-8"):
        load(path)


def test_a_good_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journey.toml"
    path.write_text(GOOD % '{ card = "taro" },')
    assert len(load(path)[0].steps) == 3


def test_every_verb_of_a_step_is_explained() -> None:
    assert set(VERBS) == set(Step.__struct_fields__) - {"facts", "says"}


def test_every_fault_can_be_written_as_a_step(tmp_path: Path) -> None:
    """With the argument that is usual, written out, and without."""
    path = tmp_path / "journey.toml"
    for name, fault in FAULTS.items():
        usual = f":{fault.argument.default}" if fault.argument else ""
        steps = f'{{ fault = "{name}" }}, {{ fault = "{name}{usual}" }}, {{ heal = "{name}" }},'
        path.write_text(GOOD % steps)
        assert len(load(path)[0].steps) == 5
