"""docs/holdings.md, written from the table of what is kept: `python -m docs.generate.holdings`.

The periods are those of the sample city.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from city import municipality
from city.keeping import Counted, Period, Retention
from city.retention.holdings import OTHERS, Holding, holdings

PAGE: Final = Path(__file__).parents[1] / "holdings.md"
CITY: Final = Path(municipality.__file__).parent / "data" / "akashi.toml"
HEAD: Final = """# 保存する情報の一覧 / What is kept, why, and for how long

Written by `python -m docs.generate.holdings` from `city/retention/holdings.toml` and the sample
city's `[retention]`. A test compares them, and compares the tables with the database's schema.

市の個人情報保護の担当者のためのページです。期間は見本の市のものです。実際の期間は、それぞれの市が
データファイルに理由と根拠を付けて定めます。消去のしかたは [retention.md](retention.md) にあります。

This page is for the city's data protection officer. The periods are those of a sample city: each
city says its own in its data file, with a reason and a source. [retention.md](retention.md) says
how things are deleted.
"""
KINDS: Final = {
    "none": "―",
    "id": "番号だけ / ids only",
    "linked": "台帳と合わせると人が分かる / leads to a person with the register",
    "personal": "個人情報 / personal",
    "mynumber": "個人番号 / My Number",
}
ORDER: Final = tuple(KINDS)


def page() -> str:
    """The whole page, Markdown."""
    terms = municipality.load(CITY).retention
    if terms is None:
        raise ValueError(f"{CITY} has no [retention]")
    return "\n".join((*_lines(terms), ""))


def _lines(terms: Retention) -> Iterator[str]:
    yield from (HEAD, "## 保存期間 / Periods", "")
    yield "| 期間 / period | 長さ / length | 理由 / reason | 根拠 / source |"
    yield "|---|---|---|---|"
    for name, period in terms.periods().items():
        reason = f"{period.reason['ja']}<br>{period.reason['en']}"
        yield f"| `{name}` | {_length(period)} | {reason} | {period.source} |"
    for name, words in OTHERS.items():
        yield f"| `{name}` | {words[0]}<br>{words[1]} | | |"
    yield from ("", "## 市のデータベース / The city's database", "")
    yield (
        "| 表 / table | 内容 / what | 目的 / purpose | 法的な根拠 / basis "
        "| 期間 / period | 個人 / person |"
    )
    yield "|---|---|---|---|---|---|"
    for name, holding in holdings().tables.items():
        yield _row(name, holding)
    yield from ("", "## 列ごと / Column by column", "")
    yield "| 表.列 / table.column | 内容 / what | 区分 / kind | 期間 / period |"
    yield "|---|---|---|---|"
    for name, holding in holdings().tables.items():
        ends = {column: key for key, found in holding.earlier.items() for column in found}
        for column, (kind, ja, en) in holding.columns.items():
            ends_with = ends.get(column, holding.period)
            yield f"| `{name}.{column}` | {ja}<br>{en} | {KINDS[kind]} | `{ends_with}` |"
    yield from ("", "## 端末 / A kiosk", "")
    yield "端末は、個人に関することを保存しません。 / A kiosk keeps nothing about a person."
    yield ""
    yield "| ファイル / file | 内容 / what | 期間 / how long |"
    yield "|---|---|---|"
    for each in holdings().kiosk.values():
        what, kept = (f"{names['ja']}<br>{names['en']}" for names in (each.what, each.kept))
        yield f"| `{each.file}` | {what} | {kept} |"


def _length(period: Period) -> str:
    begins = (
        "翌年度の4月1日から / from the next 1 April"
        if period.counted is Counted.FISCAL_YEAR
        else "その日から / from that day"
    )
    return f"{period.months}か月 / months<br>{begins}"


def _row(name: str, holding: Holding) -> str:
    cells = (f"{names['ja']}<br>{names['en']}" for names in _names(holding))
    most = max(holding.kinds(), key=ORDER.index)
    earlier = "".join(f"<br>一部は / some `{period}`" for period in holding.earlier)
    return f"| `{name}` | {' | '.join(cells)} | `{holding.period}`{earlier} | {KINDS[most]} |"


def _names(holding: Holding) -> tuple[dict[str, str], ...]:
    return holding.what, holding.purpose, holding.basis


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
