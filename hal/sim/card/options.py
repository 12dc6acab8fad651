"""What can be awkward about a card, and what can happen to it: one field each, with its words for `--help`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec


def _option(default: Any, words: str) -> Any:
    return field(default=default, metadata={"help": words})


@dataclass(frozen=True)
class Options:
    """How this card differs from the usual plastic one. All of it is legal (ISO/IEC 7816-4)."""

    short_ef: bool = _option(True, "takes short EF identifiers in READ, VERIFY and SIGN; answers 6A86 without")
    read_limit: Annotated[int, msgspec.Meta(ge=1, le=256)] = _option(256, "bytes that one READ returns at most")
    phone: bool = _option(False, "the certificate can be read after the PIN only, and the label is a phone's")
    label: str = _option("", "token label; empty: by the kind of card")
    applet: bool = _option(True, "has the JPKI applet; without, every SELECT of it is answered 6A82")
    first_6f00: bool = _option(False, "answers 6F00 to the first command after power-up")
    exact_le: bool = _option(False, "answers 6Cxx to an Le greater than what there is")
    chunk: Annotated[int, msgspec.Meta(ge=0, le=255)] = _option(0, "bytes of an answer until 61xx; 0: whole answers")
    t0: bool = _option(False, "answers SIGN with 61xx alone, as T=0 does")
    state_query: bool = _option(False, "answers the tries query 9000 when verified and 6984 when locked")
    extended: bool = _option(False, "takes extended lengths")


@dataclass
class CardFaults:
    """What goes wrong, now and in the future. APDUs are counted from 1 at each insertion; a count fires once."""

    yank_before: int | None = _option(None, "pulled when this APDU arrives, which is not executed")
    yank_after: int | None = _option(None, "pulled when this APDU was executed, before its answer")
    yank_answered: int | None = _option(None, "pulled when this APDU was answered")
    lose_answer: int | None = _option(None, "executed, and its answer is lost; the card stays")
    mute: bool = _option(False, "answers nothing, not even a reset")
    apdu_ms: float = _option(0.0, "each APDU takes this long")
    sign_ms: float = _option(0.0, "and a signature this much longer")
    flaps: int = _option(0, "times the card bounces when it is set down")
    flap_ms: float = _option(20.0, "length of a bounce, and of the pause after it")
