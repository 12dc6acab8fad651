"""What a check finds, and what to do about it.

Each cause has a stable code. `causes.toml` says of each code what should be so and what to do.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from hal.faults import Reason

CAUSES_FILE: Final = Path(__file__).with_name("causes.toml")


class Verdict(StrEnum):
    """UNKNOWN: the check itself came to no end. NOT_CHECKED: it was not tried, and says why."""

    OK = "OK"
    NG = "NG"
    NOT_CHECKED = "NOT CHECKED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Remedy:
    """What the person at the kiosk can do, shortly."""

    ja: str
    en: str


@dataclass(frozen=True)
class Cause:
    """One row of `causes.toml`: what should be so, and what to do when it is not."""

    code: str
    expected: str
    remedy: Remedy


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis. `detail` is what was measured. `code`, `expected` and `remedy` are
    there when the line is not OK. `seconds`: how long it took.
    """

    name: str
    verdict: Verdict
    detail: str
    remedy: Remedy | None = None
    code: str = ""
    expected: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.verdict is Verdict.OK


def as_json(finding: Finding) -> dict[str, Any]:
    """One line of a report."""
    return {"ok": finding.ok, **asdict(replace(finding, seconds=round(finding.seconds, 2)))}


class Wrong(Exception):
    """A check ends here: what was seen, and what to do."""

    def __init__(
        self,
        detail: str,
        remedy: Remedy,
        code: str = "",
        expected: str = "",
        verdict: Verdict = Verdict.NG,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.code = code
        self.expected = expected
        self.verdict = verdict


@cache
def causes() -> Mapping[str, Cause]:
    """Every code, in the order of the file."""
    rows = tomllib.loads(CAUSES_FILE.read_text("utf-8"))
    return {
        code: Cause(code, row["expected"], Remedy(row["ja"], row["en"]))
        for code, row in rows.items()
    }


def wrong(code: str, detail: str, expected: str = "", verdict: Verdict = Verdict.NG) -> Wrong:
    """To be raised. `expected` where this kiosk says it more exactly than the table."""
    cause = causes()[code]
    return Wrong(detail, cause.remedy, code, expected or cause.expected, verdict)


REPORT: Final = Remedy(
    "この表示を添えて開発元へ連絡してください。", "report this line to the maintainers"
)

FAULTS: Final[Mapping[Reason, Remedy]] = {
    Reason.NOT_CONNECTED: Remedy(
        "電源・ケーブルと、設定のアドレスを確認してください。",
        "check power, cable and the address in the configuration",
    ),
    Reason.SILENT: Remedy(
        "機器の電源を入れ直し、設定のアドレスがその機器か確認してください。",
        "switch the device off and on; is it the device at this address?",
    ),
    Reason.GARBLED: Remedy(
        "機種・通信速度・配線を確認してください。", "check model, line speed and wiring"
    ),
    Reason.REFUSED: Remedy(
        "機器の状態と設定を確認してください。",
        "look at the device's own display and at its section",
    ),
    Reason.CONFIGURATION: Remedy(
        "設定と機器が一致しません。どちらかを直してください。",
        "device and configuration differ: correct one of them",
    ),
    Reason.DENIED: Remedy(
        "使う権限がありません。polkit の設定 (access_pcsc, access_card) を確認してください。",
        "not allowed to use it: see the polkit rules (access_pcsc, access_card) for this user",
    ),
    Reason.SERVICE_DOWN: Remedy(
        "pcscd が動いていません: systemctl start pcscd.socket",
        "pcscd is not running: systemctl start pcscd.socket",
    ),
    Reason.REMOVED: Remedy("カードを置き直してください。", "place the card again"),
    Reason.MUTE: Remedy(
        "カード読取部の上の物を取り除いてください。", "take away what lies on the reader"
    ),
    Reason.IN_USE: Remedy(
        "カードを使用中の他のプログラムを終了してください。",
        "end the other program that holds the card",
    ),
    Reason.BUSY: Remedy(
        "プリンターが他の接続を処理中か、前の接続を保持しています。2分待って再確認し、"
        "他の送信元、ポート番号を確認してください。",
        "the printer serves another connection, or still holds the last one: wait two minutes and "
        "check again; then look for another sender, and at the port number",
    ),
    Reason.PAPER_OUT: Remedy("用紙を補充してください。", "load paper"),
    Reason.COVER_OPEN: Remedy("カバーを閉めてください。", "close the cover"),
    Reason.JAM: Remedy(
        "詰まった用紙を取り除いてください。内容は見ないこと。",
        "clear the jam; do not read the sheet",
    ),
    Reason.PRINTER_ERROR: Remedy(
        "プリンターの表示を確認し、電源を入れ直してください。",
        "look at the printer's display; switch it off and on",
    ),
    Reason.UNCERTAIN: Remedy(
        "機器の中に用紙や硬貨が残っていないか確認してください。",
        "look for paper or coins left in the device",
    ),
    Reason.HOPPER_EMPTY: Remedy("釣銭を補充してください。", "refill the change"),
    Reason.EVENTS_LOST: Remedy(
        "硬貨の残高を確認し、電源を入れ直してください。", "count the coins, then restart the unit"
    ),
    Reason.COIN_JAM: Remedy("詰まった硬貨を取り除いてください。", "clear the stuck coin"),
}
