"""The record of a guided walk, for the file: JSON for programs, text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from firmware.service.attestation import model
from firmware.service.build import build
from firmware.service.config import Config
from firmware.tools.diagnose.finding import Finding, as_json
from firmware.tools.diagnose.guided.human import Answered

FORMAT: Final = 1  # of the JSON record


@dataclass(frozen=True)
class Done:
    """One step: its title, what was found, and who answered what."""

    title: str
    finding: Finding
    answers: Sequence[Answered] = ()


def as_record(config: Config, by: str, began: datetime, steps: Sequence[Done]) -> Mapping[str, Any]:
    """One JSON object."""
    return {
        "format": FORMAT,
        "at": began.isoformat(timespec="seconds"),
        "build": build(),
        "board": model(),
        "kiosk": config.kiosk.id,
        "by": by,
        "ok": all(step.finding.ok for step in steps),
        "steps": [
            {
                **as_json(step.finding),
                "title": step.title,
                "answers": [asdict(answer) for answer in step.answers],
            }
            for step in steps
        ],
    }


def as_text(record: Mapping[str, Any]) -> Iterator[str]:
    """The same in lines."""
    yield "案内付き点検 / guided diagnosis"
    for name in ("at", "build", "board", "kiosk", "by"):
        yield f"{name + ':':<8}{record[name] or 'unknown'}"
    for step in record["steps"]:
        code = f"  [{step['code']}]" if step["code"] else ""
        yield ""
        yield f"{step['verdict']}  {step['name']}  {step['title']}: {step['detail']}{code}"
        if step["expected"]:
            yield f"    expected: {step['expected']}"
        if step["remedy"]:
            yield from (f"    → {step['remedy'][language]}" for language in ("ja", "en"))
        for answer in step["answers"]:
            yield f"    {answer['ja']}"
            yield f"    {answer['en']}"
            yield f"      {answer['answer']}: {answer['by']}, {answer['seconds']:.1f} s"
        yield f"    {step['seconds']:.1f} s"


def text_path(path: Path) -> Path:
    """Beside the JSON file."""
    return path.with_name(f"{path.name}.txt")
