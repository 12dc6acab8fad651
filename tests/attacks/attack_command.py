"""The generated adversary as a command, `./scripts/attack`: 1 when something came out that should
not have.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attack_bench import Attack
from attempts import Attempt
from campaign import AT_ONCE, BAD, CAUGHT, HARMLESS, LEFT, SPEAKER, Became, Campaign
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from errands import ENTRY_ERRANDS, ERRANDS, FAMILY_ERRANDS, Errand
from stages import AT_THE_DOOR, DOOR_ONLY, STAGES, WEIGHTS

from city import pki
from firmware.sheets.fault import SheetReason

if TYPE_CHECKING:
    from city_bench import Rehearsal

ATTEMPTS = {"kiosk": 200, "door": 1000}


def main(argv: Sequence[str] | None = None) -> int:
    parser = arguments()
    given = parser.parse_args(argv)
    if given.list:
        print_stages()
        return 0
    if given.at == "kiosk" and set(given.stage or ()) & set(DOOR_ONLY):
        parser.error(f"only with --at door: {', '.join(DOOR_ONLY)}")
    if given.at == "kiosk" and given.every_kind:
        parser.error("--every-kind only with --at door")
    began = time.monotonic()
    with campaign(given.at_shiomi) as made:
        prepared = time.monotonic()
        became = list(run(made, given))
    report = summary(became, seed=given.seed, at=given.at, seconds=time.monotonic() - began)
    report["attempts_per_second"] = round(len(became) / (time.monotonic() - prepared), 2)
    print(json.dumps(report, ensure_ascii=False, indent=2) if given.json else table(became, report))
    return 1 if any(one.outcome in BAD for one in became) or not became else 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/attack",
        description="A city that mixes everything up, generated: what of it comes out of the "
        "printer?",
        epilog="An attempt is told as WHO: CERTIFICATE | STAGE | WHAT. The same seed makes the "
        "same attempts.",
    )
    parser.add_argument(
        "--attempts", type=int, metavar="N", help="how many (200; at the door 1000)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of what is drawn (1)")
    parser.add_argument(
        "--at",
        choices=("kiosk", "door"),
        default="kiosk",
        help="kiosk: whole journeys over TLS (the default); door: what the kiosk checks of a "
        "document, alone",
    )
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        help="attempts whose name has this text, or fits this regular expression: of those "
        "drawn, else of all",
    )
    parser.add_argument(
        "--stage",
        choices=(*STAGES, "pair"),
        action="append",
        help="only this stage; may be repeated",
    )
    parser.add_argument(
        "--every-kind",
        action="store_true",
        help="at the door: one attempt of every kind first; then as many as --attempts says, or "
        "no others",
    )
    for name, errands, what in (
        ("--families", FAMILY_ERRANDS, "certificates of family registers"),
        ("--entries", ENTRY_ERRANDS, "tax payments, vehicles, removed entries"),
    ):
        parser.add_argument(
            name,
            action="store_const",
            const=errands,
            dest="at_shiomi",
            help=f"{what}, at the second city",
        )
    parser.add_argument("--list", action="store_true", help="show the stages, and end")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser


@contextmanager
def campaign(at_shiomi: tuple[Errand, ...] | None = None) -> Iterator[Campaign]:
    """A city of its own, in a folder of its own. `at_shiomi`: errands at the second city."""
    from city_bench import AKASHI, CITY_FILES, Authority, Rehearsal

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keys = pki.make(folder / "pki", kiosks=(*AT_ONCE, SPEAKER))
        key = generate_private_key(65537, 2048)
        file = CITY_FILES["shiomi"] if at_shiomi else AKASHI
        city: Rehearsal = Rehearsal(folder, keys, Authority(), key, city_file=file)
        made = Campaign(Attack(city, folder), at_shiomi or ERRANDS)
        try:
            yield made
        finally:
            made.close()
            city.city.engine.dispose()


def stages_of(given: argparse.Namespace) -> list[str]:
    return given.stage or list(AT_THE_DOOR if given.at == "door" else WEIGHTS)


def run(made: Campaign, given: argparse.Namespace) -> Iterator[Became]:
    if given.every_kind:
        yield from made.every_kind(given.seed, stages_of(given))
        if given.attempts is None:
            return
    attempts = chosen(made, given)
    if given.at == "kiosk":
        yield from made.at_the_kiosk(attempts)
        return
    for attempt in attempts:
        yield made.at_the_door(attempt)


def chosen(made: Campaign, given: argparse.Namespace) -> list[Attempt]:
    stages = stages_of(given)
    count = given.attempts or ATTEMPTS[given.at]
    drawn = made.draw(count, given.seed, stages)
    if given.only is None:
        return drawn
    named = [attempt for attempt in drawn if fits(given.only, attempt)]
    return (
        named or [attempt for attempt in made.all_of(stages) if fits(given.only, attempt)][:count]
    )


def fits(pattern: str, attempt: Attempt) -> bool:
    if pattern in attempt.name:
        return True
    try:
        return re.search(pattern, attempt.name) is not None
    except re.error:
        return False


def summary(became: Sequence[Became], **more: Any) -> dict[str, Any]:
    count = Counter(one.outcome for one in became)
    caught = Counter(one.by for one in became if one.outcome == CAUGHT)
    reasons = {reason.value for reason in SheetReason}
    kinds: dict[str, dict[str, int]] = {}
    for one in became:
        of_stage = kinds.setdefault(one.attempt.stage, Counter({"attempts": 0}))
        of_stage["attempts"] += 1
        of_stage[one.outcome] += 1
    return {
        "attempts": len(became),
        "wrong_sheets": count["WRONG SHEET"],
        "caught": count[CAUGHT],
        "harmless": count[HARMLESS],
        "left": count[LEFT],
        "failed": sum(count[outcome] for outcome in BAD),
        "by_reason": dict(caught.most_common()),
        "by_kind": {stage: dict(found) for stage, found in sorted(kinds.items())},
        "reasons_reached": len(reasons & caught.keys()),
        "reasons_total": len(reasons),
        "unreached": sorted(reasons - caught.keys()),
        "failures": [
            {"name": one.attempt.name, "outcome": one.outcome, "by": one.by}
            for one in became
            if one.outcome in BAD
        ],
        **{
            key: round(value, 1) if isinstance(value, float) else value
            for key, value in more.items()
        },
    }


def table(became: Sequence[Became], report: dict[str, Any]) -> str:
    lines = [
        f"{'stage':22} {'attempts':>8} {'caught':>7} {'harmless':>9} {'left':>5} {'failed':>7}"
    ]
    for stage, found in report["by_kind"].items():
        failed = sum(found.get(outcome, 0) for outcome in BAD)
        numbers = (
            found["attempts"],
            found.get(CAUGHT, 0),
            found.get(HARMLESS, 0),
            found.get(LEFT, 0),
            failed,
        )
        lines.append(
            f"{stage:22} {numbers[0]:8} {numbers[1]:7} {numbers[2]:9} {numbers[3]:5} {numbers[4]:7}"
        )
    lines += ["", "caught by"]
    lines += [f"{count:8} {reason}" for reason, count in report["by_reason"].items()]
    lines += [
        "",
        f"{report['reasons_reached']} of {report['reasons_total']} reasons reached; not: "
        + (", ".join(report["unreached"]) or "none"),
        *(
            f"{one.outcome}: {one.attempt.name}\n    {one.by}"
            for one in became
            if one.outcome in BAD
        ),
        f"seed {report['seed']}, at the {report['at']}: "
        f"{report['attempts']} attempts in {report['seconds']} s, "
        f"{report['wrong_sheets']} wrong sheets, {report['caught']} caught, "
        f"{report['harmless']} harmless, "
        f"{report['left']} where the person left, {report['failed']} failed",
    ]
    return "\n".join(lines)


def print_stages() -> None:
    for stage, make in STAGES.items():
        print(f"{stage:22} {(make.__doc__ or '').strip()}")
    print(f"{'pair':22} Two attempts of the stages before on one answer.")


if __name__ == "__main__":
    sys.exit(main())
