"""A sheet of the driver and one of ipptool, on the same printer."""

from __future__ import annotations

import json
import shutil

import pytest

from testbed import measure_ipp
from testbed.ippeveprinter import missing

lacking = missing() or ("" if shutil.which("ipptool") else "ipptool")


@pytest.mark.skipif(bool(lacking), reason=f"not installed: {lacking}")
def test_what_a_sheet_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure_ipp.main(["--times", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["page_ms"]["min"] > 0
    assert found["beside"]["ipptool_page_ms"]["min"] > 0
