"""`kiosk metrics` tells what `kiosk status` knows in the words of OpenMetrics (docs/telemetry.md).

Without --listen it prints them once, as a text-file collector wants them. With --listen it serves
them to a Prometheus on this machine, at /metrics, until it is ended. It reads one file, so that it
can neither hold up the kiosk nor ask a device.
"""

from __future__ import annotations

import argparse
import ipaddress
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from firmware.flow.states import Phase
from firmware.service.config import load
from firmware.service.status import BUCKETS_S, Availability, End, Status, read
from firmware.tools.cli import CommandError
from firmware.tools.status import state
from hal.printer.contract import PaperSupply

# Name without the prefix: what it is, its labels, and what it says. docs/telemetry.md is the
# contract; a test compares the two.
PREFIX: Final = "madoguchi_"
SILENT_S: Final = 10.0  # of whoever has connected: then that connection is ended
METRICS: Final = MappingProxyType(
    {
        "build": ("info", ("kiosk", "build"), "which kiosk, and which build it runs"),
        "up": ("gauge", (), "1 while the supervisor tells how it is"),
        "told_timestamp_seconds": ("gauge", (), "when the supervisor told it"),
        "availability": ("stateset", ("availability",), "what a person can count on"),
        "problem": ("gauge", ("problem",), "1 for the reason of being out of service"),
        "device_ready": ("gauge", ("device",), "1 when a new person could be served with it"),
        "paper": ("stateset", ("printer", "paper"), "how much paper a printer says it has"),
        "change_coins": ("gauge", ("yen",), "coins that are certainly in the hoppers of a value"),
        "exact_only": ("gauge", (), "1 when change is missing for some payments"),
        "cases_open": ("gauge", (), "cases that an operator has to look into"),
        "outcomes_waiting": ("gauge", (), "outcomes that the city has not heard"),
        "disk_free_bytes": ("gauge", (), "free on the disk of the journal"),
        "visits": ("counter", ("end",), "visits by how they ended"),
        "stage_seconds": ("histogram", ("stage",), "how long a stage of a visit lasted"),
        "device_faults": ("counter", ("device", "reason"), "faults that drivers reported"),
    }
)


def main(argv: Sequence[str]) -> int:
    """0. Raises CommandError, ConfigError, PermissionError, OSError."""
    parser = argparse.ArgumentParser(prog="kiosk metrics", description=__doc__)
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="serve them there, on loopback only")
    given = parser.parse_args(argv)
    runtime = load(given.config).kiosk.runtime
    registry = CollectorRegistry()
    registry.register(Exporter(runtime))
    if not given.listen:
        text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
        sys.stdout.write(text.decode())
        return 0
    host, port = loopback(given.listen)
    server = serve(host, port, registry)
    sys.stdout.write(f"metrics ready http://{host}:{server.server_port}/metrics\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def serve(host: str, port: int, registry: CollectorRegistry) -> WSGIServer:
    """In threads of its own. Raises OSError."""
    server, _ = start_http_server(port, host, registry)
    # each holds a thread, and the unit has few of them
    server.RequestHandlerClass.timeout = SILENT_S  # type: ignore[attr-defined]
    return server


def loopback(listen: str) -> tuple[str, int]:
    """Raises CommandError."""
    host, _, port = listen.rpartition(":")
    try:
        if ipaddress.ip_address(host.strip("[]")).is_loopback and 0 <= int(port) < 65_536:
            return host.strip("[]"), int(port)
    except ValueError:
        pass
    raise CommandError(f"--listen: {listen} is no address of this machine alone, as 127.0.0.1:9464")


class Exporter(Collector):
    """Reads the file anew at every scrape."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        status = read(self._runtime)
        now = time.time()
        told = state(status, now)
        running = told in list(Availability) and told != Availability.STOPPED
        yield _gauge("up", [((), float(running))])
        if status is not None:
            yield from _state(status, running)
            yield from _counted(status)


def _state(status: Status, running: bool) -> Iterator[Metric]:
    """What an old file says of devices is not told as if it held now."""
    report = status.report
    yield InfoMetricFamily(
        PREFIX + "build",
        METRICS["build"][2],
        value={"kiosk": status.kiosk, "build": status.build},
    )
    yield _gauge("told_timestamp_seconds", [((), status.at)])
    yield _gauge("disk_free_bytes", [((), status.disk_free)])
    if not running:
        return
    now = {one.value: one is report.availability for one in Availability}
    yield StateSetMetricFamily(PREFIX + "availability", METRICS["availability"][2], value=now)
    yield _gauge("problem", [((report.problem,), 1.0)] if report.problem else [])
    if not report.devices:  # nobody has looked since it was started or closed
        return
    yield _gauge("device_ready", [((n,), float(not t)) for n, t in report.devices.items()])
    paper = StateSetMetricFamily(PREFIX + "paper", METRICS["paper"][2], labels=["printer"])
    for printer, supply in report.paper.items():
        paper.add_metric([printer], {one.value: one.value == supply for one in PaperSupply})
    yield paper
    yield _gauge("change_coins", [((yen,), n) for yen, n in report.change.items()])
    yield _gauge("exact_only", [((), float(report.exact_only))])
    yield _gauge("cases_open", [((), report.cases)])
    yield _gauge("outcomes_waiting", [((), report.waiting)])


def _counted(status: Status) -> Iterator[Metric]:
    tally = status.tally
    visits = CounterMetricFamily(PREFIX + "visits", METRICS["visits"][2], labels=["end"])
    for end in End:
        visits.add_metric([end.value], tally.visits.get(end.value, 0))
    yield visits
    stages = HistogramMetricFamily(
        PREFIX + "stage_seconds", METRICS["stage_seconds"][2], labels=["stage"], unit="seconds"
    )
    for stage in Phase:
        if found := tally.stages.get(stage.value):
            stages.add_metric([stage.value], _cumulative(found.counts), found.total_s)
    yield stages
    faults = CounterMetricFamily(
        PREFIX + "device_faults", METRICS["device_faults"][2], labels=["device", "reason"]
    )
    for device, reasons in tally.faults.items():
        for reason, times in reasons.items():
            faults.add_metric([device, reason], times)
    yield faults


def _cumulative(counts: Sequence[int]) -> list[tuple[str, float]]:
    """How many lasted at most so long, for each limit."""
    limits = [*(str(most) for most in BUCKETS_S), "+Inf"]
    return [(limit, float(sum(counts[: n + 1]))) for n, limit in enumerate(limits)]


def _gauge(name: str, values: Sequence[tuple[tuple[str, ...], float]]) -> Metric:
    _, labels, text = METRICS[name]
    unit = next((unit for unit in ("seconds", "bytes") if name.endswith(f"_{unit}")), "")
    family = GaugeMetricFamily(PREFIX + name, text, labels=list(labels), unit=unit)
    for given, value in values:
        family.add_metric(list(given), value)
    return family
