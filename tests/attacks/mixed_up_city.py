"""A city that mixes people up: the real gateway with its real keys, and hands that confuse it
between its own steps.

Everything such a city sends is signed and sealed as it should be: it is not a forger, it does not
know better. Hands work at three seams: what is composed (paper, manifest and codes are wrong
together), what is set on paper (the manifest is right, the sheets are not), and what is answered.
These are the incidents as they were; `attempts.py` generates the rest. `python -m mixed_up_city HOW
--config FILE` runs one as a program.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import pypdfium2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace as with_fields
from PIL import Image
from updated_font import typeset_with, updated_font

from city import gateway, ordering
from city.config import load
from city.document import Layout, Typeset
from city.handlers import City
from city.typesetting import people_on_sheets, typeset
from firmware.link import messages, signing
from firmware.link.content import Content, Person, Sheet

STRANGER: Final = "別府　一郎"
TOGETHER_S = 10.0  # how long one request waits for the other it is to be confused with
_pdfium = threading.Lock()


@dataclass
class Hands:
    """What this city has done so far. `made`: every content that was set, and how."""

    folder: Path
    how: str = ""
    issuing: Ed25519PrivateKey | None = None
    made: list[tuple[Content, Layout]] = field(default_factory=list)
    answers: dict[str, list[messages.Message]] = field(default_factory=dict)
    slot: dict[str, Content] = field(default_factory=dict)
    pair: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))
    salts: dict[str, bytes] = field(default_factory=dict)  # unique number -> of the sheets' digests
    tried: int = 0
    stalls: list[float] = field(default_factory=list)  # seconds that the next documents take longer
    lock: threading.Lock = field(default_factory=threading.Lock)

    def typeset(self, content: Content, layout: Layout) -> Typeset:
        with self.lock:
            self.made.append((content, layout))
            stall = self.stalls.pop(0) if self.stalls else 0.0
        time.sleep(stall)
        hand = SETTING.get(self.how)
        return hand(self, content, layout) if hand else typeset(content, layout)

    def composed(self, content: Content) -> Content:
        return COMPOSING.get(self.how, lambda _, own: own)(self, content)

    def answered(
        self, name: str, city: City, kiosk: str, message: Any, work: Callable[..., Any]
    ) -> messages.Message:
        path, hand = ANSWERING.get(self.how, ("", None))
        answer: messages.Message = work(city, kiosk, message)
        self.note(answer)
        if hand is None or path != name:
            return answer
        with self.lock:
            self.answers.setdefault(name, []).append(answer)
        return hand(self, answer)

    def note(self, answer: messages.Message) -> None:
        """What only the manifest says, before anybody lays hands on it."""
        if isinstance(answer, messages.OrderAnswer):
            manifest = msgspec.json.decode(answer.manifest, type=messages.Manifest)
            self.salts[manifest.content.unique_number] = manifest.salt

    def mix(self) -> None:
        """One attempt was made."""
        with self.lock:
            self.tried += 1

    def previous(self, own: Content) -> tuple[Content, Layout] | None:
        with self.lock:
            return next(
                (
                    made
                    for made in reversed(self.made)
                    if made[0].unique_number != own.unique_number
                ),
                None,
            )

    def meet(self) -> bool:
        """Whether the other request came; a lone one is left in peace."""
        try:
            self.pair.wait(TOGETHER_S)
        except threading.BrokenBarrierError:
            return False
        return True


# -- what is set on paper while the manifest tells of the right document


def previous_file(hands: Hands, own: Content, layout: Layout) -> Typeset:
    """The file of the applicant before, as it lies there."""
    other = hands.previous(own)
    if other is None:
        return typeset(own, layout)
    hands.mix()
    return typeset(*other)


def previous_person(hands: Hands, own: Content, layout: Layout) -> Typeset:
    """The content of the applicant before, under this one's number."""
    other = hands.previous(own)
    if other is None:
        return typeset(own, layout)
    hands.mix()
    return typeset(_stamped(other[0], own), other[1])


def second_sheet_of_another(hands: Hands, own: Content, layout: Layout) -> Typeset:
    """Sheet 2 is another household's, under this document's number, with its page and date."""
    made = typeset(own, layout)
    if own.pages < 2:
        return made
    hands.mix()
    theirs = typeset(_of_people(own, _stranger), layout)
    with _pdfium:
        mine, other = pypdfium2.PdfDocument(made.pdf), pypdfium2.PdfDocument(theirs.pdf)
        del mine[1]
        mine.import_pages(other, [1], 1)
        out = io.BytesIO()
        mine.save(out)
    return Typeset(out.getvalue())


