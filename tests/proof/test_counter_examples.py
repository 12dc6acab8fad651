"""A counter-example of the model is a journey on the bench, as far as a bench can go, and says where it cannot."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from madoguchi.demo import FOLDER
from madoguchi.proof import bench, replay
from madoguchi.proof.defects import named
from madoguchi.proof.search import Search
from madoguchi.scenario.command import main
from madoguchi.scenario.script import Script, Step, load

CONFIRMED = (
    "card-absent, terms, health, card-present, card-read 3, digit 4, touch enter, card-authenticated, card-absent, "
    "session-opened plain, touch choose plain, touch confirm"
)
PAYING = f"{CONFIRMED}, document-checked 1 100, printers-ready sensor"
CARD_WHILE_PAYING = "paying goes on with a card"


def script(*labels: str) -> Script:
    return Script(title="found", steps=tuple(Step(happens=label) for label in ", ".join(labels).split(", ")))


def test_acts_and_answers() -> None:
    journey, short = bench.told(script(PAYING, "limit"))
    assert not short
    assert [f"{step.verb} {step.value}" for step in journey.steps if step.verb != "see"] == [
        "card taro",
        "wait noticed",
        "pin right",
        "card off",
        "wait noticed",
        "touch choose:inkan",
        "touch next",
        "touch confirm",
        "wait limit",
    ]


@pytest.mark.parametrize(
    ("labels", "short"),
    [
        (f"{PAYING}, touch cancel, falling-coin 50", "step 16 (falling-coin 50): nobody"),
        (f"{CONFIRMED}, document-checked 1 0, printers-ready sensor, released another", "no far end answers so"),
        (f"{PAYING}, coin 50, coins-stopped", "step 16 (coins-stopped): it can no longer happen"),
        (f"{CONFIRMED}, limit", "step 13 (limit): that long"),
        ("card-absent, terms, health, card-present, card-absent", "step 5 (card-absent): what is asked"),
    ],
)
def test_what_a_bench_cannot_do_is_said(labels: str, short: str) -> None:
    told = bench.told(script(labels))
    assert short in told.short
    assert told.script.steps, "and what it can do until then is done"


def test_an_answer_is_held_back_by_its_wire() -> None:
    free = f"{CONFIRMED}, document-checked 1 0, printers-ready sensor"
    journey, short = bench.told(script(free, "released, card-unknown, card-absent, sheet-printed 1"))
    assert not short
    faults = [(step.fault, step.heal) for step in journey.steps if step.fault or step.heal]
    assert faults == [("printer-slow", None), ("reader-lost", None), (None, "reader-lost"), (None, "printer-slow")]
    assert journey.city["certificates"][0]["fees"][0]["yen"] == 0


@pytest.mark.wires
def test_it_is_replayed_on_the_wires(tmp_path: Path) -> None:
    """On the kiosk, and on the machine that it is of: each shows what its model shows, and they differ."""
    (path,) = Search(named(CARD_WHILE_PAYING).kiosk(), first=True).run().counterexamples.values()
    file = tmp_path / "found.toml"
    file.write_text(replay.scenario(CARD_WHILE_PAYING, path))
    (found,) = load(file)
    assert bench.told(found).script.steps[-1].see == "hold"
    assert bench.told(msgspec.structs.replace(found, defect=CARD_WHILE_PAYING)).script.steps[-1].see == "paying"
    command = [str(file), "--on", "wires", "--folder", str(FOLDER)]
    assert main(command) == 0
    assert main([*command, "--defect", CARD_WHILE_PAYING]) == 0
