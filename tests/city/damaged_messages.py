"""Bad input from good: seeded, so that a case that was found is found again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

WEIRD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 99, 100, 2**31, 2**53, 2**63, 2**64, 10**400, 1.5, -0.0, 1e308),
    *(
        "",
        " ",
        "a",
        "\0",
        "\n",
        "a" * 401,
        "a" * 32,
        "0" * 64,
        "ﷺ" * 100,
        "\ud800",
        "=",
        "AAAA",
        "A" * 43 + "=",
    ),
    *([], {}, [[]], {"": ""}, [None], {"a": {"a": {"a": {}}}}),
)
TOKENS = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\u",
    b"null",
    b"1e999",
    b"-",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
)


def cases(seed: int, good: Sequence[bytes], count: int) -> Iterator[tuple[int, bytes]]:
    """`count` times: which of `good` it was made from, and what became of it."""
    dice = random.Random(seed)
    for _ in range(count):
        which = dice.randrange(len(good))
        made = (
            _structure(dice, good[which])
            if dice.random() < 0.5
            else _raw(dice, good[which], dice.choice(good))
        )
        yield which, made


def _raw(dice: random.Random, body: bytes, other: bytes) -> bytes:
    made = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        at, end = sorted(dice.randrange(len(made) + 1) for _ in range(2))
        match dice.randrange(7):
            case 0 if made:
                made[at % len(made)] ^= 1 << dice.randrange(8)
            case 1:
                del made[at:end]
            case 2:
                made[at:at] = made[at : min(end, at + 200)]
            case 3:
                made[at:at] = dice.choice(TOKENS)
            case 4:
                del made[at:]
            case 5:
                made[at:end] = other[at : at + 200]
            case _:
                made[at:at] = dice.choice((b"[", b'{"a":')) * dice.randint(1, 2000)
    return bytes(made)


def _structure(dice: random.Random, body: bytes) -> bytes:
    whole = {"": json.loads(body)}
    for _ in range(dice.randint(1, 3)):
        place, key = dice.choice(list(_places(whole)))
        match dice.randrange(5):
            case 0:
                place[key] = deepcopy(dice.choice(WEIRD))
            case 1 if isinstance(place, dict) and key:
                del place[key]
            case 2 if isinstance(place[key], dict):
                place[key][dice.choice(("", "extra", "order", "session"))] = deepcopy(
                    dice.choice(WEIRD)
                )
            case 3 if isinstance(place[key], str) and place[key]:
                at = dice.randrange(len(place[key]))
                place[key] = place[key][:at] + dice.choice("0aA=/\n\0é") + place[key][at + 1 :]
            case 4 if isinstance(place[key], list):
                place[key] = place[key] * dice.choice((0, 2, 40))
            case _:
                place[key] = [place[key]]
    return json.dumps(whole.get("", None), ensure_ascii=dice.random() < 0.5).encode(
        "utf-8", "surrogatepass"
    )


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)
