"""`kiosk diagnose` checks each configured device and part: OK, or NG with what to do.

Nothing is printed, paid or changed. The devices are asked through the drivers that the kiosk itself
uses, so the result holds for the kiosk too. A running kiosk holds its devices, and they are not
taken away from it. Each line has a deadline, and is printed as soon as it is known.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from firmware.service.build import build
from firmware.service.config import Config
from firmware.service.exchange_record import read_exchanges
from firmware.service.status import read as read_status
from firmware.tools.diagnose import (
    card,
    coins,
    configuration,
    devices,
    files,
    guided,
    line,
    printers,
    state,
    system,
    trust,
)
from firmware.tools.diagnose.account import Account, account
from firmware.tools.diagnose.finding import Finding, Verdict, as_json, causes
from firmware.tools.diagnose.runner import Task, examined, run

CONFIG: Final = Path("/etc/madoguchi/kiosk.toml")
COLOURS: Final = {
    Verdict.OK: "\x1b[32m",
    Verdict.NG: "\x1b[31m",
    Verdict.NOT_CHECKED: "\x1b[33m",
    Verdict.UNKNOWN: "\x1b[33m",
}
PLAIN: Final = "\x1b[0m"
DEADLINE_S: Final = 14.0
GUIDED: Final = "--guided"
FORMAT: Final = 1  # of the JSON report
EXIT_CODES: Final = """exit codes: 0 all OK; 1 at least one NG; 2 wrong usage; 3 no NG, but
something was not checked or came to no end. With --guided: steps for a person instead
(kiosk diagnose --guided --help)"""


@dataclass(frozen=True)
class Check:
    """`look` returns what was seen, or raises. `exclusive`: only one program at a time can ask this
    device; the name of it in the record of exchanges.
    """

    name: str
    title: str
    look: Callable[[Config], str]
    exclusive: str = ""


CHECKS: Final = (
    Check("panel", "画面のポート", system.panel),
    Check("browser", "画面のブラウザー", system.browser),
    Check("mincho", "証明書の書体", files.mincho),
    Check("gothic", "レシートの書体", files.gothic),
    Check("screen-fonts", "画面の書体", files.screen_fonts),
    Check("recordings", "音声", files.recordings),
    Check("card-ca", "カードの認証局", trust.card_ca),
    Check("issuing-keys", "市の発行鍵", trust.issuing_keys),
    Check("terms-keys", "様式条件の署名鍵", trust.terms_keys),
    Check("state", "状態フォルダー", state.state),
    Check("journal", "取引記録", state.journal),
    Check("names", "機器の名前", devices.names),
    Check("card", "カード読取機", card.card, exclusive="card"),
    Check("sheets", "証明書プリンター", printers.sheets, exclusive="sheets"),
    Check("receipts", "レシートプリンター", printers.receipts, exclusive="receipts"),
    Check("coins", "硬貨装置", coins.coins, exclusive="cash"),
    Check("cashless", "決済端末", devices.cashless, exclusive="cashless"),
    Check("speaker", "スピーカー", devices.speaker, exclusive="speaker"),
    Check("service-key", "保守用の鍵", devices.service_key, exclusive="service_key"),
    Check("exchanges", "機器との交信の記録", devices.exchanges),
    Check("certificate", "回線の証明書", line.certificate),
    Check("city", "市との回線", line.city),
    Check("memory", "メモリー", system.memory),
    Check("clock", "時刻同期", system.clock),
)
FIRST: Final = {"build": "ソフトウェア", "account": "利用者", "configuration": "設定"}
TITLES: Final = FIRST | {check.name: check.title for check in CHECKS}


def diagnose(
    path: Path, names: Sequence[str] = tuple(TITLES), whose: Account | None = None
) -> Iterator[Finding]:
    """One finding after the other, as they come. Never raises."""
    whose = whose or account()
    if "build" in names:
        yield Finding("build", Verdict.OK, build())
    if "account" in names:
        yield examined("account", whose.look)
    found, config = _read(path, whose)
    if "configuration" in names or not found.ok:
        yield found
    if config is not None:
        yield from _check_all(config, names, whose)


def _read(path: Path, whose: Account) -> tuple[Finding, Config | None]:
    """The configuration, where it can be read; and whether the service can read it."""
    config: Config | None = None

    def read() -> str:
        nonlocal config
        config = configuration.read(path)
        return str(path)

    found = examined("configuration", read)
    if found.ok:
        [found] = run(
            [Task("configuration", lambda: examined(found.name, read), DEADLINE_S)], whose
        )
    return found, config


def _check_all(config: Config, names: Sequence[str], whose: Account) -> Iterator[Finding]:
    held = system.who_listens(config) is system.Listener.KIOSK
    chosen = [check for check in CHECKS if check.name in names]
    for check in chosen:
        if held and check.exclusive:
            yield _held(check, config)
    tasks = [_task(check, config) for check in chosen if not (held and check.exclusive)]
    yield from run(tasks, whose)


def _task(check: Check, config: Config) -> Task:
    return Task(check.name, lambda: examine(check, config), DEADLINE_S)


def _held(check: Check, config: Config) -> Finding:
    """The running kiosk is not disturbed: what it says of the device itself is told, and its newest
    exchange with it.
    """
    mine = [e for e in read_exchanges(config.kiosk.state) if e.exchange.device == check.exclusive]
    detail = "held by the running kiosk"
    with suppress(PermissionError):
        status = read_status(config.kiosk.runtime)
        trouble = status.report.devices.get(check.name) if status else None
        if trouble is not None:
            detail += f", which says: {trouble or 'ready'}"
    if mine:
        last = max(mine, key=lambda each: each.last)
        at = datetime.fromtimestamp(last.last, UTC)
        detail += f"; its newest exchange: {last.exchange.result}, {at:%Y-%m-%d %H:%M:%S} UTC"
    cause = causes()["kiosk.running"]
    return Finding(
        check.name, Verdict.NOT_CHECKED, detail, cause.remedy, cause.code, cause.expected
    )


def examine(check: Check, config: Config) -> Finding:
    """In this process. Whatever goes wrong in a check is a finding."""
    return examined(check.name, lambda: check.look(config))


def main(argv: Sequence[str] | None = None) -> int:
    """See `EXIT_CODES`."""
    words = list(sys.argv[1:] if argv is None else argv)
    if GUIDED in words:
        return guided.main([word for word in words if word != GUIDED])
    given = _parser().parse_args(words)
    names = [name for name in TITLES if name not in given.skip]
    if given.only:
        names = [name for name in names if name in given.only]
    logging.getLogger().addHandler(logging.NullHandler())  # the findings hold what drivers log
    to_stdout = given.json == "-"
    began = datetime.now(UTC)
    findings = []
    for finding in diagnose(given.config, names, account(given.user)):
        findings.append(finding)
        if not to_stdout:
            write(finding, sys.stdout)
    if given.json is not None:
        told = json.dumps(report(findings, began), ensure_ascii=False)
        _hand_out(told, given.json)
    if not to_stdout:
        counted = (f"{sum(f.verdict is each for f in findings)} {each}" for each in Verdict)
        seconds = (datetime.now(UTC) - began).total_seconds()
        print(f"{', '.join(counted)} ({seconds:.1f} s)")
    return exit_code(findings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiosk diagnose",
        description="check each configured device and part",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help="default: %(default)s"
    )
    for option, text in (("--only", "these lines only"), ("--skip", "all lines but these")):
        parser.add_argument(
            option,
            nargs="+",
            choices=list(TITLES),
            default=[],
            metavar="LINE",
            help=f"{text}: {', '.join(TITLES)}" if option == "--only" else text,
        )
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="a dated record there, or one JSON object on standard output",
    )
    parser.add_argument(
        "--user", default="", help="whose rights the checks have (default: that of the unit)"
    )
    return parser


def _hand_out(told: str, where: str) -> None:
    if where == "-":
        print(told)
    else:
        Path(where).write_text(told + "\n", "utf-8")


def report(findings: Sequence[Finding], began: datetime) -> Mapping[str, Any]:
    """The record for the file: in the order of the checks."""
    order = list(TITLES)
    return {
        "format": FORMAT,
        "at": began.isoformat(timespec="seconds"),
        "build": build(),
        "ok": all(finding.ok for finding in findings),
        "findings": [
            as_json(finding)
            for finding in sorted(findings, key=lambda each: order.index(each.name))
        ],
    }


def exit_code(findings: Sequence[Finding]) -> int:
    verdicts = {finding.verdict for finding in findings}
    if Verdict.NG in verdicts:
        return 1
    return 0 if verdicts <= {Verdict.OK} else 3


def write(finding: Finding, out: TextIO, titles: Mapping[str, str] = TITLES) -> None:
    """Plain text; colours only on a terminal that wants them."""
    colour, plain = ("", "")
    if out.isatty() and "NO_COLOR" not in os.environ:
        colour, plain = COLOURS[finding.verdict], PLAIN
    code = f"  [{finding.code}]" if finding.code else ""
    seconds = f"  ({finding.seconds:.1f} s)" if finding.seconds >= 1 else ""
    title = titles[finding.name]
    out.write(
        f"{colour}{finding.verdict}{plain}  {finding.name:<13}  {title}: {finding.detail}"
        f"{code}{seconds}\n"
    )
    if finding.expected:
        out.write(f"    expected: {finding.expected}\n")
    if finding.remedy:
        out.write(f"    → {finding.remedy.ja}\n    → {finding.remedy.en}\n")
    out.flush()
