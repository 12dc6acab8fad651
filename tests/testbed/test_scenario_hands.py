"""What is wrong at a real bench, or with the hands at it, is one line."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.scenario.command import main, on_bench
from testbed.scenario.hands import ACTS, HandsGaveUp, PersonHands, ProgramHands
from testbed.scenario.real_bench import NoBench, find_bench
from testbed.scenario_file import Script

INKAN = Path(__file__).parents[1] / "scenarios/inkan.toml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a kiosk that does not run, and has no payment terminal."""
    made = prepare(FOLDER, tmp_path / "run")
    return made.kiosk_toml


def test_what_is_not_there_is_one_line(config: Path) -> None:
    bench = find_bench(config, ProgramHands("true"))
    for script, why in (
        (Script(title="x", steps=(), cashless=True), r"has no \[cashless\]"),
        (Script(title="x", steps=(), defect="no-epoch"), "run --on wires only"),
        (Script(title="x", steps=()), "start the kiosk"),
    ):
        with pytest.raises(NoBench, match=why) as told:
            asyncio.run(on_bench([(Path("a.toml"), script)], bench))
        assert str(told.value).startswith("a.toml: ")
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--on", "bench"], 2, "--config"),
        (["--config", "x.toml"], 2, "--on bench"),
        (["--hands", "true"], 2, "--hands goes with --on bench"),
        (["--on", "bench", "--config", "none.toml"], 2, "none.toml"),
    ],
)
def test_options_that_do_not_go_together(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        ended = main([str(INKAN), *words])
    except SystemExit as end:
        ended = int(end.code or 0)
    assert ended == code
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_hands_that_are_no_program() -> None:
    with pytest.raises(HandsGaveUp, match="nowhere: No such file"):
        asyncio.run(ProgramHands("/nowhere").do("card", "taro"))


@pytest.mark.parametrize("act", [act for act in ACTS if act != "pin"])
@pytest.mark.parametrize("answer", ["\n", "n\n", ""])
def test_a_person_is_asked(
    act: str, answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody there to answer is a no."""
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"readline": lambda _: answer})())
    asked = PersonHands().do(act, "this", "that")
    if answer == "\n":
        asyncio.run(asked)
    else:
        with pytest.raises(HandsGaveUp):
            asyncio.run(asked)
    assert "this that" in capsys.readouterr().err
