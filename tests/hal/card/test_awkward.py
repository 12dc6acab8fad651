"""Cards that are awkward and legal: a session must succeed on each, alone and together."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from card_bench import Direct, whole_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hal.card import jpki
from hal.card.exchange import MOST_APDUS
from hal.sim.card.options import Options
from hal.sim.card.pki import CardCa, load_card

WAYS: dict[str, tuple[Any, ...]] = {
    "short_ef": (False,),
    "read_limit": (16, 100, 255),
    "kind": ("android", "iphone"),
    "label": ("JPKIAPIOSTOKEN",),
    "first_6f00": (True,),
    "exact_le": (True,),
    "exact_rest": (True,),
    "vague_rest": (True,),
    "reads_on": (False,),
    "p2_0c": (False,),
    "le_00": (False,),
    "chunk": (8, 100, 255),
    "t0": (True,),
    "state_query": (True,),
    "extended": (True,),
}
CASES: list[dict[str, Any]] = [
    *({name: value} for name, values in WAYS.items() for value in values),
    *(
        {"short_ef": False, "short_ef_status": status}
        for status in (0x6A82, 0x6A88, 0x6A81, 0x6A80, 0x6700, 0x6985, 0x6986, 0x6B00)
    ),
    {"p2_0c": False, "fci_le": True},
    {"t0": True, "vague_rest": True, "chunk": 100},  # GET RESPONSE is answered 6Cxx
]


def test_every_way_is_tried() -> None:
    assert {option.name for option in fields(Options)} - set(WAYS) == {
        "applet",
        "select_status",
        "short_ef_status",  # with short_ef
        "fci_le",  # with p2_0c
    }


@pytest.mark.parametrize("way", CASES, ids=str)
def test_one_awkward_way(folder: Path, ca: CardCa, way: dict[str, Any]) -> None:
    applet = load_card(folder, options=way)
    channel = Direct(applet)
    assert whole_session(channel, [ca.certificate])
    assert applet.tries == 3
    assert channel.exchanged <= MOST_APDUS


FALL_BACKS = {"t0": 1, "exact_rest": 0, "le_00": 2, "p2_0c": 1, "reads_on": 4, "short_ef": 5}


@pytest.mark.parametrize("way", FALL_BACKS)
def test_a_fall_back_is_paid_for_once_and_remembered(folder: Path, ca: CardCa, way: str) -> None:
    """The session at most so many commands longer: the refused one, and what takes its place."""
    channel = Direct(load_card(folder, options={way: way in ("t0", "exact_rest")}))
    whole_session(channel, [ca.certificate])
    assert channel.exchanged <= 10 + FALL_BACKS[way]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in WAYS.items()}
    )
)
def test_any_of_them_together(folder: Path, ca: CardCa, ways: dict[str, Any]) -> None:
    assert whole_session(Direct(load_card(folder, options=ways)), [ca.certificate])


@pytest.mark.parametrize(
    ("way", "most"),
    [({}, 10), ({"kind": "android"}, 12), ({"first_6f00": True}, 11), ({"t0": True}, 11)],
    ids=str,
)
def test_a_session_takes_ten_commands_and_a_phone_two_more(
    folder: Path, ca: CardCa, way: dict[str, Any], most: int
) -> None:
    channel = Direct(load_card(folder, options=way))
    whole_session(channel, [ca.certificate])
    assert channel.exchanged <= most


def test_a_certificate_of_seven_reads_takes_eleven(folder: Path) -> None:
    """The longest that is seen in the field: 7 READs of 256."""
    applet = load_card(folder)
    applet._files[0x0A] = (b"\x30\x82" + (1700).to_bytes(2, "big")).ljust(2048, b"\x01")
    channel = Direct(applet)
    facts = jpki.begin(channel)
    der = jpki.read_ahead(channel, facts)
    assert der is not None
    assert len(der) == 1704
    jpki.verify(channel, bytearray(b"1234"), facts)
    jpki.sign(channel, bytes(32), facts)
    assert channel.exchanged == 11
