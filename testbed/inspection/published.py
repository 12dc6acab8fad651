"""What must stand on a certificate, as the city's published data says: title, subtitle, certifying
sentence, notes, issuer.

Read from the city's file by nothing but a TOML reader: a gateway that took another kind's sentence,
or was given another title, is found, whatever it says of itself.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from testbed.inspection.errand import Errand
from testbed.inspection.register import era, people_of, year_of

CITY: Final = Path(__file__).parents[2] / "city/data/akashi.toml"
# Which sentence of a kind without a choice.
ONLY: Final = {"inkan": "seal", "kazei": "tax"}


def faults_of(errand: Errand, content: Any, day: date) -> list[str]:
    """What the city's content says otherwise; [] for nothing."""
    named, household = people_of(errand)
    wanted = words(errand.kind, day, len(named) == len(household), year_of(errand))
    return [name for name, text in wanted.items() if _plain(content[name]) != text]


def words(kind: str, day: date, whole: bool, year: int) -> Mapping[str, object]:
    """Each part of the sheet and its words. `whole`: everybody of the household stands
    on it.
    """
    city = tomllib.loads(CITY.read_text("utf-8"))
    form = _valid([each for each in city["certificates"] if each["kind"] == kind], day)
    case = ONLY.get(kind) or ("household" if whole else "part")
    years = {"fiscal": f"{_era_year(year)}年度", "income": f"{_era_year(year - 1)}年"}
    office, _, officer = _valid(city["issuers"], day)["name"].partition("　")
    return {
        "heading": city["name"]["ja"],
        "title": form["printed"],
        "subtitle": form.get("subtitle", {}).get(case, "").format(**years),
        "statement": form["statement"][case],
        "office": office,
        "officer": officer,
        "notes": form.get("notes", []),
        "verification": city["verification"],
    }


def _valid(entries: Sequence[Mapping[str, Any]], day: date) -> Mapping[str, Any]:
    """The one that holds on this day: the newest that has begun."""
    return max((each for each in entries if each["from"] <= day), key=lambda each: each["from"])


def _era_year(year: int) -> str:
    return era(date(year, 1, 1)).partition("年")[0]


def _plain(value: Any) -> object:
    return list(value) if isinstance(value, tuple) else value
