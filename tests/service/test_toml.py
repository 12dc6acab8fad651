from __future__ import annotations

import tomllib
from datetime import date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.service import toml
from testbed.rehearsal import CITY_DATA, merged

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")))
PLAIN = (
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.dates(min_value=date(1000, 1, 1))
    | st.times()
    | st.datetimes(
        min_value=datetime(1000, 1, 1),  # noqa: DTZ001 - the strategy adds zones
        timezones=st.just(timezone(timedelta(hours=9))),
    )
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_written_is_read_back(document: dict[str, object]) -> None:
    assert tomllib.loads(toml.dumps(document)) == document


def test_nothing_is_left_out_and_nonsense_is_refused() -> None:
    assert toml.dumps({"a": {"b": None, "c": time(6, 30)}}) == "[a]\nc = 06:30:00\n"
    with pytest.raises(TypeError):
        toml.dumps({"a": object()})


def test_the_citys_data_survive_and_can_be_overridden() -> None:
    known = tomllib.loads(CITY_DATA.read_text("utf-8"))
    made = tomllib.loads(toml.dumps(merged({})))
    assert {name: made[name] for name in known} == known
    closed = tomllib.loads(toml.dumps(merged({"hours": [], "name": {"en": "Elsewhere"}})))
    assert closed["hours"] == [] and closed["name"] == {**known["name"], "en": "Elsewhere"}
