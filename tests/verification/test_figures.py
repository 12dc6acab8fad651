"""What the page costs. `pytest tests/verification/test_figures.py -s` prints the figures."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from verification.page_bench import Bench, payload
from verification.phone import phone_of

from city.verification import site
from firmware.link import sheet_code

HOUSE = Path(__file__).parents[2]
ROUNDS = 15
MOST_BYTES = 32_000  # a second on the slowest mobile line that is sold
SLOW = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 200_000,
    "uploadThroughput": 90_000,
}  # bytes a second
SINCE = """() => new Promise((done) => {
  const look = () => {
    const verdict = document.getElementById("verdict")?.dataset.verdict;
    if (verdict && verdict !== "checking") done(performance.now());
    else setTimeout(look, 1);
  };
  look();
})"""


@pytest.mark.browser
@pytest.mark.parametrize(("line", "limits"), [("loopback", None), ("3G", SLOW)])
def test_bytes_and_time_to_the_verdict(
    browser: Any, bench: Bench, line: str, limits: dict[str, Any] | None
) -> None:
    address = sheet_code.address(bench.page, payload(bench.keys.current))
    times, sizes, requests = [], [], 0
    for _ in range(ROUNDS if limits is None else 3):
        with phone_of(browser, bench) as phone:
            arrived: list[float] = []
            network = phone.page.context.new_cdp_session(phone.page)
            network.send("Network.enable")
            if limits:
                network.send("Network.emulateNetworkConditions", limits)
            network.on(
                "Network.loadingFinished",
                lambda told, into=arrived: into.append(told["encodedDataLength"]),
            )
            phone.page.goto(address, wait_until="commit")
            times.append(phone.page.evaluate(SINCE))
            assert phone.verdict() == "in-force"
            phone.page.wait_for_timeout(50)  # the last one's event
            sizes.append(sum(arrived))
            requests = len([one for one in phone.asked if not one.url.startswith("about:")])
    figures = {
        "requests": requests,
        "bytes": max(sizes),
        "ms_to_verdict": round(median(times)),
        "line": line,
    }
    print(json.dumps(figures))
    assert max(sizes) < MOST_BYTES
    assert requests <= 10


def test_what_is_kept_here_is_the_package_as_it_was_published() -> None:
    """The hash is written down in docs/dependencies.md, beside the version."""
    kept = hashlib.sha256((site.FOLDER / "noble-ed25519.js").read_bytes()).hexdigest()
    (line,) = re.findall(
        r"^\| @noble/ed25519 .*$", (HOUSE / "docs/dependencies.md").read_text(), re.M
    )
    assert kept in line
    assert "Permission is hereby granted" in (site.FOLDER / "noble-ed25519.LICENSE.txt").read_text()


def test_every_file_of_the_page_is_served_and_no_other() -> None:
    assert {path.name for path in site.FOLDER.iterdir()} == {
        name for name, _ in site.FILES.values()
    }


def test_the_page_names_no_other_host() -> None:
    for name, _ in site.FILES.values():
        if not name.startswith("noble"):
            assert "://" not in (site.FOLDER / name).read_text(), name
