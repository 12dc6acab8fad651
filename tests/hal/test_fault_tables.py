"""Every fault of every far end has one name, one sentence, and is taken from standard input."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
from dock_bench import make_cards, with_bench

from hal import sim
from hal.sim import console
from hal.sim.bench import Bench
from hal.sim.breakage import FAR_ENDS, FAULTS
from hal.sim.card.faults import ARGUMENTS, SENTENCES
from hal.sim.card.options import CardFaults, Options
from hal.sim.commands import COMMANDS
from hal.sim.console import Act, Console, Refused
from hal.sim.fault import Fault, UnknownFault, find
from hal.sim.printer.faults import OF_RECEIPTS

NO_FAR_END = ("tell",)
# Where each table's far end is at the bench.
AT_BENCH: Mapping[str, Callable[[Bench], Any]] = {
    "card": lambda bench: bench,
    "reader": lambda bench: bench.cable,
    "line": lambda bench: bench.line,
    "printer": lambda bench: bench.sheets,
    "coins": lambda bench: bench.coins,
    "cashless": lambda bench: bench.terminal,
    "key": lambda bench: bench.key,
    "speaker": lambda bench: bench.speaker,
}
ALL = [(far_end, name) for far_end, table in FAR_ENDS.items() for name in table]


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_cards(tmp_path_factory.mktemp("cards"))


def test_every_far_end_that_can_be_run_alone_has_a_table() -> None:
    runnable = {words[1] for words in COMMANDS if words[0] == "sim"} - {*NO_FAR_END}
    assert runnable == FAR_ENDS.keys() == AT_BENCH.keys()


def test_no_table_is_left_out() -> None:
    known = [*FAR_ENDS.values(), FAULTS, OF_RECEIPTS]
    for found in walk_packages(sim.__path__, "hal.sim."):
        if found.name.endswith("__main__"):
            continue
        for name, value in vars(import_module(found.name)).items():
            if isinstance(value, Mapping) and any(isinstance(one, Fault) for one in value.values()):
                assert any(value is table for table in known), f"{found.name}.{name}"


def test_a_name_means_one_thing_and_a_scenario_knows_it() -> None:
    names = [name for table in (*FAR_ENDS.values(), OF_RECEIPTS) for name in table]
    assert len(names) == len(set(names))
    # `paper-out` of one printer must not be `receipt-paper-out` of the other
    assert set(names) == FAULTS.keys()


@pytest.mark.parametrize(("far_end", "name"), ALL)
def test_it_is_explained_in_one_sentence(far_end: str, name: str) -> None:
    fault = FAR_ENDS[far_end][name]
    assert fault.says
    assert fault.says[0] not in " `"
    assert not fault.says.endswith(".")
    assert "\n" not in fault.says
    if fault.argument is not None:
        assert fault.argument.read(fault.argument.default) == fault.argument.usual
        assert fault.argument.read("") == fault.argument.usual
        with pytest.raises(UnknownFault):
            fault.argument.read("earthquake")
        for word in fault.argument.words or ():
            fault.argument.read(word)


def test_every_fault_is_taken_and_healed_by_its_far_end(
    cards: dict[str, Path], tmp_path: Path
) -> None:
    async def test(bench: Bench) -> None:
        for far_end, table in FAR_ENDS.items():
            talk = Console(AT_BENCH[far_end](bench), table, {})
            for name in table:
                assert await talk.obey(f"fault {name}") == "ok", name
                assert await talk.obey(f"heal {name}") == "ok", name
                assert not table[name].holds(AT_BENCH[far_end](bench)), name
        assert not any(bench.state()["faults"].values())

    with_bench(cards, tmp_path / "coins", test)


def test_no_sentence_is_of_a_card_fault_that_is_none() -> None:
    names = {option.name for kind in (CardFaults, Options) for option in fields(kind)}
    assert {*SENTENCES, *ARGUMENTS} <= names


def test_a_mistake_is_one_line_with_what_there_is() -> None:
    async def said() -> list[str]:
        def refuse(_: str) -> str:
            raise Refused("not now")

        talk = Console(object(), {}, {"jump": Act("jump", refuse)})
        lines = ("fault rain", "jmp", "jump", "mend", "help")
        return [await talk.obey(line) for line in lines]

    fault, unknown, refused, done, listed = asyncio.run(said())
    assert fault == "error: no fault 'rain' is known (one of: )"
    assert unknown.startswith("error: no command 'jmp' (nearest: jump; one of: ")
    assert refused == "error: not now"
    assert done == "ok"
    assert {line.split()[0] for line in listed.splitlines()} == {"jump", *console.COMMANDS}


def test_the_nearest_is_named() -> None:
    with pytest.raises(UnknownFault, match=r"\(nearest: coin-jam; one of: "):
        find(FAULTS, "coin-jams")


def programs(folder: Path, card: Path) -> Mapping[str, list[str]]:
    """How each far end is started on its own."""
    anywhere = ["--listen", "127.0.0.1:0"]
    return {
        "card": ["--card", str(card), "--connect", "127.0.0.1:1"],
        "reader": anywhere,
        "line": [*anywhere, "--to", "127.0.0.1:1"],
        "printer": anywhere,
        "coins": ["--link", str(folder / "coins-port")],
        "cashless": ["--link", str(folder / "cashless-port")],
        "key": ["--link", str(folder / "key-port")],
        "speaker": anywhere,
    }


def test_every_far_end_alone_takes_every_fault_of_its_table(
    cards: dict[str, Path], tmp_path: Path
) -> None:
    """On standard input and, of the first, on the socket."""
    with ExitStack() as stack:
        running = {}
        for name, words in programs(tmp_path, next(iter(cards.values()))).items():
            command = [sys.executable, "-m", "firmware.tools", "sim", name, *words]
            running[name] = stack.enter_context(
                subprocess.Popen(
                    [*command, "--control", str(tmp_path / name)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            # One that a failed check leaves at work would be waited for.
            stack.callback(running[name].kill)
        for name, program in running.items():
            assert program.stdin is not None
            assert program.stdout is not None
            faults = [f"fault {fault}" for fault in FAR_ENDS[name]]
            program.stdin.write("\n".join([*faults, "mend", "show", "rain", ""]))
            program.stdin.flush()
            said = []
            while not said or not said[-1].startswith("error: no command"):
                said.append(program.stdout.readline())
                assert said[-1], f"{name} has ended"
            assert said.count("ok\n") == len(faults) + 1, name
            first = next(iter(FAR_ENDS[name]))
            assert console.main([str(tmp_path / name), "fault", first]) == 0
            assert console.main([str(tmp_path / name), "fault", "rain"]) == 1
            assert (tmp_path / name).stat().st_mode & 0o077 == 0
            program.terminate()
        for name, program in running.items():
            assert program.wait() == 0, name
            assert console.main([str(tmp_path / name), "help"]) == 2
