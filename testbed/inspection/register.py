"""What must stand on a certificate, worked out from the sample people's file and the choice,
without the city.

The judge's truth is what the city composed before anybody laid hands on it. This says whether that
was right.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Final

from testbed.inspection.entry_register import KINDS as ENTRY_KINDS
from testbed.inspection.entry_register import faults_of_entry
from testbed.inspection.errand import Errand
from testbed.inspection.family_register import KINDS as FAMILY_KINDS
from testbed.inspection.family_register import faults_of_family

RESIDENTS: Final = Path(__file__).parents[2] / "city/sample/residents.toml"
ERAS: Final = ((date(2019, 5, 1), "令和"), (date(1989, 1, 8), "平成"), (date(1926, 12, 25), "昭和"))
LATEST: Final = 2026  # the fiscal year that is issued on the day of a rehearsal
NAMESAKE: Final = {
    "birth": date(1979, 2, 11),
    "address": "兵庫県明石市松が丘北町92番7号",
    "mynumber": "703118256044",
    "kana": "アカイシ　タロウ",
}
BESIDE: Final = (("フリガナ", "kana"), ("旧氏", "former_surname"), ("通称", "alias"))
OF_FIELDS: Final = {
    "relationship": (("続柄", "relationship"),),
    "domicile": (("本籍", "domicile"), ("筆頭者の氏名", "domicile_head")),
    "residence": (
        ("国籍・地域", "nationality"),
        ("在留資格", "residence_status"),
        ("在留期間等", "residence_period"),
        ("在留期間の満了の日", "residence_until"),
        ("在留カード等の番号", "residence_card"),
    ),
    "mynumber": (("個人番号", "mynumber"),),
}
Rows = set[tuple[str, str]]


def era(day: date) -> str:
    begin, name = next((begin, name) for begin, name in ERAS if day >= begin)
    year = day.year - begin.year + 1
    return f"{name}{'元' if year == 1 else year}年{day.month}月{day.day}日"


def western(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def household_of(resident: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The household's own values, and its members with theirs."""
    wanted = "taro" if resident == "namesake" else resident
    for household in tomllib.loads(RESIDENTS.read_text("utf-8"))["households"]:
        members = household.pop("members")
        if any(member["id"] == wanted for member in members):
            made = [{**household, **member} for member in members]
            for own, member in zip(made, members, strict=True):
                own["notified_on"] = member.get(
                    "settled_on", household["notified_on"]
                )  # of those born there
            if resident == "namesake":
                made = [{**made[0], **NAMESAKE, "id": "namesake"}]
            return household, made
    raise KeyError(resident)


def people_of(errand: Errand) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Who stands on the certificate, and the household."""
    _, members = household_of(errand.resident)
    holder = next(member for member in members if member["id"] == errand.resident)
    return _people(errand, members, holder), members


def faults_of(errand: Errand, content: Any, day: date) -> list[str]:
    """What the city's content says otherwise than the file; [] for nothing."""
    if errand.kind in FAMILY_KINDS:
        return faults_of_family(errand, content, day)
    if errand.kind in ENTRY_KINDS:
        return faults_of_entry(errand, content, day)
    _, members = household_of(errand.resident)
    holder = next(member for member in members if member["id"] == errand.resident)
    people = _people(errand, members, holder)
    head: Rows = set()
    if errand.kind == "juminhyo":
        head = {("住所", holder["address"])}
        if "relationship" in errand.picks.get("fields", ()):
            head.add(("世帯主", members[0]["name"]))
    wanted = [(person["name"], _rows(errand, person)) for person in people]
    found = [(p["name"], _pairs(p["rows"])) for sheet in content["sheets"] for p in sheet["people"]]
    faults = []
    if content["issued_on"] != era(day):
        faults.append("the date")
    if [name for name, _ in found] != [name for name, _ in wanted]:
        faults.append("the people")
    for (_, own), (_, theirs) in zip(wanted, found, strict=False):
        faults += sorted(label for label, _ in own ^ theirs)
    for sheet in content["sheets"]:
        faults += sorted(label for label, _ in head ^ _pairs(sheet["head"]))
        if bool(sheet["seal"]) != (errand.kind == "inkan"):
            faults.append("the imprint")
        if sheet["applicant"] != (
            "" if holder["name"] in {p["name"] for p in sheet["people"]} else holder["name"]
        ):
            faults.append("the applicant")
        faults += sorted(
            label for label, _ in _amounts(errand, holder) ^ _amount_pairs(sheet["amounts"])
        )
    return faults


def _people(
    errand: Errand, members: list[dict[str, Any]], holder: dict[str, Any]
) -> list[dict[str, Any]]:
    scope = errand.picks.get("scope", ("self",))[0]
    if scope == "self":
        return [holder]
    if scope == "household":
        return members
    return [member for n, member in enumerate(members, 1) if f"m{n}" in errand.picks["members"]]


def _rows(errand: Errand, person: dict[str, Any]) -> Rows:
    foreign = bool(person.get("nationality"))
    born = western(person["birth"]) if foreign else era(person["birth"])
    rows = {(label, person.get(key, "")) for label, key in BESIDE} | {("生年月日", born)}
    if errand.kind == "inkan":
        rows.add(("住所", person["address"]))
    if errand.kind == "kazei":
        year = year_of(errand)
        rows |= {
            ("現住所", person["address"]),
            (f"{era(date(year, 1, 1)).split('年')[0]}年1月1日の住所", person["address"]),
        }
    if errand.kind == "juminhyo":
        since = "外国人住民となった年月日" if foreign else "住民となった年月日"
        rows |= {
            ("性別", person["sex"]),
            (since, era(person["resident_since"])),
            ("住所を定めた年月日", era(person["settled_on"])),
            ("届出の年月日", era(person["notified_on"])),
            ("前住所", person.get("previous_address", "")),
        }
        for field in errand.picks.get("fields", ()):
            for label, key in OF_FIELDS[field]:
                value = person.get(key, "")
                if not (foreign and field == "domicile"):
                    rows.add((label, western(value) if isinstance(value, date) else value))
    return {(label, value) for label, value in rows if value}


def year_of(errand: Errand) -> int:
    """The fiscal year of its amounts."""
    return int(next(iter(errand.picks.get("year", (f"y{LATEST}",)))).removeprefix("y"))


def _amounts(errand: Errand, holder: dict[str, Any]) -> Rows:
    if errand.kind != "kazei":
        return set()
    ago = LATEST - year_of(errand)
    amounts = next(tax["amounts"] for tax in holder["taxes"] if tax["ago"] == ago)
    return {(label, f"{amount:,}円") for label, amount in amounts.items()}


def _amount_pairs(rows: list[Any]) -> Rows:
    """Without the headings, which are the form's and have no value."""
    return {pair for pair in _pairs(rows) if pair[1]}


def _pairs(rows: list[Any]) -> Rows:
    return {(row["label"], row["value"]) for row in rows}
