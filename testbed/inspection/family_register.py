"""What must stand on a certificate of a family register, worked out from the sample families' file
and the choice, without the city.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Final

from testbed.inspection.errand import Errand

FAMILIES: Final = Path(__file__).parents[2] / "city/sample/families.toml"
ERAS: Final = ((date(2019, 5, 1), "令和"), (date(1989, 1, 8), "平成"), (date(1926, 12, 25), "昭和"))
KINDS: Final = ("koseki-zenbu", "koseki-kojin", "fuhyo-zenbu", "fuhyo-kojin")
Rows = list[tuple[str, str]]


def era(day: date) -> str:
    begin, name = next((begin, name) for begin, name in ERAS if day >= begin)
    year = day.year - begin.year + 1
    return f"{name}{'元' if year == 1 else year}年{day.month}月{day.day}日"


def family_of(holder: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The register, and whose card it is in it."""
    for family in tomllib.loads(FAMILIES.read_text("utf-8"))["families"]:
        for member in family["members"]:
            if holder in (member["id"], member.get("resident")):
                return family, member
    raise KeyError(holder)


def faults_of_family(errand: Errand, content: Any, day: date) -> list[str]:
    """What the city's content says otherwise than the file; [] for nothing."""
    family, holder = family_of(errand.resident)
    everybody = {f"f{n}": member for n, member in enumerate(family["members"], start=1)}
    whole = errand.kind.endswith("zenbu")
    chosen = everybody.keys() if whole else errand.picks["members"]
    people = [member for key, member in everybody.items() if key in chosen]
    wanted = [(member["given"], _rows(errand.kind, member)) for member in people]
    found = [
        (person["name"], [(row["label"], row["value"]) for row in person["rows"]])
        for sheet in content["sheets"]
        for person in sheet["people"]
    ]
    faults = [] if content["issued_on"] == era(day) else ["the date"]
    faults += [] if [name for name, _ in found] == [name for name, _ in wanted] else ["the people"]
    for (_, theirs), (_, stated) in zip(wanted, found, strict=False):
        faults += [f"the rows of {label}" for label, _ in set(theirs) ^ set(stated)]
    for sheet in content["sheets"]:
        head = [(row["label"], row["value"]) for row in sheet["head"]]
        faults += [] if head == _head(errand, family) else ["the head"]
        shown = {person["name"] for person in sheet["people"]}
        applicant = "" if holder["given"] in shown else holder["name"]
        faults += [] if sheet["applicant"] == applicant else ["the applicant"]
        faults += ["amounts"] if sheet["amounts"] or sheet["seal"] else []
    return faults


def _head(errand: Errand, family: dict[str, Any]) -> Rows:
    if errand.kind.startswith("koseki"):
        matters = list(family["matters"].items())
        return [("本籍", family["domicile"]), ("氏名", family["head"]), *matters]
    if "domicile" in errand.picks.get("fields", ()):
        return [("本籍", family["domicile"]), ("筆頭者", family["head"])]
    return []


def _rows(kind: str, member: dict[str, Any]) -> Rows:
    rows = [("戸籍に記録されている者", "除籍")] if member.get("removed") else []
    rows.append(("生年月日", era(member["birth"])))
    if kind.startswith("koseki"):
        return [*rows, *member["details"].items()]
    addresses = [
        f"【住所】{each['address']}\n【住所を定めた日】{era(each['since'])}"
        for each in member["addresses"]
    ]
    return [*rows, ("性別", member["sex"]), ("住所", "\n".join(addresses))]
