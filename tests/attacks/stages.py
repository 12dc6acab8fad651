"""The stages at which the city is made to err: which there are, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import answer_stages as other
import order_stages as order
from attempts import Attempt, Material
from mutations import plain
from printers import printer

Stage = Callable[[Material], Iterator[Attempt]]
STAGES: Final[dict[str, Stage]] = {
    "content": order.content,
    "content and openings": order.content_and_openings,
    "paper": order.paper,
    "manifest's content": order.manifest_content,
    "manifest": order.manifest,
    "codes": order.codes,
    "openings": order.openings,
    "records": order.records,
    "file": order.file,
    "named file": order.named_file,
    "sealed file": order.sealed,
    "order's answer": order.answer,
    "mix-up": order.mixed_up,
    "registry": order.registry,
    "session's answer": other.of_message(
        "session's answer", "sessions", lambda spoken: plain(spoken.session)
    ),
    "form terms": other.form_terms,
    "hello's answer": other.of_message(
        "hello's answer", "hello", lambda spoken: plain(spoken.terms)
    ),
    "printer": printer,
    "release's answer": other.of_message("release's answer", "release", other.released),
    "outcome's answer": other.of_message(
        "outcome's answer", "outcome", lambda _: {"accepted": True}
    ),
    "cancel's answer": other.of_message("cancel's answer", "cancel", lambda _: {"accepted": True}),
}
WEIGHTS: Final = {
    "content": 14,
    "content and openings": 8,
    "paper": 12,
    "manifest's content": 6,
    "manifest": 6,
    "codes": 7,
    "openings": 7,
    "records": 7,
    "file": 22,
    "named file": 3,
    "sealed file": 3,
    "order's answer": 3,
    "mix-up": 12,
    "session's answer": 8,
    "form terms": 6,
    "hello's answer": 4,
    "release's answer": 3,
    "outcome's answer": 1,
    "cancel's answer": 1,
    "pair": 16,
}
HOOKED: Final = ("hello", "sessions", "release", "outcome", "cancel")
DOOR_ONLY: Final = ("printer",)  # a whole kiosk has the printer that it has
AT_THE_DOOR: Final = (
    "content",
    "content and openings",
    "paper",
    "manifest's content",
    "manifest",
    "codes",
    "openings",
    "records",
    "file",
    "named file",
    "sealed file",
    "mix-up",
    "session's answer",
    "form terms",
    "printer",
    "pair",
)
PAIRED: Final = (
    "content",
    "content and openings",
    "paper",
    "manifest",
    "codes",
    "openings",
    "records",
    "file",
    "mix-up",
    "session's answer",
)
