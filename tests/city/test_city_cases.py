"""What opens a case at the city's end, what one stops, and how a person closes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import msgspec
import pytest
from city_bench import (
    HELLO,
    Direct,
    Rehearsal,
    Visit,
    both,
    new_id,
    outcome_of,
    refused,
    session_request,
)
from sqlalchemy import select

from city import cases, tables
from city.database import Mode, transact
from firmware.link import messages, sealing
from firmware.link.messages import RefusalCode
from firmware.tools.cli import main

swap = msgspec.structs.replace


def ordered(
    rehearsal: Rehearsal, copies: int = 1, kiosk: str = "kiosk-1"
) -> tuple[Visit, messages.Manifest]:
    visit = Visit(Direct(rehearsal.city, kiosk), rehearsal.card("yoshiko"), kiosk=kiosk)

    async def go() -> messages.Manifest:
        await visit.enter()
        manifest, _ = await visit.orders("inkan", copies)
        return manifest

    return visit, asyncio.run(go())


def issued(rehearsal: Rehearsal, copies: int = 1) -> tuple[Visit, messages.Manifest]:
    visit, manifest = ordered(rehearsal, copies)
    visit.line.ask("release", visit.pays(manifest))
    return visit, manifest


def code_of(direct: Direct, name: str, message: messages.Message) -> RefusalCode | None:
    async def ask() -> None:
        direct.ask(name, message)

    return asyncio.run(refused(ask()))


def open_cases(rehearsal: Rehearsal) -> tuple[cases.Case, ...]:
    with rehearsal.city.engine.begin() as connection:
        return cases.listed(connection)


# -- what opens one --------------------------------------------------------------------------------


def double_release(rehearsal: Rehearsal, direct: Direct) -> None:
    visit, manifest = issued(rehearsal)
    assert code_of(direct, "release", visit.pays(manifest)) is RefusalCode.ORDER_OVER


def release_of_nothing(rehearsal: Rehearsal, direct: Direct) -> None:
    visit, manifest = ordered(rehearsal)
    message = swap(visit.pays(manifest), order=new_id())
    assert code_of(direct, "release", message) is RefusalCode.ORDER_UNKNOWN


def other_document(rehearsal: Rehearsal, direct: Direct) -> None:
    visit, manifest = ordered(rehearsal)
    message = swap(visit.pays(manifest), document_sha256="0" * 64)
    assert code_of(direct, "release", message) is RefusalCode.OTHER_DOCUMENT


def another_kiosks_session(rehearsal: Rehearsal, direct: Direct) -> None:
    visit, manifest = ordered(rehearsal, kiosk="kiosk-2")
    assert code_of(direct, "release", visit.pays(manifest)) is RefusalCode.SESSION_UNKNOWN


def another_kiosks_order(rehearsal: Rehearsal, direct: Direct) -> None:
    _, theirs = ordered(rehearsal, kiosk="kiosk-2")
    visit, manifest = ordered(rehearsal)
    message = swap(visit.pays(manifest), order=theirs.order)
    assert code_of(direct, "release", message) is RefusalCode.ORDER_UNKNOWN


def another_kiosks_outcome(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = ordered(rehearsal, kiosk="kiosk-2")
    assert code_of(direct, "outcome", outcome_of(manifest)) is RefusalCode.ORDER_UNKNOWN


def session_again(rehearsal: Rehearsal, direct: Direct) -> None:
    visit, _ = ordered(rehearsal)
    challenge = direct.ask("hello", HELLO).challenge
    again = session_request(
        visit.card, challenge, sealing.generate(), session=visit.request.session
    )
    assert code_of(direct, "sessions", again) is RefusalCode.SESSION_REUSED


def another_order_of_that_id(rehearsal: Rehearsal, direct: Direct) -> None:
    visit, _ = ordered(rehearsal)
    assert code_of(direct, "orders", swap(visit.order, copies=2)) is RefusalCode.ORDER_REUSED


def outcome_of_nothing(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = issued(rehearsal)
    assert (
        code_of(direct, "outcome", swap(outcome_of(manifest), order=new_id()))
        is RefusalCode.ORDER_UNKNOWN
    )


def contrary_outcome(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = issued(rehearsal)
    told = outcome_of(manifest)
    direct.ask("outcome", told)
    assert (
        code_of(direct, "outcome", swap(told, result=messages.Result.FAILED))
        is RefusalCode.OUTCOME_REUSED
    )


def second_outcome(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = issued(rehearsal)
    direct.ask("outcome", outcome_of(manifest))
    assert (
        code_of(direct, "outcome", outcome_of(manifest, messages.Result.FAILED))
        is RefusalCode.OUTCOME_REUSED
    )


def too_few_sheets(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = issued(rehearsal, copies=2)
    direct.ask("outcome", swap(outcome_of(manifest), sheets=1))


def too_many_sheets(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = issued(rehearsal)
    direct.ask("outcome", swap(outcome_of(manifest, messages.Result.FAILED), sheets=2))


def too_much_kept(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = issued(rehearsal)
    direct.ask("outcome", swap(outcome_of(manifest), kept=manifest.fee + 100))


def kept_for_nothing(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = issued(rehearsal)
    direct.ask("outcome", swap(outcome_of(manifest, messages.Result.FAILED), kept=manifest.fee))


def printed_without_release(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = ordered(rehearsal)
    direct.ask("outcome", outcome_of(manifest))


def nobody_can_tell(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = issued(rehearsal)
    direct.ask("outcome", outcome_of(manifest, messages.Result.UNKNOWN))


def rejected_document(rehearsal: Rehearsal, direct: Direct) -> None:
    _, manifest = ordered(rehearsal)
    direct.ask("cancel", messages.CancelRequest(session=manifest.session, rejected="holder"))
    direct.ask("cancel", messages.CancelRequest(session=manifest.session))
    [case] = open_cases(rehearsal)
    assert (case.kind, case.order) == (manifest.kind, manifest.order)


ANOMALIES: list[tuple[Callable[[Rehearsal, Direct], None], str]] = [
    (double_release, "double-release"),
    (release_of_nothing, "order-unknown"),
    (other_document, "mix-up"),
    (another_kiosks_session, "mix-up"),
    (another_kiosks_order, "mix-up"),
    (another_kiosks_outcome, "mix-up"),
    (session_again, "session-reused"),
    (another_order_of_that_id, "order-reused"),
    (outcome_of_nothing, "order-unknown"),
    (contrary_outcome, "outcome-contradicts"),
    (second_outcome, "outcome-contradicts"),
    (too_few_sheets, "sheets-mismatch"),
    (too_many_sheets, "sheets-mismatch"),
    (too_much_kept, "money-mismatch"),
    (kept_for_nothing, "money-mismatch"),
    (printed_without_release, "printed-unissued"),
    (nobody_can_tell, "outcome-unknown"),
    (rejected_document, "document-rejected"),
]


@both
@pytest.mark.parametrize(
    ("anomaly", "code"), ANOMALIES, ids=[made.__name__ for made, _ in ANOMALIES]
)
def test_each_anomaly_is_a_case(
    rehearsal: Rehearsal, anomaly: Callable[[Rehearsal, Direct], None], code: str
) -> None:
    direct = Direct(rehearsal.city)
    anomaly(rehearsal, direct)
    [case] = open_cases(rehearsal)
    assert (case.code, case.kiosk) == (code, "kiosk-1")
    assert case.session or case.order
    assert case.pauses == ("kiosk-1" if code in ("mix-up", "printed-unissued") else "")


def test_an_ordinary_journey_a_late_one_and_a_failed_print_open_none(rehearsal: Rehearsal) -> None:
    direct = Direct(rehearsal.city)
    _, manifest = issued(rehearsal, copies=2)
    direct.ask("outcome", swap(outcome_of(manifest), sheets=2))
    _, failed = issued(rehearsal, copies=2)
    direct.ask("outcome", swap(outcome_of(failed, messages.Result.FAILED), sheets=1))
    visit, late = ordered(rehearsal)
    direct.ask("cancel", messages.CancelRequest(session=late.session))
    assert code_of(direct, "release", visit.pays(late)) is RefusalCode.SESSION_UNKNOWN
    assert open_cases(rehearsal) == ()


@both
def test_the_same_anomaly_again_is_the_same_case_until_it_is_closed(rehearsal: Rehearsal) -> None:
    direct = Direct(rehearsal.city)
    _, manifest = issued(rehearsal)
    stray = swap(outcome_of(manifest), order=new_id())
    for _ in range(3):
        code_of(direct, "outcome", stray)
    [case] = open_cases(rehearsal)
    city = rehearsal.city
    assert city.decide(lambda c: cases.close_case(c, case.case, 1, "looked into"))
    assert not city.decide(lambda c: cases.close_case(c, case.case, 1, "again"))
    code_of(direct, "outcome", stray)
    assert [found.case for found in open_cases(rehearsal)] != [case.case]


# -- what one stops --------------------------------------------------------------------------------


def paused(rehearsal: Rehearsal, **path: str) -> str:
    city = rehearsal.city
    city.decide(lambda c: cases.open_case(c, cases.MIX_UP, 0, **path))
    return open_cases(rehearsal)[-1].case


@both
@pytest.mark.parametrize("path", [{"kiosk": "kiosk-1"}, {}])
def test_a_paused_kiosk_is_told_maintenance_and_can_still_tell_outcomes(
    rehearsal: Rehearsal, path: dict[str, str]
) -> None:
    direct, beside = Direct(rehearsal.city), rehearsal.beside()
    visit, manifest = ordered(rehearsal)
    case = paused(rehearsal, **path)
    terms = Direct(beside).ask(
        "hello", HELLO
    )  # through whichever gateway it was opened, all of them know
    assert not terms.open
    assert terms.refusal is not None
    assert terms.refusal.code is RefusalCode.MAINTENANCE
    assert code_of(direct, "release", visit.pays(manifest)) is RefusalCode.MAINTENANCE
    assert code_of(direct, "orders", visit.asks("inkan")) is RefusalCode.MAINTENANCE
    entry = session_request(visit.card, terms.challenge, sealing.generate())
    assert code_of(direct, "sessions", entry) is RefusalCode.MAINTENANCE
    assert Direct(rehearsal.city, "kiosk-2").ask("hello", HELLO).open is bool(path)
    direct.ask("outcome", outcome_of(manifest, messages.Result.FAILED))
    direct.ask("cancel", messages.CancelRequest(session=manifest.session))
    assert rehearsal.city.decide(lambda c: cases.close_case(c, case, 1, "looked into"))
    assert direct.ask("hello", HELLO).open
    with rehearsal.city.engine.begin() as connection:
        assert connection.execute(select(tables.orders.c.state)).scalars().all() == ["void"]
    beside.engine.dispose()


def test_a_paused_certificate_is_not_offered_and_the_others_are(rehearsal: Rehearsal) -> None:
    visit, manifest = ordered(rehearsal)
    paused(rehearsal, kind="inkan")
    terms = visit.line.ask("hello", HELLO)
    assert terms.open
    assert {notice.kind: notice.open for notice in terms.certificates} == {
        "juminhyo": True,
        "inkan": False,
        "kazei": True,
    }
    assert code_of(visit.line, "release", visit.pays(manifest)) is RefusalCode.MAINTENANCE
    again = Visit(visit.line, visit.card)
    offers = {offer.kind: offer for offer in asyncio.run(again.enter()).offers}
    assert offers["inkan"].refusal is RefusalCode.MAINTENANCE
    assert not offers["inkan"].options
    assert offers["juminhyo"].refusal is None
    assert asyncio.run(refused(again.orders("inkan"))) is RefusalCode.MAINTENANCE
    assert asyncio.run(again.orders("juminhyo"))[0].kind == "juminhyo"


# -- the command -----------------------------------------------------------------------------------


@both
def test_a_person_lists_looks_opens_and_closes(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(rehearsal.folder / "city.toml")]

    def run_cases(action: str, *more: str) -> tuple[int, str]:
        code = main(["city", "cases", action, *config, *more])
        return code, capsys.readouterr().out.strip()

    assert run_cases("list") == (0, "no open case")
    assert json.loads(run_cases("list", "--json")[1]) == []
    double_release(rehearsal, Direct(rehearsal.city))
    [found] = json.loads(run_cases("list", "--json")[1])
    assert (found["code"], found["pauses"]) == ("double-release", "")
    shown = json.loads(run_cases("show", found["case"], "--json")[1])
    assert [entry["event"] for entry in shown["log"]] == [
        "reserved",
        "issued",
        "release-refused",
        "case",
    ]
    assert "double-release" in run_cases("show", found["case"])[1]
    assert run_cases("open", "--certificate", "kazei")[0] == 0
    assert "stops kazei" in run_cases("list")[1]
    for case in json.loads(run_cases("list", "--json")[1]):
        assert run_cases("close", case["case"], "--note", "the kiosk's journal agrees")[0] == 0
    assert run_cases("list") == (0, "no open case")
    assert run_cases("list", "--all")[1].count("the kiosk's journal agrees") == 2
    assert run_cases("close", found["case"], "--note", "again")[0] == 1
    assert run_cases("show", "0" * 32)[0] == 1


@both
def test_migrate_says_what_it_did(rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["city", "migrate", "--config", str(rehearsal.folder / "city.toml")]) == 0
    assert capsys.readouterr().out.startswith("schema ")


def test_opening_and_closing_are_in_the_log(rehearsal: Rehearsal) -> None:
    case = paused(rehearsal, kiosk="kiosk-1")
    transact(
        rehearsal.city.engine,
        Mode.DECIDE,
        lambda c: cases.close_case(c, case, 1, "明石　花子 was here"),
    )
    with rehearsal.city.engine.begin() as connection:
        entries = [json.loads(row.entry) for row in connection.execute(select(tables.audit))]
    assert [(entry["event"], entry["case"]) for entry in entries] == [
        ("case", case),
        ("case-closed", case),
    ]
    assert "花子" not in str(entries)
