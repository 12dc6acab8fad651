"""The forms of one entry: 納税証明書, that of a light vehicle (軽自動車税), 住民票の除票の写し.

Which labels they have, what stands at them, and how the records of a session name the entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from city.entries import Certificate
from city.records import File, Payment, Resident, Standing
from firmware.link import era
from firmware.link.form_terms import BETWEEN, ENTRY_FORMS, FormName

MOST_ENTRIES: Final = 16  # of one form; with more, nobody could tell whether all are shown
NO_AMOUNT: Final = "＊＊＊＊＊"  # where a city does not print what an employer collects
BY_EMPLOYER: Final = {False: "普通徴収", True: "特別徴収"}

NAME: Final = "氏名"
VEHICLE: Final = "車両番号"
AMOUNTS: Final = ("課税額", "納付済額", "納期未到来額", "未納額")
# The one section of the form, and its labels in their order.
SECTIONS: Final[Mapping[FormName, tuple[str, tuple[str, ...]]]] = {
    "nozei": ("納付の状況", ("年度", "税目", VEHICLE, "納付方法", *AMOUNTS)),
    "keiji": ("証明する車両", (VEHICLE, "車台番号", "年度", "納付年月日", "有効期限")),
}
# What a copy of a removed entry says of the removal, behind the person's other rows.
MOVED_TO: Final = "転出先の住所"
MOVED_ON: Final = "転出年月日"
DIED_ON: Final = "死亡年月日"
REMOVAL: Final = (MOVED_TO, MOVED_ON, DIED_ON)

Values = Mapping[str, str]


def payments(certificates: Sequence[Certificate], file: File) -> dict[str, Payment]:
    """Of the taxes of these certificates, the latest year first. A payment has the same name for
    all of them.
    """
    taxes = {tax for certificate in certificates for tax in certificate.taxes}
    known = sorted(file.payments, key=lambda each: (-each.year, each.tax, each.employer, each.id))
    named = {f"p{each.year}.{n}": each for n, each in enumerate(known, start=1)}
    return {key: each for key, each in named.items() if each.tax in taxes}


def vehicles(_: Sequence[Certificate], file: File) -> dict[str, Payment]:
    """Those that are inspected: the newest year of each."""
    newest = {each.vehicle: each for each in sorted(file.payments, key=lambda each: each.year)}
    known = sorted(each for each, payment in newest.items() if each and payment.inspected)
    return {f"v{n}": newest[each] for n, each in enumerate(known, start=1)}


def removed(certificates: Sequence[Certificate], file: File) -> dict[str, Resident]:
    """The holder's own entry, once it is removed; of the household those who died, where the city
    gives them to it. Never somebody else's who moved out: it says where to.
    """
    own = file.resident
    if own.standing is Standing.MOVED_OUT:
        return {"d1": own} if own.removed_on else {}
    if not any(certificate.dead for certificate in certificates) or not own.listed:
        return {}
    known = [p for p in file.household if p.standing is Standing.DEAD and p.removed_on]
    return {f"d{n}": person for n, person in enumerate(known, start=1)}


def payment_record(payment: Payment, masked: bool) -> Values:
    """`masked`: amounts that the employer collects are not printed."""
    amounts = (payment.billed, payment.paid, payment.not_due, payment.unpaid)
    hidden = masked and payment.employer
    shown = (NO_AMOUNT if hidden else f"{amount:,}円" for amount in amounts)
    return {
        "年度": era.fiscal_year(payment.year),
        "税目": payment.tax,
        VEHICLE: payment.vehicle,
        "納付方法": BY_EMPLOYER[payment.employer],
        **dict(zip(AMOUNTS, shown, strict=True)),
    }


def vehicle_record(payment: Payment) -> Values:
    return {
        VEHICLE: payment.vehicle,
        "車台番号": payment.chassis,
        "年度": era.fiscal_year(payment.year),
        "納付年月日": era.written(payment.paid_on) if payment.paid_on else "",
        "有効期限": era.written(payment.valid_until) if payment.valid_until else "",
    }


def removal(person: Resident) -> Values:
    """What is recorded of why an entry was removed."""
    on = era.written(person.removed_on) if person.removed_on else ""
    died = person.standing is Standing.DEAD
    return {
        MOVED_TO: "" if died else person.moved_to,
        MOVED_ON: "" if died else on,
        DIED_ON: on if died else "",
    }


def called(form: FormName, record: Values) -> str:
    """What the screen calls an entry: the kiosk compares it with what is printed."""
    return BETWEEN.join(filter(None, (record[label] for label in ENTRY_FORMS[form].named_by)))
