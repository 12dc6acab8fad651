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
from hal.sim.card.options import Options
from hal.sim.card.pki import CardCa, load_card

WAYS: dict[str, tuple[Any, ...]] = {
    "short_ef": (False,),
    "read_limit": (16, 100, 255),
    "phone": (True,),
    "label": ("JPKIAPIOSTOKEN",),
    "first_6f00": (True,),
    "exact_le": (True,),
    "chunk": (8, 100, 255),
    "t0": (True,),
    "state_query": (True,),
    "extended": (True,),
}
CASES = [{name: value} for name, values in WAYS.items() for value in values]


def test_every_way_is_tried() -> None:
    assert {option.name for option in fields(Options)} - set(WAYS) == {"applet"}


@pytest.mark.parametrize("way", CASES, ids=str)
def test_one_awkward_way(folder: Path, ca: CardCa, way: dict[str, Any]) -> None:
    applet = load_card(folder, options=way)
    channel = Direct(applet)
    assert whole_session(channel, [ca.certificate])
    assert applet.tries == 3
    assert channel.exchanged <= jpki.MOST_APDUS


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in WAYS.items()}))
def test_any_of_them_together(folder: Path, ca: CardCa, ways: dict[str, Any]) -> None:
    assert whole_session(Direct(load_card(folder, options=ways)), [ca.certificate])


@pytest.mark.parametrize(
    ("way", "most"), [({}, 10), ({"phone": True}, 11), ({"first_6f00": True}, 11), ({"t0": True}, 11)], ids=str
)
def test_a_session_takes_eleven_commands_at_most(folder: Path, ca: CardCa, way: dict[str, Any], most: int) -> None:
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
