"""Somebody's dependant who filed no return: a certificate without amounts, where the city has words
for it (厚木市), and the cause `no-tax-return` everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from city_bench import CITY_FILES, NOON, Direct, Rehearsal
from paper_bench import assert_taken, order, visit_of
from sqlalchemy import update

from city import municipality, session_records, tables
from city.municipality import Municipality
from city.typesetting import people_on_sheets, typeset
from firmware.link.messages import RefusalCode
from firmware.sheets.admit import RefusedDocument as SheetRefused
from firmware.sheets.fault import SheetReason

ATSUGI: Final = Path(__file__).parent / "cities/atsugi.toml"
KIND: Final = "shikenminzei"
AMOUNT: Final = "給与収入金額"


def atsugi(**changes: Any) -> Municipality:
    """With a page to verify sheets on: its own file has the words alone."""
    data = municipality.load(ATSUGI)
    certificates = tuple(
        msgspec.structs.replace(each, **changes) if each.kind == KIND else each
        for each in data.certificates
    )
    return msgspec.structs.replace(data, certificates=certificates)


@pytest.fixture(scope="module")
def town(
    tmp_path_factory: pytest.TempPathFactory, line_pki: Any, authority: Any, card_key: Any
) -> Iterator[Rehearsal]:
    made = Rehearsal(tmp_path_factory.mktemp("dependants"), line_pki, authority, card_key)
    made.typeset, made.paginate = typeset, people_on_sheets
    made.govern(atsugi())
    yield made
    made.city.engine.dispose()


def refusal(town: Rehearsal, kind: str) -> RefusalCode | None:
    session = visit_of(town, "kenta").session
    return next(offer.refusal for offer in session.offers if offer.kind == kind)


def test_a_dependant_has_a_certificate_without_amounts(town: Rehearsal) -> None:
    made = order(town, visit_of(town, "kenta"), KIND, 1, year=("y2026",))
    assert_taken(made)
    content = made.manifest.content
    assert content.title == "市・県民税非課税証明書"
    assert "被扶養者" in content.notes[-1]
    rows = [(row.label, row.value) for row in content.sheets[0].amounts]
    assert rows == [("所得の申告", "なし（被扶養者）")]


def test_who_filed_a_return_has_the_amounts(town: Rehearsal) -> None:
    made = order(town, visit_of(town, "hanako"), KIND, 1, year=("y2026",))
    assert_taken(made)
    labels = {row.label for row in made.manifest.content.sheets[0].amounts}
    assert AMOUNT in labels
    assert "所得の申告" not in labels


def test_a_city_without_words_for_it_refuses(town: Rehearsal) -> None:
    honest = town.city
    for file in CITY_FILES.values():
        data = municipality.load(file)
        town.govern(data)
        kind = next(c.kind for c in data.offered(NOON.date()) if c.form == "kazei")
        assert refusal(town, kind) is RefusalCode.NO_TAX_RETURN
    town.city = honest
    assert refusal(town, KIND) is None


def test_a_record_that_says_no_return_and_has_amounts_is_refused(
    town: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A city that mixes the two: the kiosk takes neither the one nor the other."""
    honest = session_records.tax_record

    def mixed(record: Any, amounts: Any) -> Any:
        return {**honest(record, amounts), AMOUNT: "1円"}

    monkeypatch.setattr(session_records, "tax_record", mixed)
    made = order(town, visit_of(town, "kenta"), KIND, 1, year=("y2026",))
    assert made.verdict == SheetRefused(SheetReason.AMOUNTS)


def test_a_city_that_takes_the_other_case_is_refused(town: Rehearsal) -> None:
    honest = town.city
    visit = visit_of(town, "kenta")
    town.govern(atsugi(titles={"untaxed": "市・県民税非課税証明書"}))
    visit.line = Direct(town.city)
    try:
        made = order(town, visit, KIND, 1, year=("y2026",))
    finally:
        town.city = honest
    assert made.verdict == SheetRefused(SheetReason.TITLE)


def test_certificates_of_one_person_can_be_stopped(town: Rehearsal) -> None:
    mine = tables.taxes.c.resident == "hanako"
    with town.city.engine.begin() as connection:
        connection.execute(update(tables.taxes).where(mine).values(standing="stopped"))
    try:
        session = visit_of(town, "hanako").session
        found = {offer.kind: offer.refusal for offer in session.offers}
        assert found[KIND] is RefusalCode.NOT_ISSUED
    finally:
        with town.city.engine.begin() as connection:
            connection.execute(update(tables.taxes).where(mine).values(standing="filed"))
