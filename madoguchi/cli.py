"""`kiosk`: every program of the house behind one command. What a command needs is imported when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import TypeAlias

Run = Callable[[argparse.Namespace], int]
Group: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
FAILED = 2

# Programs with options of their own: command, module whose main(argv) it is (or module:function), what it does.
FORWARDED: dict[tuple[str, ...], tuple[str, str]] = {
    ("sim", "card"): ("hal.sim.card.command", "lay a card on a reader"),
    ("sim", "printer"): ("hal.sim.printer", "an ESC/POS printer that draws what it gets"),
    ("sim", "coins"): ("hal.sim.coins.program", "a ccTalk coin unit on a pty"),
    ("sim", "speaker"): ("madoguchi.hearing", "a speaker that writes down what is said"),
    ("city", "migrate"): ("city.command:migrate", "bring the database's schema up to this build's"),
    ("city", "audit"): ("city.command:audit", "verify the log"),
    ("city", "cases"): ("city.command:cases", "anomalies at the city's end"),
    ("city", "kiosks"): ("city.kiosk_command", "whose certificates the gateways take"),
    ("city", "openapi"): ("city.kiosk_command:describe", "the gateway's own description"),
    ("demo",): ("madoguchi.demo", "the whole rehearsal, with the dock or with --auto"),
    ("scenario",): ("madoguchi.scenario.command", "run journeys from files"),
    ("model-check",): ("madoguchi.proof.command", "explore the whole journey, and say what holds"),
    ("load",): ("madoguchi.load.command", "many kiosks at once on the line, and a judge of what they hold"),
    ("walks",): ("madoguchi.walks.command", "long random walks over the whole system, and what does not hold"),
    ("browser",): ("madoguchi.browser", "the panel's browser on a board, one for each resident"),
    ("measure",): ("madoguchi.measure", "start-up, idling, memory, lines of code"),
    ("measure-line",): ("madoguchi.measure_line", "round trips, bytes and times of the line, beside curl"),
    ("voice",): ("madoguchi.voice", "record everything the kiosk can say, once"),
    ("bench-card",): ("madoguchi.bench_card", "what a session with a card costs, beside other programs"),
    ("card-check",): ("madoguchi.card_check", "a card on a PC/SC reader, step by step"),
    ("diagnose",): ("madoguchi.diagnose", "check each configured device"),
}


class CommandError(Exception):
    """One line for the person at the terminal."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all went well, otherwise 1 or 2 and one line on stderr. Never a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        for command, (program, _) in FORWARDED.items():
            if tuple(words[: len(command)]) == command:
                module, _, function = program.partition(":")
                return int(getattr(import_module(module), function or "main")(words[len(command) :]))
        given = _parser().parse_args(words)
        run: Run = given.run
        return run(given)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return FAILED
    except Exception as error:
        if not isinstance(error, OSError) and not _foreseen(error):
            raise
        sys.stderr.write(f"kiosk: {error}\n")
        return FAILED


def _foreseen(error: Exception) -> bool:
    """Whether it is an error of the house, whose text is one line for people."""
    return type(error).__module__.partition(".")[0] in ("firmware", "hal", "city", "madoguchi")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiosk", description="A municipal certificate kiosk, its city and its rehearsal."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run = commands.add_parser("run", help="the kiosk itself")
    _config(run).set_defaults(run=_run)
    city = _city_parser(commands.add_parser("city", help="the city's gateway"))
    _cases_parser(commands.add_parser("cases", help="what an operator has to look into"))
    version = commands.add_parser("version", help="which build this is")
    version.set_defaults(run=_version)
    groups: dict[str, Group] = {"city": city}
    for (group, *rest), (_, text) in FORWARDED.items():
        if not rest:
            commands.add_parser(group, help=text)
            continue
        if group not in groups:
            sub = commands.add_parser(group, help="far ends of the wires, one by one")
            groups[group] = sub.add_subparsers(metavar="DEVICE", required=True)
        groups[group].add_parser(rest[0], help=text)
    return parser


def _config(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="TOML configuration")
    return parser


# --- the kiosk and its cases


def _run(given: argparse.Namespace) -> int:
    from firmware.service.supervisor import main as run

    return run(given.config)


def _cases_parser(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _config(actions.add_parser("list", help="open cases")).set_defaults(run=_list_cases)
    close = _config(actions.add_parser("close", help="close one, with what was found"))
    which = close.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="as `list` shows it")
    which.add_argument("--all", action="store_true", help="every open case")
    close.add_argument("--note", required=True, help="what was found and done; no names")
    close.set_defaults(run=_close_cases)


def _list_cases(given: argparse.Namespace) -> int:
    from firmware.service.cases import list_cases
    from firmware.service.config import load

    cases = list_cases(load(given.config).kiosk.state)
    for case in cases:
        print(*(str(value) for value in vars(case).values() if value not in (None, "")), sep="\t")
    if not cases:
        print("no open case")
    return 0


def _close_cases(given: argparse.Namespace) -> int:
    from firmware.service.cases import close_case, list_cases
    from firmware.service.config import load

    state = load(given.config).kiosk.state
    names = [case.id for case in list_cases(state)] if given.all else [given.id]
    for name in names:
        if not close_case(state, name, given.note):
            raise CommandError(f"no open case {name!r}")
    print(f"{len(names)} closed")
    return 0


# --- the city


def _city_parser(parser: argparse.ArgumentParser) -> Group:
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML configuration")
    parser.set_defaults(run=_city)
    actions = parser.add_subparsers(metavar="ACTION")
    enroll = _config(actions.add_parser("enroll", help="link a card to a resident"))
    enroll.add_argument("--card", required=True, type=Path, metavar="CERT.pem")
    enroll.add_argument("--resident", required=True, metavar="ID")
    enroll.set_defaults(run=_enroll)
    return actions


def _city(given: argparse.Namespace) -> int:
    if given.config is None:
        raise CommandError("city wants --config FILE")
    from city.gateway import main as serve

    return serve(given.config)


def _enroll(given: argparse.Namespace) -> int:
    from city.config import load
    from city.enroll import enroll

    print(enroll(load(given.config), given.card, given.resident))
    return 0


def _version(_: argparse.Namespace) -> int:
    print(f"madoguchi {metadata.version('madoguchi')}")
    return 0
