"""`kiosk city use`: what a clerk checks before a card from elsewhere is taken, and that nothing of
a person is left in a log, on the terminal or on the command line.
"""

from __future__ import annotations

import asyncio
import io
import ssl
import tomllib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from city_bench import CITY_FILES, NOON, Card, Direct, Rehearsal, Visit, refused
from sqlalchemy import select, update

from city import tables
from city.sample import families
from firmware.link.messages import RefusalCode
from firmware.tools.cli import main

WATARU: Final = next(
    (family, member)
    for family in tomllib.loads(families.FAMILIES.read_text("utf-8"))["families"]
    for member in family["members"]
    if member["id"] == "asagiri-wataru"
)
ADDRESS: Final = "京都府宇治市宇治妙楽99番地"


@pytest.fixture(scope="module")
def shiomi(
    tmp_path_factory: pytest.TempPathFactory, line_pki: Any, authority: Any, card_key: Any
) -> Iterator[Rehearsal]:
    folder = tmp_path_factory.mktemp("use")
    made = Rehearsal(folder, line_pki, authority, card_key, city_file=CITY_FILES["shiomi"])
    config = folder / "city.toml"
    clock = f"[clock]\nstart = {NOON.isoformat()}\n"
    config.write_text(f"{config.read_text('utf-8')}\n{clock}", "utf-8")
    yield made
    made.city.engine.dispose()


@pytest.fixture
def town(shiomi: Rehearsal) -> Iterator[Rehearsal]:
    yield shiomi
    with shiomi.city.engine.begin() as connection:
        connection.execute(tables.use_registrations.delete())
        connection.execute(update(tables.family_members).values(removed=False, protected=False))
        families.seed(connection, NOON.date())


def form(**changes: str) -> str:
    """What the applicant has written, line by line."""
    family, member = WATARU
    answers = {
        "domicile": family["domicile"],
        "head": family["head"],
        "name": member["name"],
        "birth": str(member["birth"]),
        "address": ADDRESS,
        **changes,
    }
    return "".join(f"{each}\n" for each in answers.values())


def use(
    town: Rehearsal, monkeypatch: pytest.MonkeyPatch, action: str, card: Card, text: str = ""
) -> int:
    path = town.folder / "applicant.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(card.der))
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    config = town.folder / "city.toml"
    return main(["city", "use", action, "--config", str(config), "--card", str(path)])


def rows(town: Rehearsal) -> list[Any]:
    with town.city.engine.begin() as connection:
        return list(connection.execute(select(tables.use_registrations)).mappings())


def test_a_card_is_taken_and_serves_from_its_day(
    town: Rehearsal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Filed on a Tuesday: four working days later is the Monday after."""
    card = town.unknown_card()
    assert use(town, monkeypatch, "register", card, form()) == 0
    assert "taken from 2026-11-30" in capsys.readouterr().out
    session = asyncio.run(Visit(Direct(town.city), card).enter())
    found = {offer.kind: offer.refusal for offer in session.offers}
    assert found["koseki-zenbu"] is RefusalCode.REGISTRATION_IN_PROCESS
    with town.city.engine.begin() as connection:
        filed = NOON.date() - timedelta(days=30)
        connection.execute(update(tables.use_registrations).values(filed_on=filed))
    session = asyncio.run(Visit(Direct(town.city), card).enter())
    assert next(o.refusal for o in session.offers if o.kind == "koseki-zenbu") is None
    assert session.holder_address == ADDRESS
    assert use(town, monkeypatch, "show", card) == 0
    assert use(town, monkeypatch, "end", card) == 0
    assert use(town, monkeypatch, "end", card) == 1
    assert use(town, monkeypatch, "show", card) == 1
    visit = Visit(Direct(town.city), card)
    assert asyncio.run(refused(visit.enter())) is RefusalCode.NOT_REGISTERED_FOR_USE


def test_a_new_card_takes_the_place_of_the_old_one(
    town: Rehearsal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new = town.unknown_card(), town.unknown_card()
    assert use(town, monkeypatch, "register", old, form()) == 0
    assert use(town, monkeypatch, "register", new, form()) == 0
    assert "1 other card taken no more" in capsys.readouterr().out
    assert [row["ended"] for row in rows(town)].count(False) == 1
    assert asyncio.run(refused(Visit(Direct(town.city), old).enter()))
    assert asyncio.run(Visit(Direct(town.city), new).enter()).members


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "朝霧　歩"},
        {"birth": "1980-01-01"},
        {"birth": "昭和55年1月1日"},
        {"domicile": "兵庫県明石市大久保町ゆりのき通一丁目98番"},
        {"head": "朝霧　歩"},
        {"name": ""},
        {"address": ""},
    ],
)
def test_what_does_not_agree_with_the_register_is_not_taken(
    town: Rehearsal, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    assert use(town, monkeypatch, "register", town.unknown_card(), form(**changes)) == 1
    assert rows(town) == []


@pytest.mark.parametrize("column", ["removed", "protected"])
def test_who_is_removed_or_protected_goes_to_the_counter(
    town: Rehearsal, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    mine = tables.family_members.c.id == "asagiri-wataru"
    with town.city.engine.begin() as connection:
        connection.execute(update(tables.family_members).where(mine).values(**{column: True}))
    assert use(town, monkeypatch, "register", town.unknown_card(), form()) == 1
    assert rows(town) == []


def test_a_residents_card_and_a_card_of_no_authority_are_not_taken(
    town: Rehearsal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert use(town, monkeypatch, "register", town.card("taro"), form()) == 1
    assert "resident's" in capsys.readouterr().err
    over = town.unknown_card(end=-1)
    assert use(town, monkeypatch, "register", over, form()) == 1
    assert "card-expired" in capsys.readouterr().err
    assert rows(town) == []


def test_spaces_in_a_name_are_not_compared(
    town: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"name": WATARU[1]["name"].replace("　", "")}
    assert use(town, monkeypatch, "register", town.unknown_card(), form(**changes)) == 0


def test_a_city_for_residents_only_takes_none(
    town: Rehearsal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = CITY_FILES["shiomi"].read_text("utf-8").replace("registration_days = 4\n", "")
    city = tmp_path / "shiomi.toml"
    city.write_text(text, "utf-8")
    config = town.folder / "city.toml"
    honest = config.read_text("utf-8")
    config.write_text(honest.replace(str(CITY_FILES["shiomi"]), str(city)), "utf-8")
    try:
        assert use(town, monkeypatch, "register", town.unknown_card(), form()) == 1
    finally:
        config.write_text(honest, "utf-8")
    assert rows(town) == []


def test_nothing_of_the_person_is_told_or_logged(
    town: Rehearsal, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    card = town.unknown_card()
    assert use(town, monkeypatch, "register", card, form()) == 0
    assert use(town, monkeypatch, "register", town.unknown_card(), form(head="だれか")) == 1
    assert use(town, monkeypatch, "end", card) == 0
    told = capfd.readouterr()
    with town.city.engine.begin() as connection:
        log = "\n".join(connection.execute(select(tables.audit.c.entry)).scalars())
    assert '"use-registered"' in log
    assert '"use-ended"' in log
    for word in (*form().split("\n")[:-1], "asagiri", str(date(1990, 1, 1).year), "だれか"):
        assert word not in told.out + told.err
    for word in (*form().split("\n")[:-1], "asagiri", rows(town)[0]["fingerprint"]):
        assert word not in log
