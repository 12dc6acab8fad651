"""`kiosk city use register|end|show`: cards of people who are in a family register here and live
elsewhere (利用登録).

Names, dates and addresses are read from standard input, never from the command line, where a shell
and the list of processes would keep them; nothing of them is printed or logged.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from city import cards, municipality, use_registration
from city.cards import CardRefused
from city.clock import starting
from city.config import Config, load
from city.database import Mode
from city.use_registration import Application, NotRegistered
from city.work import work

# What is asked, in the order of the form that applicants fill in.
QUESTIONS: Final = {
    "domicile": "本籍",
    "head": "筆頭者の氏名",
    "name": "申請者の氏名",
    "birth": "生年月日 (YYYY-MM-DD)",
    "address": "現住所",
}


def main(argv: Sequence[str]) -> int:
    """0; 1 with one line when the card is not registered. Raises ConfigError, DatabaseError."""
    parser = argparse.ArgumentParser(
        prog="kiosk city use",
        description="Cards of people who live elsewhere (利用登録). A clerk has looked at the "
        "card's face and at the person.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, run, text in (
        ("register", _register, "take this card; asks for the person's data on standard input"),
        ("end", _end, "take it no more"),
        ("show", _show, "from which day it is taken"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("--config", required=True, type=Path, metavar="FILE")
        action.add_argument("--card", required=True, type=Path, metavar="CERT.pem")
        action.set_defaults(run=run)
    given = parser.parse_args(argv)
    do: Callable[[Config, Path], str] = given.run
    try:
        sys.stdout.write(f"{do(load(given.config), given.card)}\n")
    except (NotRegistered, CardRefused) as refused:
        sys.stderr.write(f"city: {refused}\n")
        return 1
    return 0


def _register(config: Config, card: Path) -> str:
    """The certificate is checked as a gateway checks it; whether it is revoked is asked whenever it
    is used.
    """
    now = starting(config.clock.start)()
    authorities = cards.load_authorities(config.cards.ca, config.cards.allow_test)
    mark = cards.check_certificate(authorities, cards.read_der(card), now).fingerprint
    city = municipality.load(config.gateway.city)
    asked = _asked()

    def take(connection: Connection) -> use_registration.Registered:
        return use_registration.register(connection, city, now, mark, asked)

    made = work(config, Mode.DECIDE, take)
    others = f"; {made.replaced} other card taken no more" if made.replaced else ""
    return f"{mark}: taken from {made.holds_from}{others}"


def _end(config: Config, card: Path) -> str:
    now = starting(config.clock.start)()
    mark, _ = cards.read_card(card)
    work(config, Mode.DECIDE, lambda connection: use_registration.end(connection, now, mark))
    return f"{mark}: taken no more"


def _show(config: Config, card: Path) -> str:
    now = starting(config.clock.start)()
    mark, _ = cards.read_card(card)
    city = municipality.load(config.gateway.city)

    def look(connection: Connection) -> date:
        return use_registration.holds_from(connection, city, now, mark)

    return f"{mark}: taken from {work(config, Mode.READ, look)}"


def _asked() -> Application:
    """Raises NotRegistered for a date that is none."""
    answers: dict[str, str] = {}
    for name, question in QUESTIONS.items():
        if sys.stdin.isatty():
            sys.stderr.write(f"{question}: ")
            sys.stderr.flush()
        answers[name] = sys.stdin.readline().strip()
    try:
        birth = date.fromisoformat(answers.pop("birth"))
    except ValueError:
        raise NotRegistered(use_registration.Reason.NO_SUCH_ENTRY) from None
    return Application(birth=birth, **answers)
