"""The daily sheet (日計表) as rows, as text for a screen and as CSV for a spreadsheet. Pure."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from firmware.ledger.accounts import NAMES, SIGN, Title, place_name
from firmware.ledger.day import Day, Found, Tally
from firmware.ledger.units import Beside

HEADER = (
    "日付",
    "機器番号",
    "締め番号",
    "通し番号",
    "区分",
    "項目",
    "件数",
    "枚数",
    "金額（円）",
    "備考",
)
KINDS = {
    "journey": "取引",
    "late": "取引終了後",
    "cash-count": "実査",
    "cash-emptied": "回収",
}
NOT_CLOSED = "締め前"


@dataclass(frozen=True)
class DayRow:
    """`pieces`: sheets or coins. None: the column does not apply."""

    section: str
    item: str
    count: int | None = None
    pieces: int | None = None
    yen: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Head:
    """What stands above the rows."""

    kiosk: str
    day: str
    number: str
    numbers: str  # of the journal's entries

    def lines(self) -> list[str]:
        return [
            f"日付　　　{self.day}",
            f"機器番号　{self.kiosk}",
            f"締め番号　{self.number}",
            f"通し番号　{self.numbers}",
        ]


def head(day: Day, kiosk: str) -> Head:
    number = str(day.closed.number) if day.closed else NOT_CLOSED
    return Head(kiosk, day.label or "－", number, f"{day.first}～{day.last}")


def rows(day: Day, certificates: Mapping[str, str], units: Sequence[Beside] | None) -> list[DayRow]:
    """`certificates`: their names. `units`: None when they were not asked."""
    return [
        *_sales(day, certificates),
        _tally("取消・返金", "返金した取引", day.cancelled),
        *_standing(
            "未払い", day, Title.OWED, ("発生", day.owed), ("会計課へ引継ぎ", day.claims_paid)
        ),
        *_standing("預り金", day, Title.HELD, ("発生", day.held), ("処理済み", day.held_settled)),
        *_cash(day),
        *_cashless(day),
        *_over_short(day),
        *_units(units),
    ]


def _sales(day: Day, certificates: Mapping[str, str]) -> Iterator[DayRow]:
    section = NAMES[Title.FEES]
    for sold in day.sales:
        name = certificates.get(sold.certificate, sold.certificate) or "（種別不明）"
        yield DayRow(section, f"{name}（現金）", sold.cash, None, sold.cash_yen)
        yield DayRow(section, f"{name}（キャッシュレス）", sold.cashless, None, sold.cashless_yen)
        yield DayRow(section, f"{name}（無料）", sold.free, None, 0)
        yield DayRow(section, f"{name}　計", sold.count, sold.sheets, sold.yen)
    total = [(sold.count, sold.sheets, sold.yen) for sold in day.sales]
    counts, sheets, yen = (
        (sum(column) for column in zip(*total, strict=True)) if total else (0, 0, 0)
    )
    yield DayRow(section, "合計", counts, sheets, yen)


def _tally(section: str, item: str, tally: Tally) -> DayRow:
    return DayRow(section, item, tally.count, None, tally.yen)


def _standing(section: str, day: Day, title: Title, *moved: tuple[str, Tally]) -> Iterator[DayRow]:
    for item, tally in moved:
        yield _tally(section, item, tally)
    yield DayRow(section, "残高", None, None, SIGN[title] * day.balance(title))


def _cash(day: Day) -> Iterator[DayRow]:
    yield _tally("現金の出入", "補充", day.refilled)
    yield _tally("現金の出入", "回収", day.emptied)
    for account, yen in day.cash:
        place = place_name(account.part)
        item = f"{place}　{account.value}円" if account.value else place
        yield DayRow("金種別在高", item, None, yen // account.value if account.value else None, yen)
    yield DayRow("金種別在高", "現金合計", None, None, day.balance(Title.CASH))


def _cashless(day: Day) -> Iterator[DayRow]:
    for title in (Title.RECEIVABLE, Title.INQUIRY):
        yield DayRow("キャッシュレス", f"{NAMES[title]}　残高", None, None, day.balance(title))
    if balance := day.balance(Title.OPEN):
        yield DayRow(
            NAMES[Title.OPEN], "終了していない取引", None, None, SIGN[Title.OPEN] * balance
        )


def _over_short(day: Day) -> Iterator[DayRow]:
    section = NAMES[Title.OVER_SHORT]
    for found in day.found:
        yield DayRow(
            section,
            f"{KINDS.get(found.kind, found.kind)}（{found.seq}）",
            None,
            None,
            found.yen,
            _case(found),
        )
    yield DayRow(section, "当日分", len(day.found), None, sum(found.yen for found in day.found))
    yield DayRow(
        section, "累計", None, None, SIGN[Title.OVER_SHORT] * day.balance(Title.OVER_SHORT)
    )


def _case(found: Found | Beside) -> str:
    return f"案件 {found.case[:12]}" if found.case else "案件なし"


def _units(units: Sequence[Beside] | None) -> Iterator[DayRow]:
    if units is None:
        yield DayRow("機器照合", "未実施")
    for seen in units or ():
        note = f"{seen.what}　{_case(seen)}" if seen.yen else seen.what
        item = f"{place_name(seen.place)}　{seen.value}円"
        yield DayRow("機器照合", item, None, seen.books, seen.yen, note)


# -- the screen


def text(top: Head, given: Iterable[DayRow]) -> str:
    lines = ["日　計　表", "", *top.lines()]
    section = ""
    for row in given:
        if row.section != section:
            section = row.section
            lines += ["", f"■ {section}"]
        lines.append(_line(row))
    return "\n".join(lines) + "\n"


def _line(row: DayRow) -> str:
    parts = [
        _left(f"  {row.item}", 42),
        _right("" if row.count is None else f"{row.count:,}件", 8),
        _right("" if row.pieces is None else f"{row.pieces:,}枚", 10),
        _right("" if row.yen is None else f"{row.yen:,}円", 14),
        f"  {row.note}" if row.note else "",
    ]
    return "".join(parts).rstrip()


def _columns(word: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WFA" else 1 for letter in word)


def _left(word: str, width: int) -> str:
    return word + " " * (width - _columns(word))


def _right(word: str, width: int) -> str:
    return " " * (width - _columns(word)) + word


# -- a spreadsheet


def csv_text(top: Head, given: Iterable[DayRow]) -> str:
    """With the mark by which spreadsheet programs know UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    first = (top.day, top.kiosk, top.number, top.numbers)
    for row in given:
        figures = ("" if figure is None else figure for figure in (row.count, row.pieces, row.yen))
        writer.writerow((*first, row.section, row.item, *figures, row.note))
    return "\ufeff" + out.getvalue()
