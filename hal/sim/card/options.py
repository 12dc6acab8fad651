"""What can be awkward about a card, and what can happen to it: one field each, with its words for
`--help`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec


def _option(default: Any, words: str) -> Any:
    return field(default=default, metadata={"help": words})


@dataclass(frozen=True)
class Options:
    """How this card differs from the usual plastic one. All of it is legal (ISO/IEC 7816-4)."""

    short_ef: bool = _option(
        True, "takes short EF identifiers in READ, VERIFY and SIGN; answers 6A86 without"
    )
    read_limit: Annotated[int, msgspec.Meta(ge=1, le=256)] = _option(
        256, "bytes that one READ returns at most"
    )
    kind: Literal["card", "android", "iphone"] = _option(
        "card",
        "card, android or iphone: the label says so, and a phone's certificate needs the PIN",
    )
    label: str = _option("", "token label; empty: by the kind")
    applet: bool = _option(True, "has the JPKI applet")
    select_status: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)] = _option(
        0x6A82, "without the applet: what answers its SELECT, and every other command"
    )
    first_6f00: bool = _option(False, "answers 6F00 to the first command after power-up")
    short_ef_status: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)] = _option(
        0x6A86, "without short EF identifiers: what answers a command that has one"
    )
    reads_on: bool = _option(
        True, "a READ by short EF identifier selects the file; answers 6986 to the next one without"
    )
    p2_0c: bool = _option(True, "takes SELECT with P2 = 0C, no FCI; without, with P2 = 00 only")
    fci_le: bool = _option(False, "with --no-p2-0c: wants an Le in SELECT; answers 6700 without")
    le_00: bool = _option(True, "takes Le = 00 in READ; answers 6700 without")
    exact_le: bool = _option(False, "answers 6Cxx to an Le greater than what there is")
    vague_rest: bool = _option(False, "says 6100 of what is left, however little it is")
    exact_rest: bool = _option(False, "answers 6Cxx to a GET RESPONSE for anything but all of it")
    chunk: Annotated[int, msgspec.Meta(ge=0, le=255)] = _option(
        0, "bytes of an answer until 61xx; 0: whole answers"
    )
    t0: bool = _option(False, "answers SIGN with 61xx alone, as T=0 does")
    state_query: bool = _option(
        False, "answers the tries query 9000 when verified and 6984 when locked"
    )
    extended: bool = _option(False, "takes extended lengths")


@dataclass
class CardFaults:
    """What goes wrong, now and in the future. APDUs are counted from 1 at each insertion; a count
    fires once.
    """

    yank_before: int | None = _option(None, "pulled when this APDU arrives, which is not executed")
    yank_after: int | None = _option(None, "pulled when this APDU was executed, before its answer")
    yank_answered: int | None = _option(None, "pulled when this APDU was answered")
    lose_answer: int | None = _option(None, "executed, and its answer is lost; the card stays")
    glitch: int | None = _option(None, "this APDU is not executed, and answered `glitch_status`")
    glitch_status: int = _option(0x6F00, "a status word")
    lose_command: int | None = _option(None, "not executed, and answered with no byte at all")
    empty_answer: int | None = _option(None, "executed, and answered with no byte at all")
    cut_answer: int | None = _option(None, "executed, and answered with its first byte only")
    damage_answer: int | None = _option(None, "executed, and one bit of the answer's data is wrong")
    bounce_at: int | None = _option(None, "the contact is lost at this APDU, and comes back")
    bounce_ms: float = _option(150.0, "length of that bounce")
    yank_at_verify: bool = _option(
        False, "pulled while it works on a PIN: nobody hears its answer, once"
    )
    mute_at_verify: bool = _option(
        False, "works on a PIN and answers with no byte at all, once; the card stays"
    )
    mute_resets: int = _option(0, "so many of the next resets are not answered")
    deaf: bool = _option(False, "answers a reset, and every command with no byte at all")
    mute: bool = _option(False, "answers nothing, not even a reset")
    apdu_ms: float = _option(0.0, "each APDU takes this long")
    sign_ms: float = _option(0.0, "and a signature this much longer")
    flaps: int = _option(0, "times the card bounces when it is set down")
    flap_ms: float = _option(20.0, "length of a bounce, and of the pause after it")
