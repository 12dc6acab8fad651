"""`kiosk cash` is for the operator's money: count, refill, empty, close, daily sheet (日計表).

Exit status 0: done as asked. 1: done, and there is a difference. 2: not done, and the line says
why.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from firmware.ledger import day as days
from firmware.ledger import sheet
from firmware.ledger.accounts import BOX, NAMES, SIGN, VALUES, Title, place_name
from firmware.ledger.acts import LedgerError
from firmware.ledger.journey import LedgerEntry
from firmware.ledger.ledger import Ledger
from firmware.ledger.units import Beside
from firmware.service import till
from firmware.service.config import Config, ConfigError, load
from firmware.service.devices import printer
from firmware.service.entry import JournalBroken
from firmware.service.paper_desk import PaperDesk
from firmware.service.slips import day_slip, look
from firmware.texts.texts import Texts
from firmware.tools.diagnose.system import Listener, who_listens
from hal.faults import DeviceFault

CONFIG = Path("/etc/madoguchi/kiosk.toml")
WELL, DIFFERENT, WRONG = 0, 1, 2
RUNNING = "稼働中の窓口が機器を使用しています。先に止めてください: systemctl stop madoguchi-kiosk"
REASONS = (till.TillError, LedgerError, ConfigError, JournalBroken, OSError)
ACTS = {
    till.COUNT: "実査",
    till.REFILL: "補充",
    till.EMPTIED: "回収",
}
Coins = tuple[str, dict[int, int]]


class CashError(Exception):
    """One line for the operator."""


def main(argv: Sequence[str] | None = None) -> int:
    logging.getLogger().addHandler(logging.NullHandler())  # what drivers log is said here anyway
    given = _parser().parse_args(argv)
    try:
        return int(given.run(given, load(given.config)))
    except DeviceFault as fault:
        why = f"{fault.device}: {fault.reason.value} {fault.detail}".strip()
    except (*REASONS, CashError) as error:
        why = str(error)
    sys.stderr.write(f"kiosk cash: {why}\n")
    return WRONG


# -- the command line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk cash", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _action(actions, "show", _show, "what must be in the machine now, beside what the units say")
    for name, kind, what in (
        (
            "count",
            till.COUNT,
            "実査: what lies in each place; a difference is posted and opens a case",
        ),
        ("refill", till.REFILL, "補充: coins put into a hopper"),
        ("empty", till.EMPTIED, "回収: all coins taken out of a place, as counted outside"),
    ):
        action = _action(actions, name, _act, what)
        action.set_defaults(kind=kind)
        action.add_argument(
            "coins", nargs="+", type=_coins, metavar="PLACE:YENxCOINS[,…]", help="box:100x23,500x4"
        )
    close = _action(actions, "close", _close, "日締め: end the day, with the next number")
    close.add_argument(
        "--no-units", action="store_true", help="beside a running kiosk: the units are not asked"
    )
    _outputs(close)
    report = _action(
        actions, "report", _report, "日計表: of a close, of a day, or since the last close"
    )
    which = report.add_mutually_exclusive_group()
    which.add_argument("--number", type=int, metavar="N", help="of close N")
    which.add_argument(
        "--day", type=date.fromisoformat, metavar="YYYY-MM-DD", help="of a day in Japan"
    )
    _outputs(report)
    return parser


def _action(actions: Any, name: str, run: Callable[..., int], what: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=what, description=what)
    parser.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)
    return parser


def _outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", type=Path, metavar="FILE", help="a new file, for a spreadsheet")
    parser.add_argument("--print", action="store_true", help="on the receipt printer")


def _coins(text: str) -> Coins:
    """ "box:100x23,500x4", "hopper-3:10x50", "box:" for nothing in it."""
    place, mark, rest = text.partition(":")
    coins: dict[int, int] = {}
    for part in filter(None, rest.split(",")):
        found = re.fullmatch(r"(\d{1,3})x(\d{1,6})", part)
        if found is None or int(found[1]) not in VALUES or int(found[1]) in coins:
            raise argparse.ArgumentTypeError(f"{part!r}: YENxCOINS, once each, of {VALUES}")
        coins[int(found[1])] = int(found[2])
    if not mark:
        raise argparse.ArgumentTypeError(f"{text!r}: PLACE:YENxCOINS")
    return place, coins


# -- acts


def _need_devices(config: Config) -> None:
    """Coins must not move meanwhile; a device serves one program at a time. Raises CashError."""
    if who_listens(config) is not Listener.NOBODY:
        raise CashError(RUNNING)


def _act(given: argparse.Namespace, config: Config) -> int:
    _need_devices(config)
    places = dict(given.coins)
    if len(places) != len(given.coins):
        raise CashError("a place is named twice")
    written = till.act(config, given.kind, places)
    if given.json:
        print(json.dumps([asdict(one) for one in written]))
    else:
        for one in written:
            yen = sum(value * coins for value, coins in places[one.place].items())
            print(f"{ACTS[given.kind]}　{place_name(one.place)}　{yen:,}円{_difference(one)}")
    return DIFFERENT if any(one.difference for one in written) else WELL


def _difference(one: till.Written) -> str:
    return f"　過不足 {one.difference:+,}円　案件 {one.case}" if one.difference else ""


def _units(config: Config) -> list[Beside] | None:
    """None while a kiosk holds them. Raises DeviceFault."""
    if who_listens(config) is not Listener.NOBODY:
        return None
    return till.ask_units(config, Ledger.of(till.read(config), till.layout(config.cash)))


def _show(given: argparse.Namespace, config: Config) -> int:
    ledger = Ledger.of(till.read(config), till.layout(config.cash))
    units = _units(config)
    if given.json:
        balances = [
            {**asdict(account), "yen": yen} for account, yen in sorted(ledger.balances().items())
        ]
        seen = None if units is None else [asdict(one) for one in units]
        print(json.dumps({"balances": balances, "units": seen}, ensure_ascii=False))
    else:
        _print_balances(ledger, config)
        _print_units(units)
    return DIFFERENT if any(one.yen for one in units or ()) else WELL


def _print_balances(ledger: Ledger, config: Config) -> None:
    cash = ledger.cash()
    for place, value in till.places(config.cash).items():
        for coin in (value,) if place != BOX else VALUES:
            yen = sum(y for a, y in cash.items() if (a.part, a.value) == (place, coin))
            print(f"{place_name(place)}　{coin}円　{yen // coin:,}枚　{yen:,}円")
    balances = ledger.balances()
    for title in Title:
        balance = SIGN[title] * sum(yen for a, yen in balances.items() if a.title is title)
        print(f"{NAMES[title]}　{balance:,}円")


def _print_units(units: Sequence[Beside] | None) -> None:
    if units is None:
        print("機器照合　未実施（稼働中）")
    for one in units or ():
        difference = (
            f"　差額 {one.yen:+,}円{f'　案件 {one.case}' if one.case else ''}" if one.yen else ""
        )
        place = f"{place_name(one.place)}　{one.value}円"
        print(f"機器照合　{place}　帳簿 {one.books:,}枚　{one.what}{difference}")


# -- the day


def _close(given: argparse.Namespace, config: Config) -> int:
    if not given.no_units or given.print:
        _need_devices(config)
    units = None if given.no_units else _units(config)
    closed = till.close(config, units or [])
    day = days.closed_day(till.read(config), closed.number, till.layout(config.cash))
    return _hand_out(given, config, day, units)


def _report(given: argparse.Namespace, config: Config) -> int:
    if given.print:
        _need_devices(config)
    return _hand_out(given, config, _day(given, till.read(config), config), None)


def _day(given: argparse.Namespace, entries: list[LedgerEntry], config: Config) -> days.Day:
    layout = till.layout(config.cash)
    if given.number is not None:
        return days.closed_day(entries, given.number, layout)
    if given.day is not None:
        return days.calendar_day(entries, given.day, layout)
    return days.open_day(entries, layout)


def _hand_out(
    given: argparse.Namespace, config: Config, day: days.Day, units: Sequence[Beside] | None
) -> int:
    """On the screen, and where else it was asked for."""
    head = sheet.head(day, config.kiosk.id)
    rows = sheet.rows(day, _certificates(), units)
    if given.json:
        report = {
            **asdict(head),
            "first": day.first,
            "last": day.last,
            "rows": [asdict(row) for row in rows],
        }
        print(json.dumps(report, ensure_ascii=False))
    else:
        print(sheet.text(head, rows), end="")
    if given.csv:
        with given.csv.open("x", encoding="utf-8", newline="") as file:
            file.write(sheet.csv_text(head, rows))
    if given.print:
        _print_day(config, head, rows)
    return DIFFERENT if day.found or any(one.yen for one in units or ()) else WELL


def _print_day(config: Config, head: sheet.Head, rows: Sequence[sheet.DayRow]) -> None:
    receipts = printer("receipts", config.receipts)
    try:
        desk = PaperDesk(receipts, receipts)
        if trouble := desk.receipts_trouble():
            raise CashError(f"日計表を印字できません: {trouble}")
        if not desk.print_slip(day_slip(head, rows, look(config))):
            raise CashError(
                "日計表を印字できませんでした。report --number でもう一度印字してください。"
            )
    finally:
        receipts.close()


def _certificates() -> Mapping[str, str]:
    texts = Texts.load("ja")
    return {
        key.removeprefix("kind."): texts.get(key) for key in texts.known if key.startswith("kind.")
    }
