"""The generated adversary: hands at every answer of the gateway, one attempt in each journey."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from attack_bench import Attack
from attempts import Attempt
from forger import Forger, Spoken, draft_of
from mixed_up_city import Hands
from mutations import message_of, plain
from sqlalchemy import update

from city import tables
from city.document import Layout, Typeset
from city.handlers import City
from firmware.link import messages
from firmware.link.content import Content


class Adversary(Hands):
    """`live`: by kiosk, what is done to its journey; without it the city answers as it should."""

    def __init__(self, attack: Attack) -> None:
        super().__init__(attack.folder, "generated")
        self.forger = Forger(attack.city.city.issuing)
        self.files: dict[str, bytes] = {}  # unique number -> the file that the city made
        self.live: dict[str, Live] = {}
        self._engine = attack.city.city.engine
        attack.hands = self
        attack.city.typeset = self.typeset

    def typeset(self, content: Content, layout: Layout) -> Typeset:
        made = super().typeset(content, layout)
        self.files[content.unique_number] = made.pdf
        return made

    def answered(
        self, name: str, city: City, kiosk: str, message: Any, work: Callable[..., Any]
    ) -> Any:
        answer = work(city, kiosk, message)
        self.note(answer)
        live = self.live.get(kiosk)
        return live.answered(name, message, answer) if live else answer

    def book(self, order: str) -> None:
        """The database is the insider's too: it knows the file that was sent as this order's."""
        document = hashlib.sha256(self.forger.files[order]).hexdigest()
        with self._engine.begin() as connection:
            row = update(tables.orders).where(tables.orders.c.order == order)
            connection.execute(row.values(document_sha256=document))


@dataclass
class Live:
    """One journey in the adversary's hands. `error`: why the attempt could not be made."""

    adversary: Adversary
    attempt: Attempt
    made: bool = False
    error: BaseException | None = None
    terms: messages.Terms | None = None
    session: messages.SessionAnswer | None = None
    document_key: bytes = b""
    spoken: Spoken | None = None

    def answered(self, name: str, message: Any, answer: Any) -> Any:
        """What leaves the city. An attempt that cannot be made leaves the answer as it was."""
        try:
            self._note_exchange(name, message, answer)
            return self._altered(name, answer)
        except Exception as error:
            self.error = error
            return answer

    @property
    def file(self) -> bytes:
        """What the kiosk was sent last as the file of its order."""
        order = self.spoken.request.order if self.spoken else ""
        return self.adversary.forger.files.get(order, b"")

    def _note_exchange(self, name: str, message: Any, answer: Any) -> None:
        if name == "hello":
            self.terms = answer
        elif name == "sessions":
            self.session, self.document_key = answer, message.document_key
        elif name == "orders" and self.terms and self.session:
            manifest = msgspec.json.decode(answer.manifest, type=messages.Manifest)
            pdf = self.adversary.files[manifest.content.unique_number]
            who, key = self.attempt.errand, self.document_key
            self.adversary.forger.files[message.order] = pdf
            self.spoken = Spoken(who, self.terms, self.session, message, answer, manifest, pdf, key)

    def _altered(self, name: str, answer: Any) -> Any:
        if name == "orders" and self.spoken and self.attempt.alter:
            draft = draft_of(self.spoken)
            self.attempt.alter(draft)
            made = self.adversary.forger.finish(draft)
            self.made = True
            self.adversary.book(self.spoken.request.order)
            return made
        hook = self.attempt.hooks.get(name)
        if hook is None:
            return answer
        changed = hook(plain(answer))
        self.made = True
        with suppress(msgspec.ValidationError):
            return message_of(changed, type(answer))
        return changed
