"""From what a crowd did, and what the gateways told, to figures."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from madoguchi.load.crowd import BUSY, UNREACHED, Told
from madoguchi.load.gateway import TYPESETTING, WAITING, Part, Report
from madoguchi.load.judge import Verdict

CALLS = ("hello", "sessions", "orders", "release", "outcome", "cancel")


def rung(
    kiosks: int, told: Told, reports: Sequence[Report], server_cpu: float, busy_cpu: float, verdict: Verdict
) -> dict[str, Any]:
    """One run's figures, ready for JSON. Times in ms; processor time in ms for one journey that was served."""
    elapsed = told.ended - told.began
    served = [journey for journey in told.journeys if journey.end not in UNREACHED]
    city_cpu = sum(report.cpu for report in reports) + server_cpu
    failed = Counter(call.result for call in told.calls if call.result not in ("", BUSY, "cut"))
    return {
        "kiosks": kiosks,
        "seconds": round(elapsed, 1),
        "journeys": len(served),
        "printed": verdict.printed,
        "journeys_per_s": round(len(served) / elapsed, 2),
        "journeys_per_s_per_core": round(len(served) / elapsed / (os.cpu_count() or 1), 2),
        "journeys_per_city_cpu_s": round(len(served) / city_cpu, 2) if reports and city_cpu else None,
        "journey_ms": spread(j.last for j in served if j.end == "printed"),
        "stay_ms": spread(j.seconds for j in served if j.end == "printed"),
        "call_ms": {name: spread(c.seconds for c in told.calls if c.name == name and not c.result) for name in CALLS},
        "calls": len(told.calls),
        "busy": sum(call.result == BUSY for call in told.calls),
        "came_back": sum(journey.visits > 1 for journey in told.journeys),
        "given_up": len(told.journeys) - len(served),
        "errors": dict(sorted(failed.items())),
        "ends": dict(sorted(Counter(journey.end for journey in told.journeys).items())),
        "must_be_zero": verdict.counts,
        "city_ms": _city(reports, server_cpu, len(served)) if reports and served else None,
        "cores": _cores(elapsed, told.cpu, sum(report.cpu for report in reports), server_cpu, busy_cpu),
        "client_late_ms": spread(told.late),
        "gateway_mib": round(max((report.memory for report in reports), default=0.0)),
    }


def spread(seconds: Iterable[float]) -> dict[str, float] | None:
    """p50, p99 and the longest, in ms."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))], 1) for name, q in at.items()}


def _city(reports: Sequence[Report], server_cpu: float, journeys: int) -> dict[str, dict[str, float]]:
    """Where a journey's time at the city's end goes: processor time by part, and the wall of those that wait."""
    parts: defaultdict[str, Part] = defaultdict(Part)
    for report in reports:
        for name, part in report.parts.items():
            sum_ = parts[name]
            sum_.wall, sum_.cpu = sum_.wall + part.wall, sum_.cpu + part.cpu
    cpu = {name: part.cpu for name, part in parts.items() if name != WAITING}
    cpu["tls, http"] = sum(report.loop for report in reports)
    cpu["the rest"] = max(0.0, sum(report.cpu for report in reports) - sum(cpu.values()))
    if server_cpu:
        cpu["database server"] = server_cpu
    wall = {name: parts[name].wall for name in (WAITING, "database", TYPESETTING) if name in parts}
    return {
        "cpu": {name: round(1000 * seconds / journeys, 2) for name, seconds in sorted(cpu.items())},
        "wall": {name: round(1000 * seconds / journeys, 1) for name, seconds in sorted(wall.items())},
    }


def _cores(elapsed: float, kiosks: float, gateways: float, server: float, busy: float) -> dict[str, float]:
    """How many cores each kept busy; what is left to nobody was idle."""
    others = max(0.0, busy - kiosks - gateways - server)
    named = {"kiosks": kiosks, "gateways": gateways, "database server": server, "others here": others}
    return {name: round(seconds / elapsed, 2) for name, seconds in named.items()} | {"of": float(os.cpu_count() or 1)}


# -- for people

COLUMNS = (  # heading, width, decimals, where it is found
    ("kiosks", 6, 0, ("kiosks",)),
    ("journeys", 9, 0, ("journeys",)),
    ("per s", 7, 2, ("journeys_per_s",)),
    ("journey p50", 12, 0, ("journey_ms", "p50")),
    ("p99 ms", 7, 0, ("journey_ms", "p99")),
    ("sessions p50", 13, 0, ("call_ms", "sessions", "p50")),
    ("p99", 6, 0, ("call_ms", "sessions", "p99")),
    ("orders p50", 11, 0, ("call_ms", "orders", "p50")),
    ("p99", 6, 0, ("call_ms", "orders", "p99")),
    ("release p50", 12, 0, ("call_ms", "release", "p50")),
    ("p99", 6, 0, ("call_ms", "release", "p99")),
    ("stay p50", 10, 0, ("stay_ms", "p50")),
    ("busy", 6, 0, ("busy",)),
    ("back", 6, 0, ("came_back",)),
    ("lost", 5, 0, ("given_up",)),
)


def table(rungs: Sequence[dict[str, Any]]) -> str:
    """One line a rung; under it what had to be 0 and was not. Then where the time of the last rung went."""
    lines = ["".join(f"{heading:>{width}}" for heading, width, _, _ in COLUMNS)]
    for rung in rungs:
        lines.append("".join(f"{_at(rung, path):>{width}.{decimals}f}" for _, width, decimals, path in COLUMNS))
        lines += [f"{count:>8} {name}" for name, count in {**rung["errors"], **rung["must_be_zero"]}.items() if count]
    last = rungs[-1]
    if last["city_ms"]:
        spent = "  ".join(f"{name} {ms}" for name, ms in last["city_ms"]["cpu"].items())
        lines.append(f"ms of processor for a journey at {last['kiosks']} kiosks: {spent}")
    lines.append("cores: " + "  ".join(f"{who} {share}" for who, share in last["cores"].items()))
    return "\n".join(lines)


def _at(found: Any, path: Sequence[str]) -> float:
    for name in path:
        found = found[name] if found is not None else None
    return float("nan") if found is None else float(found)