def later_overwrites_earlier(hands: Hands, own: Content, layout: Layout) -> Typeset:
    """One file, named after the second: both requests of that second read what was written last."""
    with hands.lock:
        hands.slot["now"] = own
    if not hands.meet():
        return typeset(own, layout)
    last = hands.slot["now"]
    if last is not own:
        hands.mix()
    return typeset(last, layout)


def later_overwrites_earlier_renumbered(hands: Hands, own: Content, layout: Layout) -> Typeset:
    """The same, and the number is stamped on afterwards."""
    with hands.lock:
        hands.slot["now"] = own
    if not hands.meet():
        return typeset(own, layout)
    last = hands.slot["now"]
    if last is not own:
        hands.mix()
    return typeset(_stamped(last, own), layout)


def collision(hands: Hands, own: Content, layout: Layout) -> Typeset:
    """Two simultaneous requests get each other's."""
    with hands.lock:
        hands.slot[own.unique_number] = own
    if not hands.meet():
        return typeset(own, layout)
    other = next(content for number, content in hands.slot.items() if number != own.unique_number)
    hands.mix()
    return typeset(_stamped(other, own), layout)


def new_font(hands: Hands, own: Content, layout: Layout) -> Typeset:
    """A font update has given characters of this very name other drawings."""
    hands.mix()
    return typeset_with(updated_font(hands.folder / "font", "郎", "太"), own, layout)


def old_era_on_paper(hands: Hands, own: Content, layout: Layout) -> Typeset:
    hands.mix()
    return typeset(old_era(hands, own), layout)


def no_seal_on_paper(hands: Hands, own: Content, layout: Layout) -> Typeset:
    hands.mix()
    return typeset(_of_sheets(own, seal=_blank()), layout)


def one_person_too_many(hands: Hands, own: Content, layout: Layout) -> Typeset:
    hands.mix()
    people = own.sheets[0].people
    return typeset(_of_sheets(own, people=(*people, _stranger(people[0], 0))), layout)


def one_person_missing(hands: Hands, own: Content, layout: Layout) -> Typeset:
    hands.mix()
    return typeset(_of_sheets(own, people=own.sheets[0].people[:-1]), layout)


# -- what is composed: document and manifest are wrong together


def other_holder(hands: Hands, own: Content) -> Content:
    hands.mix()
    return _of_people(own, _stranger)


def other_members(hands: Hands, own: Content) -> Content:
    hands.mix()
    people = own.sheets[0].people
    return _of_sheets(own, people=(people[0], *(_stranger(p, n) for n, p in enumerate(people[1:]))))


def old_era(hands: Hands, own: Content) -> Content:
    hands.mix()
    year, rest = own.issued_on.removeprefix("令和").split("年", 1)
    return with_fields(own, issued_on=f"平成{int(year) + 30}年{rest}")


def yesterday(hands: Hands, own: Content) -> Content:
    hands.mix()
    return with_fields(own, issued_on=own.issued_on.replace("24日", "23日"))


def no_seal(hands: Hands, own: Content) -> Content:
    hands.mix()
    return _of_sheets(own, seal=_blank())


def other_title(hands: Hands, own: Content) -> Content:
    hands.mix()
    return with_fields(own, title="所得・課税証明書")


# -- what is answered


def earlier_answer(hands: Hands, own: messages.Message) -> messages.Message:
    """What was answered the time before: the buffer was not released."""
    earlier = [a for a in hands.answers["orders"] if a is not own]
    if not earlier:
        return own
    hands.mix()
    return earlier[-1]


def earlier_answer_renamed(hands: Hands, own: Any) -> messages.Message:
    earlier = earlier_answer(hands, own)
    return with_fields(earlier, order=own.order) if earlier is not own else own


def earlier_manifest(hands: Hands, own: Any) -> messages.Message:
    earlier: Any = earlier_answer(hands, own)
    return with_fields(
        own, manifest=earlier.manifest, manifest_signature=earlier.manifest_signature
    )


def earlier_document(hands: Hands, own: Any) -> messages.Message:
    earlier: Any = earlier_answer(hands, own)
    return with_fields(own, sealed=earlier.sealed)


def other_kind(hands: Hands, own: Any) -> messages.Message:
    """The manifest says another kind than was ordered, properly signed."""
    if hands.issuing is None:
        return own  # type: ignore[no-any-return]
    hands.mix()
    manifest = msgspec.json.decode(own.manifest, type=messages.Manifest)
    body = msgspec.json.encode(with_fields(manifest, kind="kazei"))
    return with_fields(
        own, manifest=body, manifest_signature=signing.sign_manifest(hands.issuing, body)
    )


