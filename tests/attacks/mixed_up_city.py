"""A city that mixes people up: the real gateway with its real keys, and hands that confuse it between its own steps.

Everything such a city sends is signed and sealed as it should be: it is not a forger, it does not know better. Hands
work at three seams: what is composed (document and manifest are wrong together), what is set on paper (the manifest is
right, the sheets are not), and what is answered. `python -m mixed_up_city HOW --config FILE` runs one as a program.
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

import pypdfium2
from msgspec.structs import replace as with_fields
from PIL import Image
from updated_font import typeset_with, updated_font

from city import gateway, handlers
from city.config import load
from city.document import Document, Person, Typeset
from city.handlers import City
from city.typesetting import typeset
from firmware.link import messages as m

STRANGER: Final = "別府　一郎"
TOGETHER_S = 10.0  # how long one request waits for the other it is to be confused with
_pdfium = threading.Lock()


@dataclass
class Hands:
    """What this city has done so far. `wrong`: SHA-256 of every document that holds another person's content."""

    folder: Path
    how: str = ""
    made: list[Document] = field(default_factory=list)
    answers: dict[str, list[m.Message]] = field(default_factory=dict)
    slot: dict[str, Document] = field(default_factory=dict)
    pair: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))
    tried: int = 0
    stalls: list[float] = field(default_factory=list)  # seconds that the next documents take longer
    lock: threading.Lock = field(default_factory=threading.Lock)

    def typeset(self, document: Document) -> Typeset:
        with self.lock:
            self.made.append(document)
            stall = self.stalls.pop(0) if self.stalls else 0.0
        time.sleep(stall)
        return SETTING.get(self.how, lambda _, own: typeset(own))(self, document)

    def composed(self, document: Document) -> Document:
        return COMPOSING.get(self.how, lambda _, own: own)(self, document)

    def answered(self, name: str, city: City, kiosk: str, message: Any, work: Callable[..., Any]) -> m.Message:
        path, hand = ANSWERING.get(self.how, ("", None))
        answer: m.Message = work(city, kiosk, message)
        if hand is None or path != name:
            return answer
        with self.lock:
            self.answers.setdefault(name, []).append(answer)
        return hand(self, answer)

    def mix(self) -> None:
        """One attempt was made."""
        with self.lock:
            self.tried += 1

    def previous(self, document: Document) -> Document | None:
        with self.lock:
            return next((d for d in reversed(self.made) if d.unique_number != document.unique_number), None)

    def meet(self) -> bool:
        """Whether the other request came; a lone one is left in peace."""
        try:
            self.pair.wait(TOGETHER_S)
        except threading.BrokenBarrierError:
            return False
        return True


# -- what is set on paper while the manifest tells of the right document


def previous_file(hands: Hands, own: Document) -> Typeset:
    """The file of the applicant before, as it lies there."""
    other = hands.previous(own)
    if other is None:
        return typeset(own)
    hands.mix()
    return typeset(other)


def previous_person(hands: Hands, own: Document) -> Typeset:
    """The content of the applicant before, under this one's number."""
    other = hands.previous(own)
    if other is None:
        return typeset(own)
    hands.mix()
    return typeset(_stamped(other, own))


def second_sheet_of_another(hands: Hands, own: Document) -> Typeset:
    """Sheet 2 is another household's, under this document's number, with its page and date."""
    made = typeset(own)
    if made.pages < 2:
        return made
    hands.mix()
    theirs = typeset(replace(own, people=tuple(_stranger(p, n) for n, p in enumerate(own.people)), holder=STRANGER))
    with _pdfium:
        mine, other = pypdfium2.PdfDocument(made.pdf), pypdfium2.PdfDocument(theirs.pdf)
        del mine[1]
        mine.import_pages(other, [1], 1)
        out = io.BytesIO()
        mine.save(out)
    return Typeset(out.getvalue(), made.pages)


def later_overwrites_earlier(hands: Hands, own: Document) -> Typeset:
    """One file, named after the second: both requests of that second read what was written last."""
    with hands.lock:
        hands.slot["now"] = own
    if not hands.meet():
        return typeset(own)
    last = hands.slot["now"]
    if last is not own:
        hands.mix()
    return typeset(last)


def later_overwrites_earlier_renumbered(hands: Hands, own: Document) -> Typeset:
    """The same, and the number is stamped on afterwards."""
    with hands.lock:
        hands.slot["now"] = own
    if not hands.meet():
        return typeset(own)
    last = hands.slot["now"]
    if last is not own:
        hands.mix()
    return typeset(_stamped(last, own))


def collision(hands: Hands, own: Document) -> Typeset:
    """Two simultaneous requests get each other's."""
    with hands.lock:
        hands.slot[own.unique_number] = own
    if not hands.meet():
        return typeset(own)
    other = next(d for number, d in hands.slot.items() if number != own.unique_number)
    hands.mix()
    return typeset(_stamped(other, own))


def new_font(hands: Hands, own: Document) -> Typeset:
    """A font update has given characters of this very name other drawings."""
    hands.mix()
    return typeset_with(updated_font(hands.folder / "font", "郎", "太"), own)


def old_era_on_paper(hands: Hands, own: Document) -> Typeset:
    hands.mix()
    return typeset(replace(own, issued_era=_heisei(own)))


def no_seal_on_paper(hands: Hands, own: Document) -> Typeset:
    hands.mix()
    return typeset(replace(own, seal=_blank()))


def one_person_too_many(hands: Hands, own: Document) -> Typeset:
    hands.mix()
    return typeset(replace(own, people=(*own.people, _stranger(own.people[0], 0))))


