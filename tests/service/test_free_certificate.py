"""A certificate that costs nothing: nobody is asked for money, and no paper speaks of any."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from service.test_crash import JOURNEY, entries

from firmware.sheets.slip_contents import Issued, Receipt
from testbed.customer import Watcher
from testbed.demo import FOLDER
from testbed.model_check.on_wires import free_city
from testbed.rehearsal import prepare
from testbed.scenario import wires
from testbed.scenario_file import Step
from testbed.screen import Seen
from testbed.system import System

pytestmark = pytest.mark.wires

MONEY = ("お預かり", "おつり", "Inserted", "Change", "change")


def test_no_payment_no_slot_no_change(tmp_path: Path) -> None:
    seen: list[str] = []

    async def play() -> None:
        async with System(prepare(FOLDER, tmp_path, city=free_city())) as system:
            async with Watcher(
                system.rehearsal.panel, system.rehearsal.panel_key
            ).watching() as watcher:
                run = Journey(JOURNEY, system, watcher)
                for step in filter(None, map(_free_of_charge, JOURNEY.steps)):
                    await wires.STEPS[step.verb](run, step)
                seen.extend(run.names)
            kinds = {kind for kind, _ in entries(system.rehearsal)}
            assert "sheet-done" in kinds
            assert not kinds & {"coin-counter", "coin", "dispense", "payout-begun"}
            assert not system.bench.coins.paid_out
            assert (
                sum(
                    sheet.printer == "receipts"
                    for sheet in (*system.bench.taken, *system.bench.waiting)
                )
                == 1
            )

    asyncio.run(play())
    assert "printing" in seen
    assert not {"paying", "settling", "change", "refunding"} & set(seen)


class Journey(wires.WireRun):
    """`names` of all screens on the way; none of them speaks of change."""

    names: tuple[str, ...] = ()

    async def _next(self, timeout_s: float) -> Seen:
        seen = await super()._next(timeout_s)
        self.names += (seen.name,)
        assert "おつり" not in seen.text, seen.name
        return seen


def _free_of_charge(step: Step) -> Step | None:
    if step.coin or step.see in ("paying", "settling"):
        return None
    if step.see == "confirm":
        return Step(see="confirm", facts={"total": 0, "free": True}, says="料金はかかりません。")
    if step.see == "receipt":
        return Step(see="receipt", facts={"change": 0, "free": True})
    return step


def lines(fee: int, inserted: int, change: int) -> list[str]:
    """What stands on the receipt."""
    content = Receipt(
        issued=Issued(city="", city_en="", at="", kiosk=""),
        certificate="",
        certificate_en="",
        copies=1,
        fee=fee,
        inserted=inserted,
        change=change,
        number="",
    )
    return [text for line in content.lines() for text in (line.ja, line.en, line.value)]


def test_the_receipt_of_a_free_certificate_does_not_speak_of_money() -> None:
    said = " ".join(lines(fee=0, inserted=0, change=0))
    assert not [word for word in MONEY if word in said]
    assert "0円" in said


def test_a_receipt_without_change_asks_nobody_to_take_some() -> None:
    exact = lines(fee=100, inserted=100, change=0)
    assert {"お預かり", "おつり"} <= set(exact)
    assert "おつりと証明書をお取りください。" not in exact
    assert "おつりと証明書をお取りください。" in lines(fee=100, inserted=500, change=400)


def test_money_that_fell_in_all_the_same_stands_on_the_receipt() -> None:
    assert {"50円", "お預かり"} <= set(lines(fee=0, inserted=50, change=50))
