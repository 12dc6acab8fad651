"""The city's greeting: its clock, and the signed terms that every document will be measured by."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware.flow import events
from firmware.link import messages, signing
from firmware.link.client import CityRefusal, LineFault, LineReason
from firmware.link.clock import CityClock
from firmware.link.form_terms import Form, FormFee, FormIssuer, FormTerms
from firmware.link.refusals import RefusalCode
from firmware.service.city_desk import CityDesk
from firmware.texts import city_words, recordings
from hal.speaker import wav

JST = timezone(timedelta(hours=9))
TOLD: dict[str, Any] = {
    "protocol": messages.PROTOCOL,
    "city": "282031",
    "city_name": {"ja": "明石市"},
    "open": True,
    "refusal": None,
    "closes_in_s": None,
    "certificates": (
        messages.CertificateNotice(kind="inkan", title={"ja": "印鑑"}, fee=100, open=True),
    ),
    "contacts": {},
    "refusal_contacts": {},
    "challenge": bytes(32),
    "challenge_expires_s": 900,
}
TERMS_KEY, OTHER_TERMS_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
RECORDINGS = Path("/nowhere")
FORM = Form(
    kind="inkan",
    form="inkan",
    since=date(2016, 1, 1),
    until=None,
    title={"ja": "印鑑"},
    fees=(FormFee(since=date(2016, 1, 1), yen=100),),
    copies=3,
    subtitles={},
    statements={"seal": "証明します。"},
    notes=(),
    head=(),
    rows=(),
    always=(),
    fields={},
    tax_rows=(),
    amounts=(),
    seal_mm=18.0,
)
FORMS = FormTerms(
    city="282031",
    heading="明石市",
    verification="確認できます。",
    verification_page="https://verify.example/v",
    issuers=(FormIssuer(since=date(2016, 1, 1), office="市長", officer="名", stamp="市長之印"),),
    forms=(FORM,),
)


def greeted(
    limit: int = 3600,
    key: Ed25519PrivateKey = TERMS_KEY,
    languages: tuple[str, ...] = (),
    **changes: Any,
) -> tuple[CityDesk, events.Event]:
    """A desk that has heard these terms."""
    body = msgspec.json.encode(FORMS)
    now = datetime.now(JST).isoformat(timespec="seconds")
    signed = {
        "form_terms": body,
        "form_terms_signature": signing.sign_form_terms(key, body),
        "now": now,
    }
    heard = messages.Terms(**(TOLD | signed | changes))

    line = SimpleNamespace(clock=CityClock(limit))

    async def hello(_: messages.Hello) -> messages.Terms:
        line.clock.set_time(datetime.fromisoformat(heard.now).astimezone(JST))
        return heard

    line.hello = hello
    config: Any = SimpleNamespace(
        trust=SimpleNamespace(phone_policies=()),
        kiosk=SimpleNamespace(languages=("ja", "en")),
        voice=SimpleNamespace(recordings=RECORDINGS, languages=languages),
    )
    trust: Any = SimpleNamespace(terms_keys=[TERMS_KEY.public_key()], terms_edition=1)
    desk = CityDesk(config, line, trust)  # type: ignore[arg-type]
    return desk, asyncio.run(desk.fetch_terms())


def notice(**changes: Any) -> tuple[messages.CertificateNotice, ...]:
    facts: dict[str, Any] = {"kind": "inkan", "title": {"ja": "印鑑"}, "fee": 100, "open": True}
    return (messages.CertificateNotice(**(facts | changes)),)


def test_terms_that_are_signed_and_on_time_are_taken() -> None:
    desk, event = greeted()
    assert isinstance(event, events.TermsReceived)
    assert desk.trouble == ""
    late = (datetime.now(JST) - timedelta(days=2)).isoformat()
    assert isinstance(
        greeted(limit=0, now=late)[1], events.TermsReceived
    )  # where clocks are not compared


def test_a_kind_without_a_recording_keeps_the_kiosk_out_of_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its title (印鑑) is not the usual one of the kind. Once it is recorded, the kiosk serves."""
    monkeypatch.setitem(globals(), "RECORDINGS", tmp_path)
    assert greeted()[0].problem() == "", "no language has to be recorded"
    with caplog.at_level("INFO", "madoguchi"):
        desk, event = greeted(languages=("ja", "en"))
    assert isinstance(event, events.TermsReceived)
    assert (desk.problem(), desk.item()) == ("config", "voice")
    assert any("kiosk voice --config KIOSK.toml --words" in str(r.__dict__) for r in caplog.records)
    for phrase in city_words.phrases([(("ja", "印鑑"),)], ("ja", "en")):
        recorded = recordings.path_of(tmp_path, phrase)
        recorded.parent.mkdir(parents=True, exist_ok=True)
        recorded.write_bytes(wav.encode(wav.Recording(8_000, np.ones(9, np.int16))))
    assert greeted(languages=("ja", "en"))[0].problem() == ""
    told = notice(not_for={"ja": "使えません。"})
    assert greeted(languages=("ja", "en"), certificates=told)[0].item() == "voice"