def one_person_missing(hands: Hands, own: Document) -> Typeset:
    hands.mix()
    return typeset(replace(own, people=own.people[:-1]))


# -- what is composed: document and manifest are wrong together


def other_holder(hands: Hands, own: Document) -> Document:
    hands.mix()
    return replace(own, holder=STRANGER, people=tuple(_stranger(p, n) for n, p in enumerate(own.people)))


def other_members(hands: Hands, own: Document) -> Document:
    hands.mix()
    return replace(own, people=(own.people[0], *(_stranger(p, n) for n, p in enumerate(own.people[1:]))))


def old_era(hands: Hands, own: Document) -> Document:
    hands.mix()
    return replace(own, issued_era=_heisei(own))


def yesterday(hands: Hands, own: Document) -> Document:
    hands.mix()
    return replace(own, issued_era=own.issued_era.replace("24日", "23日"))


def no_seal(hands: Hands, own: Document) -> Document:
    hands.mix()
    return replace(own, form="juminhyo", seal=b"")


def other_title(hands: Hands, own: Document) -> Document:
    hands.mix()
    return replace(own, title="所得・課税証明書")


def other_kind(hands: Hands, own: Document) -> Document:
    hands.mix()
    return replace(own, kind="kazei")


# -- what is answered


def earlier_answer(hands: Hands, own: m.Message) -> m.Message:
    """What was answered the time before: the buffer was not released."""
    earlier = [a for a in hands.answers["orders"] if a is not own]
    if not earlier:
        return own
    hands.mix()
    return earlier[-1]


def earlier_answer_renamed(hands: Hands, own: Any) -> m.Message:
    earlier = earlier_answer(hands, own)
    return with_fields(earlier, order=own.order) if earlier is not own else own


def earlier_manifest(hands: Hands, own: Any) -> m.Message:
    earlier: Any = earlier_answer(hands, own)
    return with_fields(own, manifest=earlier.manifest, manifest_signature=earlier.manifest_signature)


def earlier_document(hands: Hands, own: Any) -> m.Message:
    earlier: Any = earlier_answer(hands, own)
    return with_fields(own, sealed=earlier.sealed)


def swapped_answers(name: str) -> Callable[[Hands, m.Message], m.Message]:
    """Two requests at once get each other's answer."""

    def hand(hands: Hands, own: m.Message) -> m.Message:
        if not hands.meet():
            return own
        hands.mix()
        return next(a for a in hands.answers[name] if a is not own)

    return hand


def session_of_another(hands: Hands, own: Any) -> m.Message:
    """The other person's name and household under this session's id."""
    if not hands.meet():
        return own  # type: ignore[no-any-return]
    hands.mix()
    other: Any = next(a for a in hands.answers["sessions"] if a is not own)
    return with_fields(other, session=own.session)


def holder_of_another(hands: Hands, own: Any) -> m.Message:
    hands.mix()
    return with_fields(own, holder=STRANGER)


def members_in_disorder(hands: Hands, own: Any) -> m.Message:
    hands.mix()
    return with_fields(own, members={key: f"{STRANGER}{n}" for n, key in enumerate(own.members)})


SETTING: Final[Mapping[str, Callable[[Hands, Document], Typeset]]] = {
    hand.__name__: hand
    for hand in (
        previous_file, previous_person, second_sheet_of_another, later_overwrites_earlier,
        later_overwrites_earlier_renumbered, collision, new_font, old_era_on_paper, no_seal_on_paper,
        one_person_too_many, one_person_missing,
    )
}  # fmt: skip
COMPOSING: Final[Mapping[str, Callable[[Hands, Document], Document]]] = {
    hand.__name__: hand for hand in (other_holder, other_members, old_era, yesterday, no_seal, other_title, other_kind)
}
ANSWERING: Final[Mapping[str, tuple[str, Callable[[Hands, Any], m.Message]]]] = {
    "earlier_answer": ("orders", earlier_answer),
    "earlier_answer_renamed": ("orders", earlier_answer_renamed),
    "earlier_manifest": ("orders", earlier_manifest),
    "earlier_document": ("orders", earlier_document),
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


def _stamped(other: Document, own: Document) -> Document:
    return replace(other, unique_number=own.unique_number, issued_on=own.issued_on, issued_era=own.issued_era)


def _stranger(person: Person, number: int) -> Person:
    return replace(person, name=STRANGER + "一二三四五六七八九十"[number % 10])


def _heisei(own: Document) -> str:
    return f"平成{own.issued_on.year - 1988}年{own.issued_on.month}月{own.issued_on.day}日"


@contextmanager
def confused(hands: Hands) -> Iterator[None]:
    """While it lasts, every gateway of this process has these hands. Its typesetter is `hands.typeset`."""

    def handed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        return lambda city, kiosk, message: hands.answered(name, city, kiosk, message, work)

    honest_paths, honest_compose = gateway.PATHS, handlers.compose
    gateway.PATHS = {  # type: ignore[misc]
        name: replace(path, work=handed(name, path.work)) for name, path in honest_paths.items()
    }
    handlers.compose = lambda *all_: hands.composed(honest_compose(*all_))
    try:
        yield
    finally:
        gateway.PATHS, handlers.compose = honest_paths, honest_compose  # type: ignore[misc]


def main(how: str, _: str, config_path: str) -> None:
    """As `kiosk city` does."""
    import asyncio

    config = load(Path(config_path))
    hands = Hands(Path(config_path).parent, how)
    with confused(hands):
        asyncio.run(gateway.run(config, gateway.build(config, hands.typeset)))


if __name__ == "__main__":
    main(*sys.argv[1:])
