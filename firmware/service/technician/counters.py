"""What the technician is shown of this kiosk: counts, states, codes and yen. Nothing of a person.

Each row is made here from a named figure; no field of a journal entry is passed on as it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firmware.ledger.accounts import BOX, VALUES, place_name
from firmware.ledger.ledger import Ledger
from firmware.ledger.units import Beside
from firmware.link.case_guide import guide
from firmware.service import till
from firmware.service.build import build
from firmware.service.config import Config
from firmware.service.entry import Case
from firmware.service.journal import Journal
from firmware.service.slip_desk import short
from firmware.service.status import End, Status
from firmware.service.stop import is_stopped
from firmware.service.technician.pages import Words


@dataclass(frozen=True)
class Row:
    label: Words
    value: str


COUNTED: Final[Mapping[str, Words]] = {
    "begun": Words("受付", "Journeys begun"),
    "sheet-done": Words("証明書の印字", "Sheets printed"),
    "sheet-failed": Words("印字の失敗", "Sheets failed"),
    "coin": Words("投入された硬貨", "Coins taken"),
    "outcome": Words("市への報告", "Reports to the city"),
}
ENDS: Final[Mapping[End, Words]] = {
    End.PRINTED: Words("起動後：発行", "Since start: printed"),
    End.REFUSED: Words("起動後：発行不可", "Since start: refused"),
    End.LEFT: Words("起動後：中止", "Since start: left"),
    End.UNCLEAR: Words("起動後：要確認", "Since start: unclear"),
    End.DIED: Words("起動後：異常終了", "Since start: died"),
}
DEVICES: Final[Mapping[str, Words]] = {
    "sheets": Words("証明書プリンター", "Certificate printer"),
    "receipts": Words("レシートプリンター", "Receipt printer"),
    "coins": Words("硬貨機器", "Coin unit"),
    "card": Words("カードリーダー", "Card reader"),
    "city": Words("回線（市）", "Line to the city"),
    "disk": Words("記録領域", "Disk"),
}
PAPER: Final[Mapping[str, str]] = {
    "adequate": "十分 / enough",
    "near-end": "残りわずか / low",
    "out": "なし / none",
}
WELL: Final = "正常 / well"


def counters(config: Config, journal: Journal, status: Status | None) -> list[Row]:
    """Raises JournalBroken."""
    counted = Counter(entry.kind for entry in journal.entries())
    rows = [
        Row(Words("番号", "Kiosk"), config.kiosk.id),
        Row(Words("ビルド", "Build"), build()),
        Row(Words("休止", "Out of service"), "はい / yes" if is_stopped(journal) else "−"),
        Row(Words("未解決の案件", "Open cases"), str(len(journal.cases()))),
        Row(Words("市へ未送信", "Not delivered"), str(len(journal.undelivered()))),
        *(Row(words, f"{counted[kind]:,}") for kind, words in COUNTED.items()),
    ]
    return [*rows, *(_of_status(status) if status else ())]


def _of_status(status: Status) -> Iterator[Row]:
    """What the last process that served has told."""
    for end, words in ENDS.items():
        yield Row(words, f"{status.tally.visits.get(end, 0):,}")
    for device, words in DEVICES.items():
        if device in status.report.devices:
            yield Row(words, status.report.devices[device] or WELL)
    for printer, supply in status.report.paper.items():
        name = DEVICES[printer]
        yield Row(Words(f"{name.ja}の用紙", f"{name.en}: paper"), PAPER.get(supply, supply))
    yield Row(Words("空き容量", "Disk free"), f"{status.disk_free / 2**20:,.0f} MiB")


def cases(found: Sequence[Case]) -> list[Row]:
    """Each with its code and number, and what a person looks at before closing it."""
    if not found:
        return [Row(Words("案件はありません", "No case is open"), "")]
    return [
        row
        for case in found
        for row in (Row(Words(case.code, ""), short(case.id)), Row(_what_to_do(case.code), ""))
    ]


def _what_to_do(code: str) -> Words:
    known = guide(code)
    return (
        Words(known.ja, known.en) if known else Words("担当課へ連絡してください", "Tell the office")
    )


def cash(config: Config, units: Sequence[Beside] | None = None) -> list[Row]:
    """What must be in each place, by the books, and what the units say beside it. Raises
    JournalBroken.
    """
    balances = Ledger.of(till.read(config), till.layout(config.cash)).cash()
    rows = []
    for place, value in till.places(config.cash).items():
        for coin in (value,) if place != BOX else VALUES:
            yen = sum(y for a, y in balances.items() if (a.part, a.value) == (place, coin))
            label = Words(f"{place_name(place)}　{coin}円", f"{place}: {coin} yen")
            rows.append(Row(label, f"{yen // coin:,}枚　{yen:,}円"))
    for one in units or ():
        label = Words(f"機器照合　{place_name(one.place)}　{one.value}円", f"unit: {one.place}")
        rows.append(Row(label, f"帳簿 {one.books:,}枚　{one.what}　{one.yen:+,}円"))
    return rows