def swapped_answers(name: str) -> Callable[[Hands, messages.Message], messages.Message]:
    """Two requests at once get each other's answer."""

    def hand(hands: Hands, own: messages.Message) -> messages.Message:
        if not hands.meet():
            return own
        hands.mix()
        return next(a for a in hands.answers[name] if a is not own)

    return hand


def session_of_another(hands: Hands, own: Any) -> messages.Message:
    """The other person's name and household under this session's id."""
    if not hands.meet():
        return own  # type: ignore[no-any-return]
    hands.mix()
    other: Any = next(a for a in hands.answers["sessions"] if a is not own)
    return with_fields(other, session=own.session)


def holder_of_another(hands: Hands, own: Any) -> messages.Message:
    """The holder is said to be another of the household."""
    hands.mix()
    return with_fields(own, holder=next(key for key in own.members if key != own.holder))


def members_in_disorder(hands: Hands, own: Any) -> messages.Message:
    """Everybody has the next one's name."""
    hands.mix()
    names = list(own.members.values())
    others = zip(own.members, [*names[1:], names[0]], strict=True)
    return with_fields(
        own, members={key: own.members[key] if key == own.holder else name for key, name in others}
    )


SETTING: Final[Mapping[str, Callable[[Hands, Content, Layout], Typeset]]] = {
    hand.__name__: hand
    for hand in (
        previous_file,
        previous_person,
        second_sheet_of_another,
        later_overwrites_earlier,
        later_overwrites_earlier_renumbered,
        collision,
        new_font,
        old_era_on_paper,
        no_seal_on_paper,
        one_person_too_many,
        one_person_missing,
    )
}
COMPOSING: Final[Mapping[str, Callable[[Hands, Content], Content]]] = {
    hand.__name__: hand
    for hand in (other_holder, other_members, old_era, yesterday, no_seal, other_title)
}
ANSWERING: Final[Mapping[str, tuple[str, Callable[[Hands, Any], messages.Message]]]] = {
    "earlier_answer": ("orders", earlier_answer),
    "earlier_answer_renamed": ("orders", earlier_answer_renamed),
    "earlier_manifest": ("orders", earlier_manifest),
    "earlier_document": ("orders", earlier_document),
    "other_kind": ("orders", other_kind),
    "swapped_sessions": ("sessions", swapped_answers("sessions")),
    "swapped_orders": ("orders", swapped_answers("orders")),
    "swapped_releases": ("release", swapped_answers("release")),
    "swapped_terms": ("hello", swapped_answers("hello")),
    "session_of_another": ("sessions", session_of_another),
    "holder_of_another": ("sessions", holder_of_another),
    "members_in_disorder": ("sessions", members_in_disorder),
}


def _blank() -> bytes:
    out = io.BytesIO()
    Image.new("L", (60, 60), 255).save(out, "PNG")
    return out.getvalue()


def _stamped(other: Content, own: Content) -> Content:
    return with_fields(other, unique_number=own.unique_number, issued_on=own.issued_on)


def _of_sheets(own: Content, **changes: Any) -> Content:
    """The first sheet with other fields."""
    first: Sheet = with_fields(own.sheets[0], **changes)
    return with_fields(own, sheets=(first, *own.sheets[1:]))


def _of_people(own: Content, make: Callable[[Person, int], Person]) -> Content:
    """Everybody on every sheet somebody else."""
    sheets = (
        with_fields(
            sheet, people=tuple(make(person, number) for number, person in enumerate(sheet.people))
        )
        for sheet in own.sheets
    )
    return with_fields(own, sheets=tuple(sheets))


def _stranger(person: Person, number: int) -> Person:
    return with_fields(person, name=STRANGER + "一二三四五六七八九十"[number % 10])


@contextmanager
def confused(hands: Hands) -> Iterator[None]:
    """While it lasts, every gateway of this process has these hands. Its typesetter is
    `hands.typeset`.
    """

    def handed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        return lambda city, kiosk, message: hands.answered(name, city, kiosk, message, work)

    honest_paths, honest_sheets = gateway.PATHS, ordering.on_sheets
    gateway.PATHS = {  # type: ignore[misc]
        name: replace(path, work=handed(name, path.work)) for name, path in honest_paths.items()
    }
    ordering.on_sheets = lambda *all_: hands.composed(honest_sheets(*all_))
    try:
        yield
    finally:
        gateway.PATHS, ordering.on_sheets = honest_paths, honest_sheets  # type: ignore[misc]


def main(how: str, _: str, config_path: str) -> None:
    """As `kiosk city` does."""
    import asyncio

    config = load(Path(config_path))
    hands = Hands(Path(config_path).parent, how)
    with confused(hands):
        asyncio.run(gateway.run(config, gateway.build(config, hands.typeset, people_on_sheets)))


if __name__ == "__main__":
    main(*sys.argv[1:])
