"""Whatever the city hands over wrongly is caught before money, and each wrong has a reason of its own."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware.flow import events as e
from firmware.link import messages as m
from firmware.link import sealing, signing
from firmware.link.client import LineReason
from firmware.service.city_work import REJECTIONS, CityDesk
from firmware.service.vault import Vault
from firmware.sheets.fault import SheetReason

KIOSK, SESSION, ORDER, OTHER = "kiosk-1", "5" * 32, "6" * 32, "7" * 32
CERTIFICATE, DOCUMENT = b"card", b"document"


@dataclass
class Case:
    """What the city sends; everything right until a test changes it."""

    keys: sealing.KeyPair = field(default_factory=sealing.generate)
    issuing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def request(self) -> m.OrderRequest:
        return m.OrderRequest(session=SESSION, order=ORDER, kind="inkan", choices={}, copies=1)

    def manifest(self, **changes: Any) -> bytes:
        facts: dict[str, Any] = {
            "protocol": m.PROTOCOL,
            "kiosk": KIOSK,
            "session": SESSION,
            "order": ORDER,
            "card_sha256": hashlib.sha256(CERTIFICATE).hexdigest(),
            "request_sha256": m.request_sha256(self.request),
            "kind": "inkan",
            "title": "印鑑登録証明書",
            "holder": "明石　太郎",
            "members": (),
            "issued_on": "令和8年11月24日",
            "unique_number": "7K3M9PQ2XW4T",
            "record_version": 1,
            "pages": 1,
            "copies": 1,
            "fee": 200,
            "seal_page": 1,
            "document_sha256": hashlib.sha256(DOCUMENT).hexdigest(),
            "codes": (bytes(m.CODE_SIZE),),
        }
        return msgspec.json.encode(m.Manifest(**(facts | changes)))

    def answer(self, manifest: bytes, sealed: bytes | None = None) -> m.OrderAnswer:
        if sealed is None:
            sealed = self.seal()
        signature = signing.sign_manifest(self.issuing, manifest)
        return m.OrderAnswer(order=ORDER, manifest=manifest, manifest_signature=signature, sealed=sealed)

    def seal(self, document: bytes = DOCUMENT, kiosk: str = KIOSK, session: str = SESSION, order: str = ORDER) -> bytes:
        return sealing.seal(self.keys.public, m.seal_info(kiosk, session, order), document)

    def reason(self, answer: m.OrderAnswer) -> str:
        """Why the kiosk rejects it, before money."""
        offer = m.Offer(kind="inkan", title={"ja": "印鑑登録証明書"}, fee=200, refusal=None, options=())
        told = m.SessionAnswer(
            session=SESSION, holder="明石　太郎", members={}, offers=(offer,), card_expires_in_days=9, ends_in_s=9
        )
        vault = Vault(SESSION, key=self.keys, certificate=CERTIFICATE, answer=told)
        vault.order = ORDER
        config: Any = SimpleNamespace(kiosk=SimpleNamespace(id=KIOSK), fonts=SimpleNamespace(mincho=None))
        desk = CityDesk(config, SimpleNamespace(), (self.issuing.public_key(),))  # type: ignore[arg-type]
        desk.terms = SimpleNamespace(now="2026-11-24T10:00:00+09:00")  # type: ignore[assignment]
        desk.terms_at = time.monotonic()
        event = desk._examine(3, self.request, answer, vault)
        assert isinstance(event, e.DocumentRejected)
        assert vault.sheets == ()
        return event.reason


@pytest.fixture
def case() -> Case:
    return Case()


BOUND = {
    "protocol": (2, "protocol"),
    "kiosk": ("kiosk-2", "kiosk"),
    "session": (OTHER, "session"),
    "order": (OTHER, "order"),
    "card_sha256": ("0" * 64, "card"),
    "request_sha256": ("0" * 64, "request"),
    "kind": ("juminhyo", "kind"),
    "holder": ("明石　花子", "holder"),
    "members": (("明石　花子",), "members"),
    "copies": (2, "copies"),
    "fee": (300, "fee"),
    "codes": ((), "code"),
    "issued_on": ("平成38年11月24日", "date"),
    "document_sha256": ("0" * 64, "document-hash"),
}


@pytest.mark.parametrize("name", BOUND)
def test_a_manifest_for_something_else_signed_all_the_same(case: Case, name: str) -> None:
    wrong, reason = BOUND[name]
    assert case.reason(case.answer(case.manifest(**{name: wrong}))) == reason


def test_a_manifest_that_was_altered_or_signed_by_somebody_else(case: Case) -> None:
    good = case.answer(case.manifest())
    altered = good.manifest.replace(b"kiosk-1", b"kiosk-2")
    forged = signing.sign_manifest(Ed25519PrivateKey.generate(), good.manifest)
    for wrong in ({"manifest": altered}, {"manifest_signature": forged}, {"manifest_signature": bytes(64)}):
        assert case.reason(msgspec.structs.replace(good, **wrong)) == "signature"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"title":"\xff"}', b"[" * 5000])
def test_what_is_signed_and_no_manifest(case: Case, body: bytes) -> None:
    assert case.reason(case.answer(body)) == "manifest-malformed"


def test_what_is_sealed_for_another_kiosk_session_order_or_key_or_cut_or_altered(case: Case) -> None:
    good = case.seal()
    wrong = [
        case.seal(kiosk="kiosk-2"),
        case.seal(session=OTHER),
        case.seal(order=OTHER),
        Case().seal(),
        good[:-1],
        good[:100],
        b"",
        good[:-1] + bytes([good[-1] ^ 1]),
        bytes([good[0] ^ 1]) + good[1:],
        good + b"\0",
    ]
    for sealed in wrong:
        assert case.reason(case.answer(case.manifest(), sealed)) == "sealing"


def test_another_document_under_the_same_manifest(case: Case) -> None:
    assert case.reason(case.answer(case.manifest(), case.seal(b"another person's document"))) == "document-hash"


def test_no_two_wrongs_share_a_reason() -> None:
    reasons = [*SheetReason, *REJECTIONS.values(), "manifest-malformed"]
    assert len(set(reasons)) == len(reasons)
    assert len(set(LineReason)) == len(LineReason)
    assert not set(LineReason) & set(m.RefusalCode) - {"too-big", "malformed", "version", "other-document"}
