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
from testbed.load.typesetting import Alone

CALLS = ("hello", "sessions", "orders", "release", "outcome", "cancel")


def rung(
    kiosks: int,
    crowd: CrowdReport,
    reports: Sequence[Report],
    server_cpu: float,
    busy_cpu: float,
    verdict: Verdict,
    alone: Alone | None = None,
) -> dict[str, Any]:
    """One run's figures, ready for JSON. Times in ms; processor time in ms for one journey that was
    served. `alone`: the same typesetting by itself.
    """
    elapsed = crowd.ended - crowd.began
    served = [journey for journey in crowd.journeys if journey.end not in UNREACHED]
    printed = [journey for journey in served if journey.end == "printed"]
    gateways_cpu = sum(report.cpu for report in reports)
    cores = os.cpu_count() or 1
    per_cpu_s = _journeys_per_cpu_s(reports, served, gateways_cpu + server_cpu)
    return {
        "kiosks": kiosks,
        "seconds": round(elapsed, 1),
        "journeys": len(served),
        "printed": verdict.printed,
        "journeys_per_s": round(len(served) / elapsed, 2),
        "journeys_per_s_per_core": round(len(served) / elapsed / cores, 2),
        "journeys_per_city_cpu_s": per_cpu_s,
        "typst_alone": _alone(reports, len(served), per_cpu_s, alone),
        "statements": _of_one(served, sum(report.statements for report in reports)),
        "commits": _of_one(served, sum(report.commits for report in reports)),
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


def _of_one(served: Sequence[Journey], count: int) -> float | None:
    return round(count / len(served), 1) if served and count else None


def _alone(
    reports: Sequence[Report], journeys: int, per_cpu_s: float | None, alone: Alone | None
) -> dict[str, float] | None:
    """What typesetting alone would allow, in journeys of as many calls; `share`: of that, what the
    city's end reaches.
    """
    calls = sum(report.parts[TYPESETTING].calls for report in reports if report.parts)
    if alone is None or not alone.calls or not calls or per_cpu_s is None:
        return None
    limit = alone.calls / alone.cpu / (calls / journeys)
    return {
        "journeys_per_cpu_s": round(limit, 2),
        "cpu_ms": round(1000 / limit, 2),
        "share": round(per_cpu_s / limit, 3),
    }


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
        lines.append(
            f"statements {last['statements']}  commits {last['commits']}  "
            f"journeys for a processor second {last['journeys_per_city_cpu_s']}"
        )
    if last["typst_alone"]:
        peer = last["typst_alone"]
        lines.append(
            f"typst alone: {peer['journeys_per_cpu_s']} journeys for a processor second "
            f"({peer['cpu_ms']} ms); the city's end reaches {100 * peer['share']:.0f} % of it"
        )
    lines.append("cores: " + "  ".join(f"{who} {share}" for who, share in last["cores"].items()))
    return "\n".join(lines)


def _cell(figures: dict[str, Any], column: Column) -> str:
    return f"{_at(figures, column.path):>{column.width}.{column.decimals}f}"


def _at(found: Any, path: Sequence[str]) -> float:
    for name in path:
        found = found[name] if found is not None else None
    return float("nan") if found is None else float(found)
