"""Title, sentence and remark that depend on what the year's record says (非課税)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from city_bench import CITY_FILES, Direct, Rehearsal
from paper_bench import assert_taken, order, visit_of
from sqlalchemy import select, update

from city import municipality, tables
from city.contradictions import contradictions
from city.entries import Certificate
from city.municipality import Municipality
from city.typesetting import people_on_sheets, typeset
from firmware.sheets.admit import RefusedDocument as SheetRefused
from firmware.sheets.fault import SheetReason

change = msgspec.structs.replace
TAX = "年税額"
UNTAXED = {
    "untaxed": TAX,
    "titles": {"untaxed": "非課税証明書"},
    "remarks": {"untaxed": "市民税・県民税は非課税です。"},
}


def city_with(**changes: Any) -> Municipality:
    """Akashi, whose tax certificate depends on the record."""
    data = municipality.load(CITY_FILES["akashi"])

    def changed(certificate: Certificate) -> Certificate:
        if certificate.form != "kazei":
            return certificate
        sentence = {"untaxed": "上記のとおり課税されていないことを証明します。"}
        statement: Any = {**certificate.statement, **sentence}
        return change(certificate, **{"statement": statement, **UNTAXED, **changes})

    return change(data, certificates=tuple(map(changed, data.certificates)))


@pytest.fixture(scope="module")
def akashi(
    tmp_path_factory: pytest.TempPathFactory, line_pki: Any, authority: Any, card_key: Any
) -> Iterator[Rehearsal]:
    made = Rehearsal(tmp_path_factory.mktemp("untaxed"), line_pki, authority, card_key)
    made.typeset, made.paginate = typeset, people_on_sheets
    assert list(contradictions(city_with())) == []
    made.govern(city_with())
    taxes = tables.taxes
    with made.city.engine.begin() as connection:  # hanako owes nothing for 2025
        mine = (taxes.c.resident == "hanako") & (taxes.c.year == 2025)
        amounts = connection.execute(select(taxes.c.amounts).where(mine)).scalar_one()
        nothing = [[label, 0 if label == TAX else amount] for label, amount in amounts]
        connection.execute(update(taxes).where(mine).values(amounts=nothing))
    yield made
    made.city.engine.dispose()


@pytest.mark.parametrize(("year", "untaxed"), [("y2026", False), ("y2025", True)])
def test_the_year_that_was_chosen_decides(akashi: Rehearsal, year: str, untaxed: bool) -> None:
    made = order(akashi, visit_of(akashi, "hanako"), "kazei", 1, year=(year,))
    assert_taken(made)
    content = made.manifest.content
    assert (content.title == "非課税証明書") is untaxed
    assert ("非課税です" in "".join(content.notes)) is untaxed
    assert ("課税されていない" in content.statement) is untaxed


@pytest.mark.parametrize("year", ["y2026", "y2025"])
def test_a_city_that_takes_the_other_case_is_refused(akashi: Rehearsal, year: str) -> None:
    """It signs what it says; the kiosk has the terms, and the record that was committed to."""
    honest = akashi.city
    visit = visit_of(akashi, "hanako")
    # One deciding amount that is never 0 yen; one title for both cases.
    wrong = {"y2025": {"untaxed": "給与収入金額"}, "y2026": {"titles": {"tax": "非課税証明書"}}}
    akashi.govern(city_with(**wrong[year]))
    visit.line = Direct(akashi.city)
    try:
        made = order(akashi, visit, "kazei", 1, year=(year,))
    finally:
        akashi.city = honest
    assert made.verdict == SheetRefused(SheetReason.TITLE)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"untaxed": ""}, "(kazei).untaxed: an amount"),
        ({"untaxed": "市民税の額"}, "(kazei).untaxed: 市民税の額 is not among"),
        ({"titles": {"seal": "あ"}}, "(kazei).titles: for tax, untaxed alone"),
        ({"remarks": {"part": "あ"}}, "(kazei).remarks: for"),
        ({"titles": {"untaxed": "あ" * 41}}, "(kazei).titles.untaxed: at most 40"),
        ({"titles": {"untaxed": "印鑑証明書"}}, "(kazei).titles.untaxed: at most 40"),
    ],
)
def test_a_mistake_is_named_with_its_key(changes: dict[str, Any], key: str) -> None:
    amounts = {"税額": (TAX,)}
    assert key in next(contradictions(city_with(amounts=amounts, **changes)))
