"""From what a crowd did, and what the gateways reported, to figures."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from testbed.load.crowd import BUSY, UNREACHED, CrowdReport, Journey
from testbed.load.desk import Call
from testbed.load.gateway import TYPESETTING, WAITING, Part, Report
from testbed.load.judge import Verdict

CALLS = ("hello", "sessions", "orders", "release", "outcome", "cancel")


def rung(
    kiosks: int,
    crowd: CrowdReport,
    reports: Sequence[Report],
    server_cpu: float,
    busy_cpu: float,
    verdict: Verdict,
) -> dict[str, Any]:
    """One run's figures, ready for JSON. Times in ms; processor time in ms for one journey that was
    served.
    """
    elapsed = crowd.ended - crowd.began
    served = [journey for journey in crowd.journeys if journey.end not in UNREACHED]
    printed = [journey for journey in served if journey.end == "printed"]
    gateways_cpu = sum(report.cpu for report in reports)
    cores = os.cpu_count() or 1
    return {
        "kiosks": kiosks,
        "seconds": round(elapsed, 1),
        "journeys": len(served),
        "printed": verdict.printed,
        "journeys_per_s": round(len(served) / elapsed, 2),
        "journeys_per_s_per_core": round(len(served) / elapsed / cores, 2),
        "journeys_per_city_cpu_s": _journeys_per_cpu_s(reports, served, gateways_cpu + server_cpu),
        "journey_ms": spread(journey.last for journey in printed),
        "stay_ms": spread(journey.seconds for journey in printed),
        "call_ms": {name: _call_ms(crowd.calls, name) for name in CALLS},
        "calls": len(crowd.calls),
        "busy": len([call for call in crowd.calls if call.result == BUSY]),
        "came_back": len([journey for journey in crowd.journeys if journey.visits > 1]),
        "given_up": len(crowd.journeys) - len(served),
        "errors": _errors(crowd.calls),
        "ends": dict(sorted(Counter(journey.end for journey in crowd.journeys).items())),
        "must_be_zero": verdict.counts,
        "city_ms": _city(reports, server_cpu, len(served)) if reports and served else None,
        "cores": _cores(elapsed, crowd.cpu, gateways_cpu, server_cpu, busy_cpu),
        "client_late_ms": spread(crowd.late),
        "gateway_mib": round(max((report.memory for report in reports), default=0.0)),
    }


def _journeys_per_cpu_s(
    reports: Sequence[Report], served: Sequence[Journey], city_cpu: float
) -> float | None:
    """None where nobody reported the city's processor time."""
    if not reports or not city_cpu:
        return None
    return round(len(served) / city_cpu, 2)


def _call_ms(calls: Iterable[Call], name: str) -> dict[str, float] | None:
    return spread(call.seconds for call in calls if call.name == name and not call.result)


def _errors(calls: Iterable[Call]) -> dict[str, int]:
    """How many calls failed, by reason; a busy city and a call that was cut are none."""
    failed = Counter(call.result for call in calls if call.result not in ("", BUSY, "cut"))
    return dict(sorted(failed.items()))


def spread(seconds: Iterable[float]) -> dict[str, float] | None:
    """p50, p99 and the longest, in ms."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    return {
        "p50": _quantile(ordered, 0.5),
        "p99": _quantile(ordered, 0.99),
        "max": _quantile(ordered, 1.0),
    }


def _quantile(ordered: Sequence[float], share: float) -> float:
    last = len(ordered) - 1
    return round(1000 * ordered[min(last, int(share * len(ordered)))], 1)


def _city(
    reports: Sequence[Report], server_cpu: float, journeys: int
) -> dict[str, dict[str, float]]:
    """Where a journey's time at the city's end goes: processor time by part, and the wall of those
    that wait.
    """
    parts: defaultdict[str, Part] = defaultdict(Part)
    for report in reports:
        for name, part in report.parts.items():
            parts[name].wall += part.wall
            parts[name].cpu += part.cpu
    cpu = {name: part.cpu for name, part in parts.items() if name != WAITING}
    cpu["tls, http"] = sum(report.loop for report in reports)
    cpu["the rest"] = max(0.0, sum(report.cpu for report in reports) - sum(cpu.values()))
    if server_cpu:
        cpu["database server"] = server_cpu
    wall = {name: parts[name].wall for name in (WAITING, "database", TYPESETTING) if name in parts}
    return {
        "cpu": {name: round(1000 * seconds / journeys, 2) for name, seconds in sorted(cpu.items())},
        "wall": {
            name: round(1000 * seconds / journeys, 1) for name, seconds in sorted(wall.items())
        },
    }


def _cores(
    elapsed: float, kiosks: float, gateways: float, server: float, busy: float
) -> dict[str, float]:
    """How many cores each kept busy; what is left to nobody was idle."""
    others = max(0.0, busy - kiosks - gateways - server)
    named = {
        "kiosks": kiosks,
        "gateways": gateways,
        "database server": server,
        "others here": others,
    }
    cores = {name: round(seconds / elapsed, 2) for name, seconds in named.items()}
    cores["of"] = float(os.cpu_count() or 1)
    return cores


# -- for people


class Column(NamedTuple):
    """`path`: where in a run's figures it is found."""

    heading: str
    width: int
    path: tuple[str, ...]
    decimals: int = 0


COLUMNS = (
    Column("kiosks", 6, ("kiosks",)),
    Column("journeys", 9, ("journeys",)),
    Column("per s", 7, ("journeys_per_s",), decimals=2),
    Column("journey p50", 12, ("journey_ms", "p50")),
    Column("p99 ms", 7, ("journey_ms", "p99")),
    Column("sessions p50", 13, ("call_ms", "sessions", "p50")),
    Column("p99", 6, ("call_ms", "sessions", "p99")),
    Column("orders p50", 11, ("call_ms", "orders", "p50")),
    Column("p99", 6, ("call_ms", "orders", "p99")),
    Column("release p50", 12, ("call_ms", "release", "p50")),
    Column("p99", 6, ("call_ms", "release", "p99")),
    Column("stay p50", 10, ("stay_ms", "p50")),
    Column("busy", 6, ("busy",)),
    Column("back", 6, ("came_back",)),
    Column("lost", 5, ("given_up",)),
)


def table(rungs: Sequence[dict[str, Any]]) -> str:
    """One line a rung; under it what had to be 0 and was not. Then where the time of the last rung
    went.
    """
    lines = ["".join(f"{column.heading:>{column.width}}" for column in COLUMNS)]
    for figures in rungs:
        lines.append("".join(_cell(figures, column) for column in COLUMNS))
        counts = {**figures["errors"], **figures["must_be_zero"]}
        lines += [f"{count:>8} {name}" for name, count in counts.items() if count]
    last = rungs[-1]
    if last["city_ms"]:
        spent = "  ".join(f"{name} {ms}" for name, ms in last["city_ms"]["cpu"].items())
        lines.append(f"ms of processor for a journey at {last['kiosks']} kiosks: {spent}")
    lines.append("cores: " + "  ".join(f"{who} {share}" for who, share in last["cores"].items()))
    return "\n".join(lines)


def _cell(figures: dict[str, Any], column: Column) -> str:
    return f"{_at(figures, column.path):>{column.width}.{column.decimals}f}"


def _at(found: Any, path: Sequence[str]) -> float:
    for name in path:
        found = found[name] if found is not None else None
    return float("nan") if found is None else float(found)
