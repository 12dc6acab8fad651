"""100,000 bad messages for each end: a typed refusal, and never anything else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from city_bench import HELLO, NOON, Authority, Rehearsal, new_id, outcome_of, session_request
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from damaged_messages import cases
from sqlalchemy import event

from city.handlers import Refused
from city.paths import PATHS
from city.pki import Files
from firmware.link import messages, sealing, sheet_code, signing
from firmware.link.client import CityRefusal, LineFault, _decode
from firmware.link.form_terms import FormTerms
from firmware.link.messages import RefusalCode
from firmware.link.sheet_code import CodeError
from firmware.sheets.binding import Ordered
from firmware.sheets.compare import compare
from firmware.sheets.expected import expect
from firmware.sheets.fault import SheetFault

CASES = 100_000
Talk = tuple[Rehearsal, list[tuple[str, messages.Message, messages.Message]]]


@pytest.fixture(scope="module")
def talk(
    tmp_path_factory: pytest.TempPathFactory,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
) -> Talk:
    """One journey: each request with its answer."""
    rehearsal = Rehearsal(tmp_path_factory.mktemp("fuzz"), line_pki, authority, card_key)
    event.listen(
        rehearsal.city.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF")
    )
    rehearsal.city.engine.dispose()
    card, said = rehearsal.card("hanako"), []

    def answer_to(name: str, request: messages.Message) -> messages.Message:
        answer = PATHS[name].work(rehearsal.city, "kiosk-1", request)
        said.append((name, request, answer))
        return answer

    terms = answer_to("hello", HELLO)
    assert isinstance(terms, messages.Terms)
    session = session_request(card, terms.challenge, sealing.generate())
    answer_to("sessions", session)
    choices = {"scope": ("household",), "fields": ("relationship",)}
    order = messages.OrderRequest(
        session=session.session, order=new_id(), kind="juminhyo", choices=choices, copies=1
    )
    answer = answer_to("orders", order)
    assert isinstance(answer, messages.OrderAnswer)
    manifest = msgspec.json.decode(answer.manifest, type=messages.Manifest)
    paid = messages.ReleaseRequest(
        session=session.session,
        order=order.order,
        document_sha256=manifest.document_sha256,
        paid=manifest.fee,
    )
    answer_to("release", paid)
    answer_to("outcome", outcome_of(manifest))
    answer_to("cancel", messages.CancelRequest(session=session.session))
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
        except (
            msgspec.DecodeError,
            UnicodeDecodeError,
            RecursionError,
        ):  # what the gateway calls malformed
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
    kinds: list[tuple[int, type[messages.Message]]] = [(200, type(answer)) for _, _, answer in said]
    good = [msgspec.json.encode(answer) for _, _, answer in said]
    kinds.append((503, messages.Terms))
    good.append(
        msgspec.json.encode(
            messages.Refusal(code=RefusalCode.CLOSED, opens_at="2026-11-25T06:30:00+09:00")
        )
    )
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
    """The city's own mistake: signed properly, and not this order's. Either it is the same, or it
    is refused.
    """
    said = talk[1]
    heard, session, answer = (
        next(a for name, _, a in said if name == of) for of in ("hello", "sessions", "orders")
    )
    order = next(request for name, request, _ in said if name == "orders")
    assert isinstance(heard, messages.Terms) and isinstance(session, messages.SessionAnswer)
    assert isinstance(answer, messages.OrderAnswer) and isinstance(order, messages.OrderRequest)
    real = msgspec.json.decode(answer.manifest, type=messages.Manifest)
    terms = msgspec.json.decode(heard.form_terms, type=FormTerms)
    ordered = Ordered("kiosk-1", real.card_sha256, order, session, (NOON.date(), NOON.date()))
    compare(real.content, expect(ordered, terms, real).content)
    said_by_nobody_else = {
        "unique_number",
        "sheets",
    }  # the number and who stands on which sheet are the city's
    found: Counter[str] = Counter()
    for _, body in cases(7, [answer.manifest], CASES // 5):
        try:
            manifest = msgspec.json.decode(body, type=messages.Manifest)
            compare(manifest.content, expect(ordered, terms, manifest).content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found["malformed"] += 1
        except SheetFault as fault:
            found[fault.reason.value] += 1
        else:
            found["passed"] += 1
            assert _people(manifest) == _people(real)
            for name in set(manifest.content.__struct_fields__) - said_by_nobody_else:
                assert getattr(manifest.content, name) == getattr(real.content, name), name
    print(dict(found))
    assert {"malformed", "commitment", "value", "row-unasked", "members"} <= set(found)


def _people(manifest: messages.Manifest) -> list[object]:
    return [person for sheet in manifest.content.sheets for person in sheet.people]


def test_a_sheet_code_of_any_bytes_is_a_code_or_refused(line_pki: Files, talk: Talk) -> None:
    pinned = signing.load_public([line_pki.issuing])
    answer = next(answer for _, _, answer in talk[1] if isinstance(answer, messages.OrderAnswer))
    [good, *_] = msgspec.json.decode(answer.manifest, type=messages.Manifest).codes
    assert signing.verify_code(pinned, good).page == 1
    for at in range(len(good)):
        for made in (
            good[:at],
            good + bytes(at + 1),
            good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :],
        ):
            with pytest.raises(signing.SignatureError):
                signing.verify_code(pinned, made)
    for head in (b"MG1" + b"\xff" * 60, b"MG\x03" + bytes(60), bytes(60), b""):
        with pytest.raises(CodeError):
            sheet_code.decode(head)


def test_nothing_of_a_bad_message_is_kept(rehearsal: Rehearsal) -> None:
    """A refusal leaves the database as it was, but for the challenge and the audit log."""
    before = Path(rehearsal.folder / "city.db").stat().st_size
    for _ in range(200):
        with pytest.raises(Refused):
            PATHS["cancel"].work(
                rehearsal.city, "kiosk-2", messages.CancelRequest(session=_foreign(rehearsal))
            )
    assert Path(rehearsal.folder / "city.db").stat().st_size - before < 200_000


def _foreign(rehearsal: Rehearsal) -> str:
    session = new_id()
    PATHS["cancel"].work(rehearsal.city, "kiosk-1", messages.CancelRequest(session=session))
    return session
