"""What must stand on a certificate of a payment, of a vehicle, or of somebody whose entry was
removed, worked out from the sample's own files and the choice, without the city.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Final

from testbed.inspection.errand import Errand

SAMPLE: Final = Path(__file__).parents[2] / "city/sample"
LATEST: Final = 2026  # the fiscal year that is issued on the day of a rehearsal
KINDS: Final = ("nozei", "keiji-nozei", "jokyo")
ERAS: Final = ((date(2019, 5, 1), "令和"), (date(1989, 1, 8), "平成"), (date(1926, 12, 25), "昭和"))
MASKED: Final = "＊＊＊＊＊"  # of what an employer collects, in the city that has these kinds
Rows = list[tuple[str, str]]


def era(day: date) -> str:
    begin, name = next((begin, name) for begin, name in ERAS if day >= begin)
    year = day.year - begin.year + 1
    return f"{name}{'元' if year == 1 else year}年{day.month}月{day.day}日"


def residents() -> dict[str, dict[str, Any]]:
    """Everybody of the sample, with what holds for all of the household."""
    found: dict[str, dict[str, Any]] = {}
    for household in tomllib.loads((SAMPLE / "residents.toml").read_text("utf-8"))["households"]:
        members = household.pop("members")
        for member in members:
            found[member["id"]] = {**household, **member, "household": household["id"]}
    return found


def payments_of(resident: str) -> list[dict[str, Any]]:
    known = tomllib.loads((SAMPLE / "payments.toml").read_text("utf-8"))["payments"]
    return [{"ago": 0, **each} for each in known if each["resident"] == resident]


def wanted(errand: Errand) -> tuple[str, Rows, Rows]:
    """The name on the sheet, the rows below it, and those of the entry."""
    holder = residents()[errand.resident]
    if errand.kind == "jokyo":
        return _removed(errand, holder)
    own = [("フリガナ", holder["kana"]), ("住所", holder["address"])]
    entry = _payment(errand) if errand.kind == "nozei" else _vehicle(errand)
    return holder["name"], own, entry


def _year(payment: dict[str, Any]) -> str:
    return f"令和{LATEST - payment['ago'] - 2018}年度"


def _payment(errand: Errand) -> Rows:
    """The one that the errand names by its year and tax: `p2026.2` is the second of all payments,
    newest year first, then by tax.
    """
    known = sorted(
        payments_of(errand.resident),
        key=lambda each: (each["ago"], each["tax"], each.get("employer", False)),
    )
    chosen = errand.picks["payment"][0]
    payment = known[int(chosen.partition(".")[2]) - 1]
    if not chosen.startswith(f"p{LATEST - payment['ago']}."):
        raise KeyError(chosen)
    employer = payment.get("employer", False)
    billed, paid, not_due = payment["billed"], payment["paid"], payment.get("not_due", 0)
    amounts = {
        "課税額": billed,
        "納付済額": paid,
        "納期未到来額": not_due,
        "未納額": billed - paid - not_due,
    }
    rows = [
        ("年度", _year(payment)),
        ("税目", payment["tax"]),
        ("車両番号", payment.get("vehicle", "")),
        ("納付方法", "特別徴収" if employer else "普通徴収"),
        *((label, MASKED if employer else f"{yen:,}円") for label, yen in amounts.items()),
    ]
    return [(label, value) for label, value in rows if value]


def _vehicle(errand: Errand) -> Rows:
    known = sorted(
        (each for each in payments_of(errand.resident) if each.get("inspected")),
        key=lambda each: str(each["vehicle"]),
    )
    payment = known[int(errand.picks["vehicle"][0].removeprefix("v")) - 1]
    year = LATEST - payment["ago"]
    return [
        ("車両番号", payment["vehicle"]),
        ("車台番号", payment["chassis"]),
        ("年度", _year(payment)),
        ("納付年月日", era(date(year, 5, 28))),
        ("有効期限", era(date(year + 1, 5, 30))),
    ]


def _removed(errand: Errand, holder: dict[str, Any]) -> tuple[str, Rows, Rows]:
    """Of oneself, who moved out; else of who died in the same household."""
    person = holder
    if holder.get("standing") != "moved-out":
        dead = [
            each
            for each in residents().values()
            if each["household"] == holder["household"] and each.get("standing") == "dead"
        ]
        person = dead[int(errand.picks["removed"][0].removeprefix("d")) - 1]
    died = person.get("standing") == "dead"
    on = era(person["removed_on"])
    with_domicile = "domicile" in errand.picks.get("fields", ())
    rows = [
        ("フリガナ", person["kana"]),
        ("住所", person["address"]),
        ("生年月日", era(person["birth"])),
        ("性別", person["sex"]),
        ("住民となった年月日", era(person["resident_since"])),
        ("住所を定めた年月日", era(person["settled_on"])),
        ("前住所", person["previous_address"]),
        ("本籍", person["domicile"] if with_domicile else ""),
        ("筆頭者の氏名", person["domicile_head"] if with_domicile else ""),
        ("転出先の住所", "" if died else person["moved_to"]),
        ("転出年月日", "" if died else on),
        ("死亡年月日", on if died else ""),
    ]
    return person["name"], [(label, value) for label, value in rows if value], []


def faults_of_entry(errand: Errand, content: Any, day: date) -> list[str]:
    """What the city's content says otherwise than the files; [] for nothing."""
    name, rows, entry = wanted(errand)
    holder = residents()[errand.resident]["name"]
    faults = [] if content["issued_on"] == era(day) else ["the date"]
    if len(content["sheets"]) != 1 or len(content["sheets"][0]["people"]) != 1:
        return [*faults, "the people"]
    sheet = content["sheets"][0]
    person = sheet["people"][0]
    found = [(row["label"], row["value"]) for row in person["rows"]]
    amounts = [(row["label"], row["value"]) for row in sheet["amounts"]]
    faults += [] if person["name"] == name else ["the name"]
    faults += [f"the rows of {label}" for label, _ in set(found) ^ set(rows)]
    faults += [] if found == rows else ["the order of the rows"]
    faults += [f"the entry's {label}" for label, value in set(amounts) ^ set(entry) if value]
    faults += [] if amounts[1:] == entry and (not amounts) == (not entry) else ["the entry's order"]
    own = errand.kind != "jokyo"
    faults += [] if sheet["applicant"] == ("" if own else holder) else ["the applicant"]
    return faults + (["the head or the imprint"] if sheet["head"] or sheet["seal"] else [])