def test_a_build_that_the_city_does_not_know_is_named() -> None:
    desk, _ = greeted(build_refused=True)
    assert (desk.problem(), desk.item()) == ("config", "build-refused")
    desk, _ = greeted()
    assert (desk.problem(), desk.item()) == ("", "")


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (LineFault(LineReason.VERSION), "version"),
        (LineFault(LineReason.TERMS), "terms"),
        (CityRefusal(messages.Refusal(code=RefusalCode.KIOSK_UNKNOWN)), "kiosk-unknown"),
    ],
)
def test_a_city_that_cannot_be_worked_with_is_named(answer: Exception, named: str) -> None:
    desk, _ = greeted()

    async def hello(_: messages.Hello) -> messages.Terms:
        raise answer

    taken = desk.line.hello
    desk.line.hello = hello  # type: ignore[method-assign]
    asyncio.run(desk.fetch_terms())
    assert (desk.problem(), desk.item()) == ("config", named)
    desk.line.hello = taken  # type: ignore[method-assign]
    asyncio.run(desk.fetch_terms())
    assert (desk.problem(), desk.item()) == ("", "")


def test_a_fee_that_no_coins_pay_is_not_asked_for() -> None:
    """Of 105 yen 5 would stay owed to everybody who pays in coins."""
    body = msgspec.json.encode(FORMS).replace(b'"yen":100', b'"yen":105')
    signature = signing.sign_form_terms(TERMS_KEY, body)
    given = {"form_terms": body, "form_terms_signature": signature}
    desk, event = greeted(**given, certificates=notice(fee=105))
    assert event == events.LineLost()
    assert desk.problem() == "config"


@pytest.mark.parametrize(
    "changes",
    [
        {"key": OTHER_TERMS_KEY},
        {"form_terms": b"{}"},
        {"city": "281000"},
        {"certificates": notice(fee=300)},
        {"certificates": notice(title={"ja": "印鑑", "en": "Certificate of residence"})},
        {"certificates": notice(kind="juminhyo")},
    ],
)
def test_a_city_that_cannot_be_measured_is_not_served(changes: dict[str, Any]) -> None:
    """Out of service before anybody has typed a PIN, not at the first document."""
    desk, event = greeted(**changes)
    assert event == events.LineLost()
    assert desk.problem() == "config"
    assert desk.terms is None


@pytest.mark.parametrize("off", [timedelta(hours=-2), timedelta(days=1), timedelta(days=20_000)])
def test_a_wrong_clock_is_the_kiosks_own_fault(off: timedelta) -> None:
    desk, event = greeted(now=(datetime.now(JST) + off).isoformat())
    assert event == events.LineLost()
    assert desk.problem() == "clock"
    assert desk.terms is None


def test_a_clock_that_is_set_later_stops_the_kiosk_and_brings_it_back() -> None:
    """Nobody asks the city in between."""
    desk, _ = greeted()
    assert desk.problem() == ""
    right, desk.line.clock.board = desk.line.clock.board, lambda: datetime(1970, 1, 1, tzinfo=JST)
    assert desk.problem() == "clock"
    desk.line.clock.board = right
    assert desk.problem() == ""


@pytest.mark.parametrize("zone", ["", "+00:00", "+10:00", "+23:59"])
def test_a_city_without_the_time_of_japan_is_no_city(zone: str) -> None:
    """The same instant has another day elsewhere."""
    assert greeted(limit=0, now=f"2026-11-24T10:00:00{zone}")[1] == events.LineLost()
