"""A counter-example of the model is a journey on the wires, as far as they can go, and says where
it cannot.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from testbed.demo import FOLDER
from testbed.model_check import on_wires, replay
from testbed.model_check.defects import find_defect
from testbed.model_check.hunt import find_fault
from testbed.scenario.command import main
from testbed.scenario_file import Script, Step, load

CONFIRMED = (
    "card-absent, terms, health, card-present, card-read 3, digit 4, touch enter, "
    "card-authenticated, card-absent, "
    "session-opened plain, touch choose plain, touch confirm"
)
PAYING = f"{CONFIRMED}, document-checked 1 1 100, printers-ready sensor"
CARD_WHILE_PAYING = "paying goes on with a card"


def script(*labels: str) -> Script:
    return Script(
        title="found", steps=tuple(Step(happens=label) for label in ", ".join(labels).split(", "))
    )


def test_acts_and_answers() -> None:
    journey, short = on_wires.translate(script(PAYING, "limit"))
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
        (
            f"{CONFIRMED}, document-checked 1 1 0, printers-ready sensor, released another",
            "no simulated device answers so",
        ),
        (f"{PAYING}, coin 50, coins-stopped", "step 16 (coins-stopped): it can no longer happen"),
        (f"{CONFIRMED}, limit", "step 13 (limit): that long"),
        (
            "card-absent, terms, health, card-present, card-absent",
            "step 5 (card-absent): what is asked",
        ),
    ],
)
def test_what_the_devices_cannot_do_is_reported(labels: str, short: str) -> None:
    found = on_wires.translate(script(labels))
    assert short in found.short
    assert found.script.steps, "and what it can do until then is done"


def test_an_answer_is_held_back_by_its_wire() -> None:
    free = f"{CONFIRMED}, document-checked 1 1 0, printers-ready sensor"
    journey, short = on_wires.translate(
        script(free, "released, card-unknown, card-absent, sheet-printed 1")
    )
    assert not short
    faults = [(step.fault, step.heal) for step in journey.steps if step.fault or step.heal]
    assert faults == [
        ("printer-slow", None),
        ("reader-lost", None),
        (None, "reader-lost"),
        (None, "printer-slow"),
    ]
    assert journey.city["certificates"][0]["fees"][0]["yen"] == 0


@pytest.mark.wires
def test_it_is_replayed_on_the_wires(tmp_path: Path) -> None:
    """On the kiosk, and on the machine that it is of: each shows what its model shows, and they
    differ.
    """
    (path,) = find_fault(find_defect(CARD_WHILE_PAYING)).counterexamples.values()
    file = tmp_path / "found.toml"
    file.write_text(replay.scenario(CARD_WHILE_PAYING, path))
    (found,) = load(file)
    with_defect = msgspec.structs.replace(found, defect=CARD_WHILE_PAYING)
    assert on_wires.translate(found).script.steps[-1].see == "hold"
    assert on_wires.translate(with_defect).script.steps[-1].see == "paying"
    command = [str(file), "--on", "wires", "--folder", str(FOLDER)]
    assert main(command) == 0
    assert main([*command, "--defect", CARD_WHILE_PAYING]) == 0
