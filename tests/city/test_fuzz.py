"""100,000 bad messages for each end: a typed refusal, and never anything else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from city_bench import HELLO, NOON, Authority, Rehearsal, new_id, outcome_of, session_request
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from mutations import cases
from sqlalchemy import event

from city.handlers import Refused
from city.paths import PATHS
from city.pki import Files
from firmware.link import messages as m
from firmware.link import sealing, signing
from firmware.link.client import CityRefusal, LineFault, _decode
from firmware.link.messages import RefusalCode
from firmware.sheets.check import Expected, check_manifest
from firmware.sheets.fault import SheetFault

CASES = 100_000
Talk = tuple[Rehearsal, list[tuple[str, m.Message, m.Message]]]


@pytest.fixture(scope="module")
def talk(
    tmp_path_factory: pytest.TempPathFactory, line_pki: Files, authority: Authority, card_key: RSAPrivateKey
) -> Talk:
    """One journey: each request with its answer."""
    rehearsal = Rehearsal(tmp_path_factory.mktemp("fuzz"), line_pki, authority, card_key)
    event.listen(rehearsal.city.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
    rehearsal.city.engine.dispose()
    card, said = rehearsal.card("hanako"), []

    def say(name: str, request: m.Message) -> m.Message:
        answer = PATHS[name].work(rehearsal.city, "kiosk-1", request)
        said.append((name, request, answer))
        return answer

    terms = say("hello", HELLO)
    assert isinstance(terms, m.Terms)
    session = session_request(card, terms.challenge, sealing.generate())
    say("sessions", session)
    choices = {"scope": ("household",), "fields": ("relationship",)}
    order = m.OrderRequest(session=session.session, order=new_id(), kind="juminhyo", choices=choices, copies=1)
    answer = say("orders", order)
    assert isinstance(answer, m.OrderAnswer)
    manifest = msgspec.json.decode(answer.manifest, type=m.Manifest)
    paid = m.ReleaseRequest(
        session=session.session, order=order.order, document_sha256=manifest.document_sha256, paid=manifest.fee
    )
    say("release", paid)
    say("outcome", outcome_of(manifest))
    say("cancel", m.CancelRequest(session=session.session))
    return rehearsal, said


def test_the_gateway_takes_a_message_or_refuses(
    talk: Talk,
) -> None:
    rehearsal, said = talk
    names = [name for name, _, _ in said]
    good = [msgspec.json.encode(request) for _, request, _ in said]
    found: Counter[str] = Counter()
    for which, body in cases(5, good, CASES):
        path = PATHS[names[which]]
        try:
            message = msgspec.json.decode(body, type=path.request)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # what the gateway calls malformed
            found["malformed"] += 1
            continue
        found["message"] += 1
        try:
            answer = path.work(rehearsal.city, "kiosk-1", message)
            assert isinstance(answer, path.answer)
            found["answered"] += 1
        except Refused as refused:
            assert refused.code is not RefusalCode.BUSY
            found[refused.code.value] += 1
    print(dict(found))
    assert found["malformed"] > CASES / 2
    assert found["message"] > 1000  # and went all the way to the handlers


def test_the_kiosk_takes_its_answer_or_says_what_is_wrong(
    talk: Talk,
) -> None:
    said = talk[1]
    kinds: list[tuple[int, type[m.Message]]] = [(200, type(answer)) for _, _, answer in said]
    good = [msgspec.json.encode(answer) for _, _, answer in said]
    kinds.append((503, m.Terms))
    good.append(msgspec.json.encode(m.Refusal(code=RefusalCode.CLOSED, opens_at="2026-11-25T06:30:00+09:00")))
    found: Counter[str] = Counter()
    for which, body in cases(6, good, CASES):
        status, kind = kinds[which]
        try:
            assert isinstance(_decode(status, body, kind), kind)
            found["answer"] += 1
        except CityRefusal as refusal:
            assert status == 503
            found[refusal.refusal.code.value] += 1
        except LineFault as fault:
            found[fault.reason.value] += 1
    print(dict(found))
    assert set(found) <= {"answer", "malformed", "http", *RefusalCode}
    assert found["malformed"] > CASES / 2


def test_a_manifest_that_was_tampered_with_before_it_was_signed_never_passes(
    talk: Talk,
) -> None:
    """The city's own mistake: signed properly, and not this order's. Either it is the same, or it is refused."""
    said = talk[1]
    order, answer = next((request, answer) for name, request, answer in said if name == "orders")
    assert isinstance(answer, m.OrderAnswer) and isinstance(order, m.OrderRequest)
    real = msgspec.json.decode(answer.manifest, type=m.Manifest)
    expected = Expected(
        **{name: getattr(real, name) for name in ("session", "order", "kiosk", "card_sha256", "request_sha256")},
        **{name: getattr(real, name) for name in ("holder", "members", "kind", "title", "copies", "fee")},
        days=(NOON.date(), NOON.date()),
    )
    check_manifest(real, expected)
    bound = {*Expected.__dataclass_fields__, "protocol"} - {"days"}
    found: Counter[str] = Counter()
    for _, body in cases(7, [answer.manifest], CASES // 5):
        try:
            manifest = msgspec.json.decode(body, type=m.Manifest)
            check_manifest(manifest, expected)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found["malformed"] += 1
        except SheetFault as fault:
            found[fault.reason.value] += 1
        else:
            found["passed"] += 1
            assert sorted(manifest.members) == sorted(real.members)
            assert all(getattr(manifest, name) == getattr(real, name) for name in bound - {"members"})
    print(dict(found))
    assert {"malformed", "kiosk", "session", "order", "holder", "members", "code"} <= set(found)


def test_a_sheet_code_of_any_bytes_is_a_code_or_refused(line_pki: Files) -> None:
    pinned = signing.load_public([line_pki.issuing])
    good = bytes(m.CODE_SIZE)
    for at in range(m.CODE_SIZE + 2):
        for made in (good[:at], good + bytes(at), bytes([at % 256]) * m.CODE_SIZE):
            with pytest.raises(signing.SignatureError):
                signing.verify_code(pinned, made)
    for head in (b"MG1" + b"\xff" * 38, b"MG2" + bytes(38), bytes(40), b""):
        with pytest.raises(ValueError, match=r"sheet code|ascii"):
            m.SheetCode.decode(head)


def test_nothing_of_a_bad_message_is_kept(rehearsal: Rehearsal) -> None:
    """A refusal leaves the database as it was, but for the challenge and the audit log."""
    before = Path(rehearsal.folder / "city.db").stat().st_size
    for _ in range(200):
        with pytest.raises(Refused):
            PATHS["cancel"].work(rehearsal.city, "kiosk-2", m.CancelRequest(session=_foreign(rehearsal)))
    assert Path(rehearsal.folder / "city.db").stat().st_size - before < 200_000


def _foreign(rehearsal: Rehearsal) -> str:
    session = new_id()
    PATHS["cancel"].work(rehearsal.city, "kiosk-1", m.CancelRequest(session=session))
    return session
