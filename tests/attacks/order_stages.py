"""The stages of an order: what is composed, set on paper, signed, opened, filed and sealed, each
made wrong.

The attempts of a stage are the mutations of what stands there (`mutations`, `hostile_pdf`), and
what a city really mixes up (`MIX_UPS`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import hostile_pdf
import mutations
from attempts import Alter, Attempt, Hook, Material
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from forger import OWN_PARTS, Draft, Spoken, committed, following
from mix_ups import MIX_UPS
from mutations import Impossible, plain
from pdf_areas import BESIDE_THE_CODE

from firmware.link import messages


def _content_mutations(all_: Material) -> Iterator[mutations.Mutation]:
    return mutations.single(
        all_.content, all_.of_others(lambda spoken: plain(spoken.manifest)["content"])
    )


def content(all_: Material) -> Iterator[Attempt]:
    """Composed wrongly: manifest, codes and paper are wrong together and fit each other."""
    for mutation in _content_mutations(all_):

        def alter(draft: Draft, mutation: mutations.Mutation = mutation) -> None:
            paper = draft.content if draft.paper is None else draft.paper
            draft.paper = mutation.apply(paper)
            draft.content = mutation.apply(draft.content)

        yield all_.made("content", mutation, alter)


def content_and_openings(all_: Material) -> Iterator[Attempt]:
    """The same, and the opened records say the same."""
    for mutation in _content_mutations(all_):

        def alter(draft: Draft, mutation: mutations.Mutation = mutation) -> None:
            changed = mutation.apply(draft.content)
            draft.openings = following(draft.content, changed, draft.openings)
            draft.content = draft.paper = changed

        yield all_.made("content and openings", mutation, alter)


def paper(all_: Material) -> Iterator[Attempt]:
    """Set wrongly: the manifest is right, the file is not, and the manifest names this file."""
    for mutation in _content_mutations(all_):

        def alter(draft: Draft, mutation: mutations.Mutation = mutation) -> None:
            draft.paper = mutation.apply(draft.content if draft.paper is None else draft.paper)

        yield all_.made("paper", mutation, alter)


def manifest_content(all_: Material) -> Iterator[Attempt]:
    """The manifest is wrong, the file is right."""
    for mutation in _content_mutations(all_):

        def alter(draft: Draft, mutation: mutations.Mutation = mutation) -> None:
            draft.content = mutation.apply(draft.content)

        yield all_.made("manifest's content", mutation, alter)


def _head_of(spoken: Spoken) -> Any:
    return {key: value for key, value in plain(spoken.manifest).items() if key not in OWN_PARTS}


def manifest(all_: Material) -> Iterator[Attempt]:
    """Every other field of the manifest, and its bytes."""
    for mutation in mutations.single(_head_of(all_.own), all_.of_others(_head_of)):
        family = (
            mutation.name
        )  # each binds the document to something else, and is refused before all else
        yield all_.made(
            "manifest", mutation, lambda draft, by=mutation: draft.manifest.append(by.apply), family
        )
    for mutation in mutations.single({"manifest": all_.own.answer.manifest}):
        signed = lambda value, by=mutation: by.apply({"manifest": value}).get("manifest", b"")  # noqa: E731
        yield all_.made(
            "manifest's bytes", mutation, lambda draft, by=signed: draft.signed.append(by)
        )


def codes(all_: Material) -> Iterator[Attempt]:
    """What the codes say, signed again; and the signed codes themselves."""
    codes = lambda spoken: [plain(code) for code in spoken.codes]  # noqa: E731
    for mutation in mutations.single(codes(all_.own), all_.of_others(codes)):
        yield all_.made("codes", mutation, lambda draft, by=mutation: draft.codes.append(by.apply))
    signed = lambda spoken: list(spoken.manifest.codes)  # noqa: E731
    for mutation in mutations.single(signed(all_.own), all_.of_others(signed)):
        yield all_.made(
            "signed codes", mutation, lambda draft, by=mutation: draft.signed_codes.append(by.apply)
        )


def openings(all_: Material) -> Iterator[Attempt]:
    """The records as they are opened, without another commitment."""
    for mutation in mutations.single(
        all_.openings, all_.of_others(lambda s: plain(s.manifest)["openings"])
    ):

        def alter(draft: Draft, mutation: mutations.Mutation = mutation) -> None:
            draft.openings = mutation.apply(draft.openings)

        yield all_.made("openings", mutation, alter)


def records(all_: Material) -> Iterator[Attempt]:
    """The city commits to other records from the session on, and composes from the right ones."""
    for mutation in mutations.single(
        all_.openings, all_.of_others(lambda s: plain(s.manifest)["openings"])
    ):

        def changed(mutation: mutations.Mutation = mutation) -> Any:
            return mutation.apply(all_.openings)

        def alter(draft: Draft, changed: Callable[[], Any] = changed) -> None:
            draft.openings = changed()

        def hook(session: Any, changed: Callable[[], Any] = changed) -> Any:
            return committed(session, changed())

        yield all_.made("records", mutation, alter, sessions=hook)


def registry(all_: Material) -> Iterator[Attempt]:
    """Wrong from the first answer on, and in one voice: nothing contradicts it but the person at
    the screen.
    """
    for mutation in mutations.single(
        all_.openings, all_.of_others(lambda s: plain(s.manifest)["openings"])
    ):
        if mutation.kind is not mutations.Kind.ALTER or ".value:" not in mutation.name:
            continue
        alter, hooks = _in_one_voice(all_, mutation)
        yield all_.made("registry", mutation, alter, **hooks)


def _in_one_voice(all_: Material, mutation: mutations.Mutation) -> tuple[Alter, dict[str, Hook]]:
    def exchanged(value: Any) -> Any:
        """The same with the old value replaced wherever it stands."""
        was, now = _difference(all_.openings, mutation.apply(all_.openings))
        return replaced(value, was, now)

    def alter(draft: Draft) -> None:
        draft.openings = mutation.apply(all_.openings)
        draft.content = draft.paper = exchanged(draft.content)

    def hook(session: Any) -> Any:
        return exchanged(committed(session, mutation.apply(all_.openings)))

    return alter, {"sessions": hook}


def _difference(one: Any, other: Any) -> tuple[str, str]:
    """The first text that is not the same in both."""
    for path, found in mutations.places(one):
        if isinstance(found, str) and mutations.get(other, path) != found:
            return found, mutations.get(other, path)
    raise Impossible


def replaced(value: Any, was: str, now: str) -> Any:
    if isinstance(value, dict):
        return {key: replaced(inner, was, now) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(inner, was, now) for inner in value]
    return now if value == was and isinstance(value, str) else value


def file(all_: Material) -> Iterator[Attempt]:
    """The file itself, and a manifest that names it as it became."""
    other = next((spoken.pdf for spoken in all_.others.values()), all_.own.pdf)
    for edit in hostile_pdf.edits(all_.own.pdf):

        def alter(draft: Draft, edit: hostile_pdf.Edit = edit) -> None:
            draft.file.append(lambda pdf: edit.apply(pdf, other))

        kind = f"{edit.kind.value} {_target(edit)}"
        yield Attempt(all_.own.who, "file", edit.name, kind, _way(edit), alter)


def named_file(all_: Material) -> Iterator[Attempt]:
    """The manifest names another file than the one that is sealed."""
    stage, named = "named file", lambda spoken: {"document_sha256": spoken.manifest.document_sha256}
    for mutation in mutations.single(named(all_.own), all_.of_others(named)):
        yield all_.made(stage, mutation, lambda draft, by=mutation: draft.named.append(by.apply))
    other = next((spoken.pdf for spoken in all_.others.values()), all_.own.pdf)
    for edit in hostile_pdf.edits(all_.own.pdf):

        def alter(draft: Draft, edit: hostile_pdf.Edit = edit) -> None:
            draft.swapped.append(lambda pdf: edit.apply(pdf, other))

        kind = f"{edit.kind.value} {_target(edit)}"
        yield Attempt(all_.own.who, stage, edit.name, kind, kind, alter)


def _target(edit: hostile_pdf.Edit) -> str:
    """What is edited: a text, a path, a picture, a page, the file. Each is drawn as often as the
    others.
    """
    place = edit.name.partition(":")[0]
    return place.split()[-2] if "," in place else place.split()[0]


def _way(edit: hostile_pdf.Edit) -> str:
    """What is done to which sort of thing; in brackets stands to which of several alike."""
    place, _, what = edit.name.partition(": ")
    sort = _target(edit)
    if sort == "area":
        area = place.split()[-1]
        sort = area if area in BESIDE_THE_CODE else "an area"
    return f"{'a drawing' if sort in ('path', 'picture') else sort}: {what.partition(' (')[0]}"


def sealed(all_: Material) -> Iterator[Attempt]:
    """What is sealed, for whom, and by whom it is signed."""
    for mutation in mutations.single({"sealed": all_.own.answer.sealed}):
        alter = lambda value, by=mutation: by.apply({"sealed": value}).get("sealed", b"")  # noqa: E731
        yield all_.made("sealed file", mutation, lambda draft, by=alter: draft.sealed.append(by))
    who = (all_.own.who, "sealed file")
    for name, other in all_.others.items():
        yield Attempt(
            *who, f"sealed for the order of {name}", "exchange", "another order", _sealed_for(other)
        )
        yield Attempt(
            *who, f"sealed to the key of {name}", "exchange", "another key", _sealed_to(other)
        )
    yield Attempt(*who, "all signed with a key of its own", "alter", "a key of its own", _own_key)


def _sealed_for(other: Spoken) -> Alter:
    def alter(draft: Draft) -> None:
        draft.info = messages.seal_info(
            other.manifest.kiosk, other.request.session, other.request.order
        )

    return alter


def _sealed_to(other: Spoken) -> Alter:
    def alter(draft: Draft) -> None:
        draft.document_key = other.document_key

    return alter


def _own_key(draft: Draft) -> None:
    draft.key = Ed25519PrivateKey.generate()


def answer(all_: Material) -> Iterator[Attempt]:
    """The answer to an order as a whole."""
    for mutation in mutations.single(
        plain(all_.own.answer), all_.of_others(lambda spoken: plain(spoken.answer))
    ):
        yield all_.made(
            "order's answer", mutation, lambda draft, by=mutation: draft.answer.append(by.apply)
        )


def mixed_up(all_: Material) -> Iterator[Attempt]:
    """What cities have really done, and what an insider would think of first."""
    for name, kind, family, change in MIX_UPS:

        def alter(
            draft: Draft, change: Callable[[Draft, Mapping[str, Spoken]], None] = change
        ) -> None:
            change(draft, all_.others)

        yield Attempt(all_.own.who, "mix-up", name, kind, family, alter)
