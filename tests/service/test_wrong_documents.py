"""What the desk makes of a document: sheets for the printer, or a rejection with its reason, before
money.
"""

from __future__ import annotations

import hashlib
import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.flow import events
from firmware.link import messages, sealing
from firmware.link.client import LineReason
from firmware.service import city_desk as city_work
from firmware.service.city_desk import CityDesk
from firmware.service.config import EscposSection
from firmware.service.vault import Vault
from firmware.sheets.admit import Admitted, RefusedDocument, SignedTerms
from firmware.sheets.binding import Ordered
from firmware.sheets.fault import SheetReason
from firmware.sheets.prepare import SheetImage, Target

SESSION, ORDER, CERTIFICATE = "5" * 32, "6" * 32, b"card"
REQUEST = messages.OrderRequest(session=SESSION, order=ORDER, kind="inkan", choices={}, copies=2)
ANSWER = messages.OrderAnswer(order=ORDER, manifest=b"m", manifest_signature=bytes(64), sealed=b"s")
SHEET = SheetImage(1, 1, 8, 1, b"\x01")
TOLD = messages.SessionAnswer(
    session=SESSION,
    holder="m1",
    holder_birth="昭和55年5月14日",
    holder_address="明石市",
    members={"m1": "明石　太郎"},
    records={},
    record_version=1,
    offers=(),
    card_expires_in_days=9,
    ends_in_s=9,
)


class Door:
    """Stands in for `admit`: keeps what it was asked, answers as it was told."""

    def __init__(self, answer: Admitted | RefusedDocument) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def __call__(self, *asked: Any) -> Admitted | RefusedDocument:
        self.asked.append(asked)
        return self.answer


def desk(now: str = "2026-11-24T23:59:30+09:00") -> CityDesk:
    sheets = EscposSection(address="127.0.0.1:1", width=1664)
    config: Any = SimpleNamespace(kiosk=SimpleNamespace(id="kiosk-1"), sheets=sheets)
    made = CityDesk(config, SimpleNamespace(), SimpleNamespace())  # type: ignore[arg-type]
    made.terms = SimpleNamespace(now=now, form_terms=b"t", form_terms_signature=b"g")  # type: ignore[assignment]
    made.terms_at = time.monotonic()
    return made


def vault() -> Vault:
    made = Vault(SESSION, key=sealing.generate(), certificate=CERTIFICATE, answer=TOLD)
    made.order = ORDER
    return made


@pytest.mark.parametrize("reason", SheetReason)
def test_every_reason_is_one_rejection_one_line_and_told_to_the_city(
    reason: SheetReason, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("madoguchi"), "propagate", True)
    caplog.set_level(logging.INFO, "madoguchi")
    monkeypatch.setattr(city_work, "admit", Door(RefusedDocument(reason, 2)))
    at, its = desk(), vault()
    assert at._examine(3, REQUEST, ANSWER, its) == events.DocumentRejected(
        epoch=3, reason=reason.value
    )
    assert (its.sheets, its.document) == ((), "")
    assert at.rejected == reason.value
    [record] = [r for r in caplog.records if r.getMessage() == "sheets.rejected"]
    assert record.facts == {"reason": reason.value, "page": 2}  # type: ignore[attr-defined]


def test_an_admitted_document_is_kept_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(Admitted((SHEET, SHEET), "9" * 64, "7K3M9PQ2XW4T", 2, 200))
    monkeypatch.setattr(city_work, "admit", door)
    at, its = desk(), vault()
    assert at._examine(3, REQUEST, ANSWER, its) == events.DocumentChecked(
        epoch=3, document="9" * 64, unique_number="7K3M9PQ2XW4T", sheets=4, fee=200, copies=2
    )
    assert (its.sheets, its.document) == ((SHEET, SHEET), "9" * 64)


def test_the_door_is_asked_with_what_this_session_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(RefusedDocument(SheetReason.TERMS))
    monkeypatch.setattr(city_work, "admit", door)
    at, its = desk(), vault()
    at._examine(3, REQUEST, ANSWER, its)
    [(ordered, terms, answer, key, trust, target)] = door.asked
    assert isinstance(ordered, Ordered)
    assert (ordered.kiosk, ordered.request, ordered.session) == ("kiosk-1", REQUEST, TOLD)
    assert ordered.card_sha256 == hashlib.sha256(CERTIFICATE).hexdigest()
    assert [day.isoformat() for day in ordered.days] == [
        "2026-11-24",
        "2026-11-25",
    ]  # midnight is near
    assert terms == SignedTerms(b"t", b"g")
    assert answer is ANSWER
    assert its.key is not None
    assert key is its.key.private
    assert trust is at.trust
    assert isinstance(target, Target)
    assert (target.dpi, target.width, target.duplex) == (203, 1664, False)


@pytest.mark.parametrize("now", ["", "yesterday", "9999-12-31T23:59:59+00:00"])
def test_a_city_that_tells_no_time_has_no_day_of_issue(now: str) -> None:
    event = desk(now)._examine(3, REQUEST, ANSWER, vault())
    assert event == events.DocumentRejected(epoch=3, reason="date")


def test_what_was_destroyed_meanwhile_is_not_examined() -> None:
    its = vault()
    its.destroy()
    assert desk()._examine(3, REQUEST, ANSWER, its) == events.CityRefused(epoch=3, code="line-down")


def test_no_two_wrongs_share_a_reason() -> None:
    reasons = list(SheetReason)
    assert len(set(reasons)) == len(reasons)
    assert len(set(LineReason)) == len(LineReason)
    assert not set(LineReason) & set(messages.RefusalCode) - {
        "too-big",
        "malformed",
        "version",
        "other-document",
    }
