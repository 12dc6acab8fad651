"""The judge of the power cuts is shown every kind of wrong outcome, and must see each."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from power_cut.judge import TO_BE_COUNTED, WRONG, Case, Evidence, Order, Outcome, judge
from power_cut.paper import Sheet, Slip, read_sheet, read_slip

from firmware.sheets.slip import draw
from firmware.sheets.slip_contents import Claim, Issued, Receipt

ONE, THREE, FAMILY = Order(100), Order(100, copies=3), Order(100, pages=3)
RECEIPT = Slip("receipt")
OPEN = (Case("a" * 32, "power.sheet-unknown"),)
COUNT = (Case("b" * 32, sorted(TO_BE_COUNTED)[0]),)


def sheets(*pages: int, of: int = 1, number: str = "A1") -> tuple[Sheet, ...]:
    return tuple(Sheet(number, page, of) for page in pages)


def claim(amount: int, number: str = "a" * 32) -> Slip:
    return Slip("claim", amount, number)


PAID = Evidence(ONE, coins_in=500, coins_out=400, sheets=sheets(1), slips=(RECEIPT,))


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [
        (PAID, "exact"),
        (Evidence(ONE), "exact"),
        (Evidence(ONE, coins_in=60, coins_out=60), "exact"),
        (Evidence(Order(0), sheets=sheets(1)), "exact"),
        (Evidence(THREE, coins_in=300, sheets=sheets(1, 1, 1)), "exact"),
        (Evidence(THREE, coins_in=300, coins_out=200, sheets=sheets(1)), "exact"),  # copy by copy
        (Evidence(FAMILY, coins_in=100, sheets=sheets(1, 2, 3, of=3)), "exact"),
        # something is in doubt, and somebody will look
        (replace(PAID, cases=OPEN), "with_case"),
        (Evidence(ONE, coins_in=100, cases=OPEN, owed_or_held=100), "with_case"),
        (Evidence(ONE, coins_in=100, unheard=100, cases=COUNT), "with_case"),
        (Evidence(ONE, coins_in=100, unheard=10, cases=COUNT, owed_or_held=90), "with_case"),
        (
            Evidence(
                ONE, coins_in=500, coins_out=160, sheets=sheets(1), slips=(claim(240),), cases=OPEN
            ),
            "with_case",
        ),
        (Evidence(ONE, coins_in=500, sheets=sheets(1), cases=OPEN, owed_or_held=500), "with_case"),
        (
            Evidence(
                FAMILY,
                coins_in=500,
                coins_out=400,
                sheets=sheets(1, of=3),
                cases=OPEN,
                owed_or_held=100,
            ),
            "with_case",
        ),
        # printed again under the same number, it is one claim
        (
            Evidence(
                ONE, coins_in=100, slips=(claim(100), claim(100)), cases=OPEN, owed_or_held=100
            ),
            "with_case",
        ),
        # money is inside and nobody will ever know
        (replace(PAID, coins_out=300), "lost"),
        (replace(PAID, coins_out=0), "lost"),
        (Evidence(ONE, coins_in=10), "lost"),
        (Evidence(ONE, coins_in=100, cases=OPEN), "lost"),
        (Evidence(ONE, coins_in=100, cases=OPEN, owed_or_held=90), "lost"),
        (Evidence(ONE, coins_in=100, cases=COUNT), "lost"),  # it fell in long before the cut
        (Evidence(ONE, coins_in=100, unheard=100, cases=OPEN), "lost"),
        (Evidence(ONE, coins_in=100, unheard=50, cases=COUNT), "lost"),
        (
            Evidence(
                ONE, coins_in=500, coins_out=160, slips=(claim(40),), cases=OPEN, owed_or_held=240
            ),
            "lost",
        ),
        (Evidence(THREE, coins_in=300, sheets=sheets(1, 1)), "lost"),
        (Evidence(FAMILY, coins_in=100, sheets=sheets(1, 2, of=3)), "lost"),
        # more than was given
        (replace(PAID, coins_out=510), "doubled"),
        (
            Evidence(
                ONE, coins_in=100, coins_out=100, slips=(claim(100),), cases=OPEN, owed_or_held=100
            ),
            "doubled",
        ),
        (
            Evidence(
                ONE,
                coins_in=100,
                slips=(claim(100), claim(100, "c" * 32)),
                cases=OPEN,
                owed_or_held=200,
            ),
            "doubled",
        ),
        (
            Evidence(
                ONE,
                coins_in=100,
                slips=(claim(100, ""), claim(100, "")),
                cases=OPEN,
                owed_or_held=100,
            ),
            "doubled",
        ),
        (replace(PAID, sheets=sheets(1, 1)), "doubled"),
        (replace(PAID, sheets=(*sheets(1), *sheets(1, number="B2"))), "doubled"),
        (Evidence(THREE, coins_in=300, sheets=sheets(1, 1, 1, 1)), "doubled"),
        (Evidence(FAMILY, coins_in=100, sheets=sheets(1, 2, 3, 2, of=3)), "doubled"),
        # the sheet and its fee
        (replace(PAID, coins_out=500), "both_given"),
        (
            Evidence(
                ONE,
                coins_in=100,
                sheets=sheets(1),
                slips=(claim(100),),
                cases=OPEN,
                owed_or_held=100,
            ),
            "both_given",
        ),
        (Evidence(ONE, sheets=sheets(1)), "both_given"),
        (Evidence(THREE, coins_in=300, coins_out=200, sheets=sheets(1, 1)), "both_given"),
        (
            Evidence(FAMILY, coins_in=500, coins_out=500, sheets=sheets(1, of=3), cases=OPEN),
            "both_given",
        ),
        (replace(PAID, coins_out=500, sheets=(Sheet("", 1, 1),)), "both_given"),
        # nobody can serve, nobody can read
        (replace(PAID, home=False), "stuck"),
        (replace(PAID, slips=(Slip(""),)), "unreadable"),
        (replace(PAID, sheets=(Sheet("", 1, 1),)), "unreadable"),
    ],
)
def test_outcomes(evidence: Evidence, outcome: str) -> None:
    verdict = judge(evidence)
    assert verdict.outcome == outcome, verdict.why


def test_what_is_wrong_has_a_reason() -> None:
    assert "300" in judge(replace(PAID, coins_out=100)).why
    assert WRONG == {
        Outcome.LOST,
        Outcome.DOUBLED,
        Outcome.BOTH_GIVEN,
        Outcome.STUCK,
        Outcome.UNREADABLE,
    }


@pytest.mark.parametrize("name", ["judge.py", "paper.py", "books.py"])
def test_the_judge_shares_no_code_with_what_he_judges(name: str) -> None:
    tree = ast.parse(Path(__file__).with_name(name).read_text())
    named = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named += [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    ours = {name.split(".")[0] for name in named} & {"firmware", "hal", "city", "testbed"}
    assert not ours
    assert {name for name in named if name.startswith("power_cut")} <= {
        "power_cut.judge",
        "power_cut.paper",
    }


# -- his eyes


ISSUED = Issued(city="明石市", city_en="x", at="x", kiosk="x")


def picture(content: Receipt | Claim) -> Image.Image:
    slip = draw(content.lines())
    return Image.frombytes("1", (slip.width, slip.height), slip.rows, "raw", "1;I")


def claim_slip(amount: int, case: str) -> Image.Image:
    content = Claim(
        issued=ISSUED,
        office="明石市役所",
        office_en="x",
        phone="x",
        hours="平日",
        hours_en="x",
        amount=amount,
        case=case[:12],
    )
    return picture(content)


@pytest.mark.parametrize("amount", [10, 40, 240, 500, 1_230])
def test_a_claim_is_read(amount: int) -> None:
    numbers = [f"{number:032x}" for number in (7 << 100, 8 << 100, 9 << 100)]
    assert read_slip(claim_slip(amount, numbers[1]), numbers) == Slip("claim", amount, numbers[1])


def test_a_claim_of_no_open_case_has_no_number() -> None:
    assert read_slip(claim_slip(50, "f" * 32), ["0" * 32]) == Slip("claim", 50, "")


def test_a_receipt_is_no_claim_and_a_white_slip_is_neither() -> None:
    content = Receipt(
        issued=ISSUED,
        certificate="住民票の写し",
        certificate_en="x",
        copies=1,
        fee=100,
        inserted=500,
        change=400,
        number="x",
    )
    assert read_slip(picture(content), []) == RECEIPT
    assert read_slip(Image.new("1", (576, 900), 1), []) == Slip("")


def test_a_torn_claim_promises_nothing() -> None:
    whole = claim_slip(240, "a" * 32)
    dots = np.asarray(whole)
    assert read_slip(Image.fromarray(dots[:200]), ["a" * 32]) == Slip("claim")
    assert read_slip(Image.fromarray(dots[:20]), ["a" * 32]) == Slip("torn")


def test_a_piece_of_a_sheet_is_none() -> None:
    assert read_sheet(Image.new("1", (1654, 2338), 1)) is None
    assert read_sheet(Image.new("1", (1654, 2339), 1)) == Sheet("", 1, 1)
