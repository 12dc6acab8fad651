"""`kiosk diagnose`: each configured device and part, step by step: OK, or NG with what to do.

Nothing is printed, paid or changed. The devices are asked through the drivers the kiosk itself uses, so what is OK here
is OK there. A running kiosk holds its devices; they are not taken away from it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

from firmware.service.config import Config, ConfigError, load
from hal.faults import DeviceFault
from madoguchi.diagnose import devices, keeps, line, system
from madoguchi.diagnose.finding import FAULTS, REPORT, Finding, Remedy, Wrong

CONFIG = Path("/etc/madoguchi/kiosk.toml")
GREEN, RED, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"
CORRECT = Remedy("設定ファイルを直してください (docs/configuration.md)。", "correct the file (docs/configuration.md)")
STOP_KIOSK = Remedy(
    "稼働中の窓口が使用しています。止めてから確認してください: systemctl stop madoguchi-kiosk",
    "the running kiosk holds it: stop it first, with systemctl stop madoguchi-kiosk",
)


@dataclass(frozen=True)
class Check:
    """`look` returns what was seen, or raises. `exclusive`: only one program at a time can ask this device."""

    name: str
    title: str
    look: Callable[[Config], str]
    exclusive: bool = False


CHECKS = (
    Check("panel", "画面のポート", system.panel),
    Check("mincho", "証明書の書体", keeps.mincho),
    Check("gothic", "レシートの書体", keeps.gothic),
    Check("recordings", "音声", keeps.recordings),
    Check("card-ca", "カードの認証局", keeps.card_ca),
    Check("issuing-keys", "市の発行鍵", keeps.issuing_keys),
    Check("journal", "取引記録", keeps.journal),
    Check("card", "カード読取機", devices.card, exclusive=True),
    Check("sheets", "証明書プリンター", devices.sheets, exclusive=True),
    Check("receipts", "レシートプリンター", devices.receipts, exclusive=True),
    Check("coins", "硬貨装置", devices.coins, exclusive=True),
    Check("speaker", "スピーカー", devices.speaker, exclusive=True),
    Check("certificate", "回線の証明書", line.certificate),
    Check("city", "市との回線", line.city),
    Check("core", "メモリーダンプ", system.core),
    Check("swap", "スワップ", system.swap),
    Check("clock", "時刻", system.clock),
)
TITLES = {"configuration": "設定", **{check.name: check.title for check in CHECKS}}


def diagnose(path: Path) -> Iterator[Finding]:
    """One finding after the other, as they come. Never raises."""
    try:
        config = load(path)
    except ConfigError as error:
        yield Finding("configuration", False, str(error), CORRECT)
        return
    yield Finding("configuration", True, str(path))
    held = system.who_listens(config) is system.Listener.KIOSK
    for check in CHECKS:
        if held and check.exclusive:
            yield Finding(check.name, False, "not checked", STOP_KIOSK)
        else:
            yield examine(check, config)


def examine(check: Check, config: Config) -> Finding:
    """Whatever goes wrong in a check is a finding."""
    wrong = Finding(check.name, False, "")
    try:
        return Finding(check.name, True, check.look(config))
    except Wrong as found:
        return replace(wrong, said=found.said, remedy=found.remedy)
    except DeviceFault as fault:
        said = fault.reason.value + (f" ({fault.detail})" if fault.detail else "")
        return replace(wrong, said=said, remedy=FAULTS[fault.reason])
    except Exception as error:
        return replace(wrong, said=f"{type(error).__name__}: {error}", remedy=REPORT)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all is OK, else 1."""
    parser = argparse.ArgumentParser(prog="kiosk diagnose", description="check each configured device and part")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args(argv)
    logging.getLogger().addHandler(logging.NullHandler())  # what drivers log is said here anyway
    findings = []
    for finding in diagnose(given.config):
        findings.append(finding)
        if not given.json:
            write(finding, sys.stdout)
    good = sum(finding.ok for finding in findings)
    if given.json:
        told = {"ok": good == len(findings), "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(f"{good} OK, {len(findings) - good} NG")
    return 0 if good == len(findings) else 1


def write(finding: Finding, out: TextIO, titles: Mapping[str, str] = TITLES) -> None:
    """Plain text; colours only on a terminal that wants them."""
    colour, plain = ("", "")
    if out.isatty() and "NO_COLOR" not in os.environ:
        colour, plain = (GREEN if finding.ok else RED), PLAIN
    verdict = "OK" if finding.ok else "NG"
    out.write(f"{colour}{verdict}{plain}  {finding.name:<13}  {titles[finding.name]}: {finding.said}\n")
    if finding.remedy:
        out.write(f"    → {finding.remedy.ja}\n    → {finding.remedy.en}\n")
    out.flush()
