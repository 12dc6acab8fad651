"""`kiosk diagnose` checks each configured device and part: OK, or NG with what to do.

Nothing is printed, paid or changed. The devices are asked through the drivers that the kiosk itself
uses, so the result holds for the kiosk too. A running kiosk holds its devices, and they are not
taken away from it.
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

from firmware.service.build import build
from firmware.service.config import Config, ConfigError, load
from firmware.tools.diagnose import devices, files, line, system
from firmware.tools.diagnose.finding import FAULTS, REPORT, Finding, Remedy, Wrong
from hal.faults import DeviceFault

CONFIG = Path("/etc/madoguchi/kiosk.toml")
GREEN, RED, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"
CORRECT = Remedy(
    "設定ファイルを直してください (docs/configuration.md)。",
    "correct the file (docs/configuration.md)",
)
STOP_KIOSK = Remedy(
    "稼働中の窓口が使用しています。止めてから確認してください: systemctl stop madoguchi-kiosk",
    "the running kiosk holds it: stop it first, with systemctl stop madoguchi-kiosk",
)


@dataclass(frozen=True)
class Check:
    """`look` returns what was seen, or raises. `exclusive`: only one program at a time can ask this
    device.
    """

    name: str
    title: str
    look: Callable[[Config], str]
    exclusive: bool = False


CHECKS = (
    Check("panel", "画面のポート", system.panel),
    Check("mincho", "証明書の書体", files.mincho),
    Check("gothic", "レシートの書体", files.gothic),
    Check("screen-fonts", "画面の書体", files.screen_fonts),
    Check("recordings", "音声", files.recordings),
    Check("card-ca", "カードの認証局", files.card_ca),
    Check("issuing-keys", "市の発行鍵", files.issuing_keys),
    Check("terms-keys", "様式条件の署名鍵", files.terms_keys),
    Check("journal", "取引記録", files.journal),
    Check("names", "機器の名前", devices.names),
    Check("card", "カード読取機", devices.card, exclusive=True),
    Check("sheets", "証明書プリンター", devices.sheets, exclusive=True),
    Check("receipts", "レシートプリンター", devices.receipts, exclusive=True),
    Check("coins", "硬貨装置", devices.coins, exclusive=True),
    Check("cashless", "決済端末", devices.cashless, exclusive=True),
    Check("speaker", "スピーカー", devices.speaker, exclusive=True),
    Check("exchanges", "機器との交信の記録", devices.exchanges),
    Check("certificate", "回線の証明書", line.certificate),
    Check("city", "市との回線", line.city),
    Check("core", "メモリーダンプ", system.core),
    Check("swap", "スワップ", system.swap),
    Check("clock", "時刻", system.clock),
)
TITLES = {
    "build": "ソフトウェア",
    "configuration": "設定",
    **{check.name: check.title for check in CHECKS},
}


def diagnose(path: Path) -> Iterator[Finding]:
    """One finding after the other, as they come. Never raises."""
    yield Finding("build", True, build())
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
        return replace(wrong, detail=found.detail, remedy=found.remedy)
    except DeviceFault as fault:
        detail = fault.reason.value + (f" ({fault.detail})" if fault.detail else "")
        return replace(wrong, detail=detail, remedy=FAULTS[fault.reason])
    except Exception as error:
        return replace(wrong, detail=f"{type(error).__name__}: {error}", remedy=REPORT)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all is OK, else 1."""
    parser = argparse.ArgumentParser(
        prog="kiosk diagnose", description="check each configured device and part"
    )
    parser.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args(argv)
    logging.getLogger().addHandler(logging.NullHandler())  # the findings hold what drivers log
    findings = []
    for finding in diagnose(given.config):
        findings.append(finding)
        if not given.json:
            write(finding, sys.stdout)
    good = sum(finding.ok for finding in findings)
    if given.json:
        report = {
            "ok": good == len(findings),
            "findings": [asdict(finding) for finding in findings],
        }
        print(json.dumps(report, ensure_ascii=False))
    else:
        print(f"{good} OK, {len(findings) - good} NG")
    return 0 if good == len(findings) else 1


def write(finding: Finding, out: TextIO, titles: Mapping[str, str] = TITLES) -> None:
    """Plain text; colours only on a terminal that wants them."""
    colour, plain = ("", "")
    if out.isatty() and "NO_COLOR" not in os.environ:
        colour, plain = (GREEN if finding.ok else RED), PLAIN
    verdict = "OK" if finding.ok else "NG"
    out.write(
        f"{colour}{verdict}{plain}  {finding.name:<13}  {titles[finding.name]}: {finding.detail}\n"
    )
    if finding.remedy:
        out.write(f"    → {finding.remedy.ja}\n    → {finding.remedy.en}\n")
    out.flush()
