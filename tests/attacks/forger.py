"""An insider of the city: the gateway with its issuing key, its database and whatever it has said
before.

What the kiosk is answered is made anew from a `Draft`: content, openings, codes, the file and its
manifest, all signed and sealed as the city does it. Only the key that signs the terms of the forms
lies elsewhere. A draft in which nothing was changed gives an answer that says what the city's own
said.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mutations import Impossible, message_of, plain, put

from city.document import CannotPrint, Layout
from city.typesetting import TypesettingFault, typeset
from firmware.link import messages, sealing, sheet_code, signing
from firmware.link.commitments import Field, Opening, commitment, field_hash
from firmware.link.content import Content, sheet_digest
from firmware.link.form_terms import Form, FormTerms
from firmware.link.sheet_code import SheetCode

OWN_PARTS: Final = (
    "content",
    "openings",
    "codes",
    "document_sha256",
)  # of the manifest: changed by means of their own


@dataclass(frozen=True)
class Spoken:
    """All that the city said in one journey, and the file it sealed, before anybody laid hands on
    it.
    """

    who: str
    terms: messages.Terms = field(repr=False)
    session: messages.SessionAnswer = field(repr=False)
    request: messages.OrderRequest = field(repr=False)
    answer: messages.OrderAnswer = field(repr=False)
    manifest: messages.Manifest = field(repr=False)
    pdf: bytes = field(repr=False)
    document_key: bytes = field(repr=False)  # the kiosk's, for this session

    @property
    def form(self) -> Form:
        forms = msgspec.json.decode(self.terms.form_terms, type=FormTerms).forms
        return next(form for form in forms if form.kind == self.manifest.kind)

    @property
    def codes(self) -> list[SheetCode]:
        return [sheet_code.decode(sheet_code.split(code)[0]) for code in self.manifest.codes]


@dataclass
class Draft:
    """One answer to an order in the making. `paper`: what is typeset; None for the file that the
    city made itself.

    The lists hold what is done to each thing when all else is made; in pairs of changes there are
    two in one.
    """

    spoken: Spoken
    content: Any
    openings: Any
    paper: Any = None
    file: list[Callable[[bytes], bytes]] = field(default_factory=list)
    named: list[Callable[[Any], Any]] = field(
        default_factory=list
    )  # {document_sha256} of the manifest
    swapped: list[Callable[[bytes], bytes]] = field(
        default_factory=list
    )  # the file, when the manifest has named it
    codes: list[Callable[[list[Any]], Any]] = field(
        default_factory=list
    )  # plain SheetCodes, before they are signed
    signed_codes: list[Callable[[list[bytes]], list[bytes]]] = field(default_factory=list)
    manifest: list[Callable[[Any], Any]] = field(default_factory=list)  # without OWN_PARTS
    signed: list[Callable[[bytes], bytes]] = field(default_factory=list)  # the manifest's own bytes
    sealed: list[Callable[[bytes], bytes]] = field(default_factory=list)
    answer: list[Callable[[Any], Any]] = field(default_factory=list)
    key: Ed25519PrivateKey | None = None  # that signs instead of the city's
    info: bytes | None = None  # what the file is sealed for, instead of this order
    document_key: bytes | None = None  # to whom it is sealed, instead of this session


def draft_of(spoken: Spoken) -> Draft:
    parts = plain(spoken.manifest)
    return Draft(spoken, parts["content"], parts["openings"])


@dataclass
class Forger:
    """`finish` makes the answer. `kiosk` is in what a document is sealed for."""

    issuing: Ed25519PrivateKey
    files: dict[str, bytes] = field(
        default_factory=dict, repr=False
    )  # order -> the file that was sealed
    set_before: dict[str, bytes] = field(
        default_factory=dict, repr=False
    )  # digest of content -> its file

    def finish(self, draft: Draft) -> messages.OrderAnswer | Any:
        """An OrderAnswer, or plain data that is none any more. Raises Impossible when it says what
        it said before.
        """
        spoken, key = draft.spoken, draft.key or self.issuing
        pdf = self._file(draft)
        manifest = put_all(plain(spoken.manifest), draft.manifest)
        manifest["content"], manifest["openings"] = draft.content, draft.openings
        manifest["codes"] = self._codes(draft, key)
        del manifest["document_sha256"]
        manifest |= put_all({"document_sha256": hashlib.sha256(pdf).hexdigest()}, draft.named)
        pdf = put_all(pdf, draft.swapped)
        body = put_all(encoded(manifest), draft.signed)
        other = (
            draft.key,
            draft.info,
            draft.document_key,
            *draft.sealed,
            *draft.answer,
            *draft.signed,
        )
        if pdf == spoken.pdf and body == spoken.answer.manifest and not any(other):
            raise Impossible
        info = draft.info or messages.seal_info(
            spoken.manifest.kiosk, spoken.request.session, spoken.request.order
        )
        sealed = put_all(
            sealing.seal(draft.document_key or spoken.document_key, info, pdf), draft.sealed
        )
        self.files[spoken.request.order] = pdf
        made = {
            "order": spoken.request.order,
            "manifest": body,
            "manifest_signature": signing.sign_manifest(key, body),
            "sealed": sealed,
        }
        made = put_all(made, draft.answer)
        with suppress(msgspec.ValidationError):
            return message_of(made, messages.OrderAnswer)
        return made

    def _file(self, draft: Draft) -> bytes:
        """What cannot be set is not: the paper stays as it was, and the rest of the answer is wrong
        alone.
        """
        pdf = draft.spoken.pdf
        if draft.paper is not None:
            pdf = self.set_content(draft.paper, draft.spoken.form) or pdf
        return put_all(pdf, draft.file)

    def set_content(self, content: Any, form: Form) -> bytes:
        """The file of this content; b"" when it cannot be set."""
        name = hashlib.sha256(repr((content, form.form, form.seal_mm)).encode()).hexdigest()
        if name not in self.set_before:
            try:
                made = typeset(message_of(content, Content), Layout(form.form, form.seal_mm)).pdf
            except (msgspec.ValidationError, CannotPrint, TypesettingFault, ValueError):
                made = b""
            self.set_before[name] = made
        return self.set_before[name]

    def _codes(self, draft: Draft, key: Ed25519PrivateKey) -> list[bytes]:
        """Those of the changed content where it still is one; the honest ones otherwise."""
        honest = list(draft.spoken.manifest.codes)
        try:
            codes = [plain(code) for code in self._of_content(draft)]
            codes = put_all(codes, draft.codes)
            signed = [signing.sign_code(key, message_of(code, SheetCode)) for code in codes]
        except (msgspec.ValidationError, sheet_code.CodeError, ValueError, KeyError, TypeError):
            if draft.codes:
                raise Impossible from None  # no code can say that
            signed = honest
        return put_all(signed, draft.signed_codes)

    def _of_content(self, draft: Draft) -> list[SheetCode]:
        content = message_of(draft.content, Content)
        spoken = draft.spoken
        first = spoken.codes[0]
        if draft.content == plain(spoken.manifest)["content"]:
            return spoken.codes
        people = sum(len(sheet.people) for sheet in content.sheets)
        return [
            msgspec.structs.replace(
                first,
                unique_number=content.unique_number,
                page=page,
                pages=content.pages,
                holder=_holder(spoken, draft.content),
                people=None if first.people is None else people,
                digest=sheet_digest(content, page, spoken.manifest.salt),
            )
            for page in range(1, content.pages + 1)
        ]


def _holder(spoken: Spoken, content: Any) -> str:
    """The name that stands now where the holder's stood."""
    own = spoken.codes[0].holder
    honest = plain(spoken.manifest)["content"]
    for at, sheet in enumerate(honest["sheets"]):
        for number, person in enumerate(sheet["people"]):
            if person["name"] == own:
                with suppress(IndexError, KeyError, TypeError):
                    return str(content["sheets"][at]["people"][number]["name"])
    return own


