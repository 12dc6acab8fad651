"""A journey costs three round trips that a person waits for, and the kiosk asks for a document
once.
"""

from __future__ import annotations

import json

import pytest

from testbed import measure_line


@pytest.mark.wires
def test_what_a_journey_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure_line.main(["--journeys", "2", "--deliveries", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["round_trips"] == {
        "connect and hello, ahead": 2,
        "sessions": 1,
        "orders": 1,
        "release": 1,
        "outcome": 1,
        "waited for": 3,
    }
    assert found["bytes"]["orders"]["down"] < 1.1 * found["delivery_ms"]["answer_bytes"] + 4096
    assert found["connection"]["resumed"]["bytes_down"] < found["connection"]["full"]["bytes_down"]
