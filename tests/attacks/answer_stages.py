"""The stages beside an order: the answers to the other calls, and the signed terms of the forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import mutations
from attempts import Attempt, Hook, Material
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from forger import Spoken, encoded
from mutations import plain, put

from firmware.link import signing
from firmware.link.form_terms import FormTerms


def of_message(
    stage: str, name: str, what: Callable[[Spoken], Any]
) -> Callable[[Material], Iterator[Attempt]]:
    def attempts(all_: Material) -> Iterator[Attempt]:
        for mutation in mutations.single(what(all_.own), all_.of_others(what)):
            yield all_.made(stage, mutation, None, **{name: mutation.apply})

    return attempts


def released(spoken: Spoken) -> Any:
    order, document = spoken.request.order, spoken.manifest.document_sha256
    return {"order": order, "document_sha256": document, "released": True}


def form_terms(all_: Material) -> Iterator[Attempt]:
    """The signed terms of the forms: changed, and signed with what a gateway has."""
    terms = lambda spoken: plain(_terms(spoken.terms.form_terms))  # noqa: E731
    signers = {
        "signed with the issuing key": all_.issuing,
        "signed with a key of its own": Ed25519PrivateKey.generate(),
        "not signed again": None,
    }
    for mutation in mutations.single(terms(all_.own), _older(all_.own)):
        for signer, key in signers.items():
            hook = _terms_hook(mutation, key)
            what = f"{mutation.name} ({signer})"
            yield Attempt(
                all_.own.who, "form terms", what, mutation.kind.value, signer, None, {"hello": hook}
            )


def _terms(body: bytes) -> FormTerms:
    return msgspec.json.decode(body, type=FormTerms)


def _older(spoken: Spoken) -> dict[str, Any]:
    """The terms of another city."""
    terms = plain(_terms(spoken.terms.form_terms))
    return {"another city": put(put(terms, ("heading",), "別府市"), ("city",), "442020")}


def _terms_hook(mutation: mutations.Mutation, key: Ed25519PrivateKey | None) -> Hook:
    def hook(answer: Any) -> Any:
        body = encoded(mutation.apply(plain(_terms(answer["form_terms"]))))
        signature = signing.sign_form_terms(key, body) if key else answer["form_terms_signature"]
        return {**answer, "form_terms": body, "form_terms_signature": signature}

    return hook