def put_all(value: Any, changes: Sequence[Callable[[Any], Any]]) -> Any:
    for change in changes:
        value = change(value)
    return value


def encoded(value: Any) -> bytes:
    """JSON as the line has it, of plain data that need not be a message any more."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, UnicodeEncodeError):
        return json.dumps(value, default=_base64, ensure_ascii=True).encode()


def _base64(value: object) -> object:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


# -- openings --------------------------------------------------------------------------------------


def hashed(opening: Any, label: str) -> Any:
    """The same opening, this field not opened."""
    fields = [
        field_hash(message_of(f, Field)) if isinstance(f, dict) and f["label"] == label else f
        for f in opening["fields"]
    ]
    return {**opening, "fields": fields}


def following(content: Any, changed: Any, openings: Any) -> Any:
    """The openings with every value that was changed in the content changed in them too: the city
    lies in one voice.
    """
    was, now = _values(content), _values(changed)
    swaps = {old: new for old, new in zip(was, now, strict=False) if old != new and old}
    return {
        record: {
            **opening,
            "fields": [
                {**f, "value": swaps.get(f["value"], f["value"])} if isinstance(f, dict) else f
                for f in opening["fields"]
            ],
        }
        for record, opening in openings.items()
    }


def _values(content: Any) -> list[Any]:
    try:
        return [
            value
            for sheet in content["sheets"]
            for person in sheet["people"]
            for value in (person["name"], *(row["value"] for row in person["rows"]))
        ] + [
            row["value"]
            for sheet in content["sheets"]
            for row in (*sheet["head"], *sheet["amounts"])
        ]
    except (KeyError, TypeError):
        return []


def committed(session: Any, openings: Mapping[str, Any]) -> Any:
    """A session's answer, plain, that commits to these openings: possible for whoever has not
    answered yet.
    """
    records = dict(session["records"])
    for record, opening in openings.items():
        try:
            known = message_of(opening, Opening)
            records[record] = commitment(
                session["session"], record, session["record_version"], known
            )
        except (msgspec.ValidationError, ValueError, TypeError, KeyError, OverflowError):
            continue
    return put(session, ("records",), records)
