"""The interlock: every rule refuses when its fact is missing, and only then; every command has a
rule.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from flow_rig import HOLDER, SHA, at_printing

from firmware.flow import commands, events
from firmware.flow.permits import RULES, Facts, Permits
from firmware.flow.session import Presence

DOCUMENT = events.DocumentChecked(epoch=1, document=SHA, unique_number="N", sheets=2, fee=100)
AT_CARD = Facts(presence=Presence.PRESENT, stay="here", epoch=1, read=True)
OPENED = Facts(presence=Presence.ABSENT, epoch=1, authenticated=True, opened=True)
CHECKED = replace(OPENED, document=DOCUMENT, printers_ready=True)
PAID = replace(CHECKED, inserted=500)
RELEASED = replace(PAID, release_asked=True, released=SHA)
OUT = replace(RELEASED, printed=2)

READ = commands.ReadCard(epoch=1, stay="here")
AUTHENTICATE = commands.Authenticate(epoch=1, stay="here")
ORDER = commands.PlaceOrder(epoch=1, kind="inkan", choices=(), copies=1)
RELEASE = commands.ReleaseOrder(epoch=1, document=SHA, paid=500)
PRINT = commands.PrintSheet(epoch=1, document=SHA, sheet=1)
RECEIPT = commands.PrintReceipt(epoch=1, copies=1, fee=100, inserted=500, change=400)
CHARGE = commands.Charge(epoch=1, document=SHA, amount=100)
REVERSE = commands.Reverse(transaction="1", amount=100)
REPORT = commands.ReportOutcome(result="printed", sheets=2, kept=100, returned=400, owed=0)

# What is allowed, and with which single fact changed, or which other command, it is not: and why.
CASES: list[
    tuple[commands.Command, Facts, list[tuple[str, dict[str, object] | commands.Command]]]
] = [
    (
        READ,
        AT_CARD,
        [
            ("not the card that lies there", {"presence": Presence.UNKNOWN}),
            ("not the card that lies there", {"stay": "another"}),
        ],
    ),
    (
        AUTHENTICATE,
        AT_CARD,
        [
            ("not the card that lies there", {"presence": Presence.ABSENT}),
            ("the card was not read", {"read": False}),
            ("the card was not read", {"epoch": 2}),
            ("authenticated already", {"authenticated": True}),
        ],
    ),
    (
        commands.OpenSession(epoch=1),
        OPENED,
        [("nobody is authenticated", {"authenticated": False})],
    ),
    (
        ORDER,
        OPENED,
        [
            ("no session is open", {"opened": False}),
            ("a document is here already", {"document": DOCUMENT}),
        ],
    ),
    (
        commands.AcceptCoins(due=100),
        CHECKED,
        [
            ("no checked document", {"document": None}),
            ("the printers are not ready", {"printers_ready": False}),
            ("released already", {"release_asked": True}),
            ("nothing is due", commands.AcceptCoins(due=0)),
        ],
    ),
    (
        RELEASE,
        PAID,
        [
            ("not the checked document", {"document": None}),
            (
                "not the checked document",
                commands.ReleaseOrder(epoch=1, document="another", paid=500),
            ),
            ("not the checked document", commands.ReleaseOrder(epoch=2, document=SHA, paid=500)),
            ("not paid", {"inserted": 90}),
            ("not paid", {"returned": 450}),
            ("coins can still come in", {"accepting": True}),
            ("a charge is under way", {"charging": 100}),
            ("asked already", {"release_asked": True}),
        ],
    ),
    (
        PRINT,
        RELEASED,
        [
            ("not the checked document", commands.PrintSheet(epoch=1, document="another", sheet=1)),
            ("not the checked document", {"document": None}),
            ("not released by the city", {"released": ""}),
            ("not paid", {"inserted": 0}),
            ("not the next sheet", commands.PrintSheet(epoch=1, document=SHA, sheet=2)),
            ("not the next sheet", {"printing": 1}),
            ("not the next sheet", {"printed": 2}),
        ],
    ),
    (
        commands.PayOut(amount=400),
        OUT,
        [
            ("a payout is under way", {"paying_out": True}),
            ("coins can still come in", {"accepting": True}),
            ("more than is held", {"returned": 100}),
            ("more than is held", commands.PayOut(amount=401)),
            ("more than is held", commands.PayOut(amount=0)),
            ("more than is in the machine", {"inserted": 390, "charged": 110}),
        ],
    ),
    (
        CHARGE,
        CHECKED,
        [
            ("not the checked document", {"document": None}),
            ("not the checked document", commands.Charge(epoch=2, document=SHA, amount=100)),
            ("not the fee", commands.Charge(epoch=1, document=SHA, amount=99)),
            ("the printers are not ready", {"printers_ready": False}),
            ("coins can come in", {"accepting": True}),
            ("a charge is under way", {"charging": 100}),
            ("charged already", {"charged": 100}),
            ("charged already", {"doubted": 100}),
            ("released already", {"release_asked": True}),
        ],
    ),
    (
        REVERSE,
        replace(CHECKED, charged=100),
        [
            ("a charge is under way", {"charging": 100}),
            ("a payout is under way", {"paying_out": True}),
            ("a reversal is under way", {"reversing": True}),
            ("more than is held", {"printed": 2}),
            ("more than is held", {"undecided": 100}),
            ("more than is held", commands.Reverse(transaction="1", amount=0)),
            ("more than was charged", {"inserted": 100, "charged": 90}),
        ],
    ),
    (commands.PayOut(amount=500), PAID, [("more than is held", {"printed": 2})]),
    (
        RECEIPT,
        OUT,
        [
            ("the sheets are not all out", {"printed": 1}),
            ("the sheets are not all out", {"document": None}),
        ],
    ),
    (commands.PrintClaim(epoch=1, owed=400), OUT, [("more than is held", {"returned": 1})]),
    (REPORT, OUT, [("no release was asked for", {"release_asked": False})]),
    (commands.CheckPrinters(epoch=1), OPENED, []),
    (
        commands.OpenTechnician(),
        Facts(presence=Presence.ABSENT),
        [
            ("somebody is, or was, served here", {"begun": True}),
            ("a card lies there", {"presence": Presence.PRESENT}),
            ("money is in the machine", {"inserted": 10}),
            ("money is in the machine", {"accepting": True}),
            ("money is in the machine", {"charging": 100}),
        ],
    ),
    (
        commands.OpenCase(code="print.unknown", pauses=True, held=500),
        PAID,
        [
            (
                "more than was inserted",
                commands.OpenCase(code="print.unknown", pauses=True, held=501),
            )
        ],
    ),
]
NEEDS_ABSENCE = (
    commands.OpenSession,
    commands.PlaceOrder,
    commands.AcceptCoins,
    commands.Charge,
    commands.ReleaseOrder,
    commands.PrintSheet,
)
AFTER_THE_END = (commands.ReportOutcome, commands.OpenCase)


@pytest.mark.parametrize(
    ("command", "facts", "wrong"), CASES, ids=lambda value: type(value).__name__
)
def test_each_rule_refuses(
    command: commands.Command, facts: Facts, wrong: list[tuple[str, object]]
) -> None:
    assert Permits(facts).refuse(command) == ""
    for reason, change in wrong:
        if isinstance(change, dict):
            refused = Permits(replace(facts, **change)).refuse(command)
        else:
            assert isinstance(change, commands.Command)
            refused = Permits(facts).refuse(change)
        assert refused == reason
    if not isinstance(command, AFTER_THE_END):
        assert Permits(replace(facts, ended=True)).refuse(command) == "the session has ended"
    if isinstance(command, NEEDS_ABSENCE):
        for presence in (Presence.PRESENT, Presence.UNKNOWN):
            refused = Permits(replace(facts, presence=presence)).refuse(command)
            assert refused == "the card is not known to be absent"


def test_every_rule_has_its_case() -> None:
    tested = {(type(command), reason) for command, _, wrong in CASES for reason, _ in wrong}
    common = {"the session has ended", "the card is not known to be absent"}
    assert tested == {
        (kind, reason)
        for kind, rules in RULES.items()
        for reason, _ in rules
        if reason not in common
    }


def test_every_command_has_a_rule() -> None:
    assert set(RULES) == set(commands.Command.__subclasses__())


def test_a_command_without_a_rule_is_refused() -> None:
    assert Permits().refuse(commands.Command()) == "no rule for this command"


def test_answers_of_another_epoch_teach_nothing() -> None:
    permits = Permits(replace(AT_CARD))
    permits.observe(events.CardAuthenticated(epoch=0, card=SHA))
    assert not permits.facts.authenticated


def test_an_answer_of_a_card_that_was_let_go_teaches_nothing() -> None:
    permits = Permits(replace(AT_CARD))
    permits.issued(commands.ReleaseCard())
    permits.observe(events.CardAuthenticated(epoch=1, card=SHA))
    assert not permits.facts.authenticated


def test_nothing_is_learnt_out_of_order() -> None:
    permits = Permits(Facts(epoch=1))
    for event in (
        events.CardAuthenticated(epoch=1, card=SHA),
        events.SessionOpened(epoch=1, offers=(), expires_in_days=1, holder=HOLDER),
        DOCUMENT,
        events.Released(epoch=1, document=SHA),
    ):
        permits.observe(event)
    facts = permits.facts
    assert (facts.authenticated, facts.opened, facts.document, facts.released) == (
        False,
        False,
        None,
        "",
    )


def test_a_new_reading_is_a_new_identity() -> None:
    permits = at_printing().permits
    permits.issued(commands.ReadCard(epoch=9, stay="here"))
    facts = permits.facts
    assert (facts.read, facts.authenticated, facts.opened, facts.document) == (
        False,
        False,
        False,
        None,
    )


def test_an_order_given_up_prints_nothing_more() -> None:
    permits = at_printing(sheets=2).permits
    permits.issued(commands.PurgePrinter())
    permits.observe(events.SheetPrinted(epoch=permits.facts.epoch, sheet=1))
    assert (
        permits.refuse(commands.PrintSheet(epoch=permits.facts.epoch, document=SHA, sheet=2))
        == "not the checked document"
    )
    assert permits.refuse(commands.PayOut(amount=100)) == "more than is held", (
        "a sheet was on its way"
    )
