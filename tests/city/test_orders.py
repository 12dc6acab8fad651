"""Whether sheets are in force: what anybody is told of a number, and how an operator
withdraws one.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from city_bench import HELLO, Direct, Rehearsal, Visit, both, outcome_of, sealed
from sqlalchemy import select

from city import registry, tables
from city.database import Mode, transact
from city.registry import Standing
from firmware.link import messages
from firmware.tools.cli import main

pytestmark = both


def reserved(rehearsal: Rehearsal) -> tuple[Visit, messages.Manifest]:
    visit = Visit(Direct(rehearsal.city), rehearsal.card("yoshiko"))

    async def go() -> messages.Manifest:
        await visit.enter()
        manifest, _ = await visit.orders("inkan")
        return manifest

    return visit, asyncio.run(go())


def issued(rehearsal: Rehearsal) -> messages.Manifest:
    visit, manifest = reserved(rehearsal)
    visit.line.ask("release", visit.pays(manifest))
    return manifest


def standing(rehearsal: Rehearsal, number: str) -> Standing:
    return transact(
        rehearsal.city.engine, Mode.READ, lambda connection: registry.standing(connection, number)
    )


def report_outcome(
    rehearsal: Rehearsal, manifest: messages.Manifest, result: messages.Result
) -> None:
    Direct(rehearsal.city).ask("outcome", outcome_of(manifest, result))


def kiosk(rehearsal: Rehearsal, *words: str) -> int:
    config = rehearsal.folder / "city.toml"
    return main(["city", "orders", *words, "--config", str(config)])


# -- what is told ----------------------------------------------------------------------------------


def test_only_issued_sheets_that_nobody_doubts_are_in_force(rehearsal: Rehearsal) -> None:
    visit, manifest = reserved(rehearsal)
    number = manifest.content.unique_number
    assert standing(rehearsal, number) is Standing.UNKNOWN
    visit.line.ask("release", visit.pays(manifest))
    assert standing(rehearsal, number) is Standing.IN_FORCE
    report_outcome(rehearsal, manifest, messages.Result.PRINTED)
    assert standing(rehearsal, number) is Standing.IN_FORCE


def test_sheets_that_certainly_did_not_come_out_are_void(rehearsal: Rehearsal) -> None:
    manifest = issued(rehearsal)
    report_outcome(rehearsal, manifest, messages.Result.FAILED)
    assert standing(rehearsal, manifest.content.unique_number) is Standing.VOID


def test_sheets_of_which_the_kiosk_does_not_know_are_unknown(rehearsal: Rehearsal) -> None:
    manifest = issued(rehearsal)
    report_outcome(rehearsal, manifest, messages.Result.UNKNOWN)
    assert standing(rehearsal, manifest.content.unique_number) is Standing.UNKNOWN


def test_what_was_never_issued_is_unknown(rehearsal: Rehearsal) -> None:
    """Cancelled before the release, ended by time, or no number of this city: nobody can tell them
    apart.
    """
    visit, manifest = reserved(rehearsal)
    visit.line.ask("cancel", messages.CancelRequest(session=manifest.session))
    _, late = reserved(rehearsal)
    rehearsal.clock.now += timedelta(seconds=rehearsal.city.data.session_s + 1)
    Direct(rehearsal.city).ask("hello", HELLO)
    for number in (manifest.content.unique_number, late.content.unique_number, "ABCDEFGH1234", ""):
        assert standing(rehearsal, number) is Standing.UNKNOWN


# -- the operator ----------------------------------------------------------------------------------


def test_an_operator_looks_sheets_up_and_withdraws_them_once(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = issued(rehearsal)
    number = manifest.content.unique_number
    assert kiosk(rehearsal, "show", number, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "unique_number": number,
        "order": manifest.order,
        "kiosk": "kiosk-1",
        "kind": "inkan",
        "state": "issued",
        "sheets": 1,
        "standing": "in-force",
    }
    assert kiosk(rehearsal, "void", number, "--note", "printed on spoilt paper") == 0
    assert capsys.readouterr().out == f"{number}\tvoid\n"
    assert standing(rehearsal, number) is Standing.VOID
    assert kiosk(rehearsal, "void", number, "--note", "again") == 1
    assert kiosk(rehearsal, "show", number) == 0
    assert "standing\tvoid" in capsys.readouterr().out
    with rehearsal.city.engine.begin() as connection:
        entries = [
            json.loads(entry)
            for entry in connection.execute(select(tables.audit.c.entry)).scalars()
        ]
    assert sealed(rehearsal.city).broken is None
    [told] = [entry for entry in entries if entry["event"] == "declared-void"]
    assert (told["order"], told["note"]) == (manifest.order, "printed on spoilt paper")


def test_a_printed_sheet_that_is_withdrawn_stays_void_whatever_the_kiosk_tells_later(
    rehearsal: Rehearsal,
) -> None:
    manifest = issued(rehearsal)
    assert kiosk(rehearsal, "void", manifest.content.unique_number, "--note", "x") == 0
    report_outcome(rehearsal, manifest, messages.Result.PRINTED)
    assert standing(rehearsal, manifest.content.unique_number) is Standing.VOID


def test_what_was_not_issued_cannot_be_withdrawn(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    visit, manifest = reserved(rehearsal)
    for number in (manifest.content.unique_number, "ABCDEFGH1234", "not a number"):
        assert kiosk(rehearsal, "void", number, "--note", "x") == 1
        assert f"no sheets in force under {number}" in capsys.readouterr().err
    assert kiosk(rehearsal, "show", "ABCDEFGH1234") == 1
    assert visit.line.ask("release", visit.pays(manifest)).released
