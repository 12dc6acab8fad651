"""The signed terms of a city's forms: what may stand on a certificate, from which day to which day.

The city signs them once, with a key that no gateway has (`kiosk city sign-terms`); the gateway
hands them on in `hello`. So a gateway that errs, or an insider who has its keys, cannot change a
title, a certifying sentence, a note, the issuer, a fee, or which rows belong to a choice: the kiosk
takes all of that from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from firmware.link.base import CityCode, Key, Localized, Message, Price, Text
from firmware.link.content import NAME

FormName = Literal["juminhyo", "inkan", "kazei", "koseki", "fuhyo", "nozei", "keiji", "jokyo"]
UNTAXED: Final = "0円"
FAMILY_FORMS: Final = ("koseki", "fuhyo")  # of a family register: its people, not the household
RETURN: Final = "所得の申告"  # of the year's record of somebody's dependant who filed no return
Labels = Annotated[tuple[Text, ...], Meta(max_length=64)]
Address = Annotated[
    str, Meta(min_length=9, max_length=48, pattern='^https?://[!-"$-~]+\\Z')
]  # without a fragment


@dataclass(frozen=True)
class EntryForm:
    """A form of one entry, which the holder of the card chooses: a payment, a vehicle, somebody who
    was removed from the register of residents. `option` is the question and the case; `named_by`
    the labels whose values are what the screen calls the entry, in their order.
    """

    option: str
    named_by: tuple[str, ...]


ENTRY_FORMS: Final[Mapping[FormName, EntryForm]] = {
    "nozei": EntryForm("payment", ("年度", "税目", "車両番号", "納付方法")),
    "keiji": EntryForm("vehicle", ("車両番号",)),
    "jokyo": EntryForm("removed", (NAME,)),
}
BETWEEN: Final = "\u3000"  # the values of a name


class FormFee(Message, frozen=True):
    since: date
    yen: Price  # one copy


class FormIssuer(Message, frozen=True):
    since: date
    office: Text
    officer: Text
    stamp: Text


class AmountSection(Message, frozen=True):
    """A heading of the tax form and the labels below it, in their order."""

    heading: Text
    labels: Labels


class Form(Message, frozen=True, omit_defaults=True):
    """One kind of certificate while it holds: from `since` to `until`, both included.

    Labels may hold {fiscal}, {calendar} or {income}, words for the chosen fiscal year: 令和8年度,
    令和8年, 令和7年. `head` and `rows` are the labels of a person's record that this form can
    print, in the order of the form. A label is printed when it stands in `always`, or in one of
    `fields` that was chosen, and the record has a value.
    """

    kind: Key
    form: FormName
    since: date
    until: date | None
    title: Localized  # "ja" is printed; the others are shown on the screen
    fees: Annotated[tuple[FormFee, ...], Meta(min_length=1, max_length=32)]
    copies: Annotated[int, Meta(ge=1, le=10)]
    subtitles: Annotated[dict[Key, Text], Meta(max_length=4)]  # by case, as `statements`
    # by case: "household", "part", "seal", "tax", "untaxed", "dependant", "all", "some", or the
    # option of an `EntryForm`
    statements: Annotated[dict[Key, Text], Meta(max_length=4)]
    notes: Annotated[tuple[Text, ...], Meta(max_length=8)]
    head: Labels
    rows: Labels
    always: Labels
    fields: Annotated[dict[Key, Labels], Meta(max_length=16)]  # by choice of the option "fields"
    tax_rows: Labels  # of the year's tax record, behind the person's rows
    # of the year's record or the chosen entry; a form of an entry has sections
    amounts: Annotated[
        tuple[AmountSection, ...], Meta(max_length=16)
    ]  # empty: all of the record in its order
    seal_mm: Annotated[float, Meta(ge=8, le=25)]  # side of the imprint
    # Of the year's record: the amount that makes the case "untaxed" where it is 0円; "" for none.
    untaxed: Text = ""
    # By case, as `statements`: the title in place of `title`, and a note behind the others.
    titles: Annotated[dict[Key, Text], Meta(max_length=4)] = msgspec.field(default_factory=dict)
    remarks: Annotated[dict[Key, Text], Meta(max_length=4)] = msgspec.field(default_factory=dict)


class FormTerms(Message, frozen=True):
    """Everything of a city that is printed or decides what is printed."""

    city: CityCode
    heading: Text  # the city's name as printed
    verification: Text
    verification_page: Address  # the code on each sheet opens it
    issuers: Annotated[tuple[FormIssuer, ...], Meta(min_length=1, max_length=32)]
    forms: Annotated[tuple[Form, ...], Meta(min_length=1, max_length=64)]
    edition: Annotated[int, Meta(ge=1, le=1_000_000)] = (
        1  # raised when kiosks must not take the one before
    )


@dataclass(frozen=True)
class Current:
    """What holds for one kind on one day."""

    terms: FormTerms
    form: Form
    issuer: FormIssuer
    fee: int  # yen, one copy


def current(terms: FormTerms, kind: str, day: date) -> Current:
    """Raises LookupError when this kind is not issued, or nobody issues, on that day."""
    forms = [
        f
        for f in terms.forms
        if f.kind == kind and f.since <= day and (f.until is None or day <= f.until)
    ]
    if len(forms) != 1:
        raise LookupError("no one form of this kind on that day")
    fees = [fee for fee in forms[0].fees if fee.since <= day]
    issuers = [issuer for issuer in terms.issuers if issuer.since <= day]
    if not fees or not issuers:
        raise LookupError("no fee or no issuer on that day")
    fee, issuer = max(fees, key=lambda f: f.since), max(issuers, key=lambda i: i.since)
    return Current(terms, forms[0], issuer, fee.yen)
