"""The words that a city's data file may use: rows, fields, cases and causes."""

from __future__ import annotations

from typing import Final, Literal

from firmware.link.form_terms import ENTRY_FORMS, FormName
from firmware.link.messages import RefusalCode
from firmware.link.refusals import LINE

# Rows of a person's box on a certificate of residence, in the order of the form
# (`city.composition.LINES`).
RowKey = Literal[
    "birth",
    "sex",
    "relationship",
    "resident-since",
    "settled",
    "notified",
    "previous-address",
    "domicile",
    "domicile-head",
    "nationality",
    "residence-status",
    "residence-period",
    "residence-until",
    "residence-card",
    "mynumber",
]
# What a resident can be asked to have printed, and the rows behind it. The kiosk has words for
# these fields only.
Field = Literal["relationship", "domicile", "residence", "mynumber"]
FIELD_ROWS: Final[dict[Field, tuple[RowKey, ...]]] = {
    "relationship": ("relationship",),  # and the head of the household
    "domicile": ("domicile", "domicile-head"),
    "residence": (
        "nationality",
        "residence-status",
        "residence-period",
        "residence-until",
        "residence-card",
    ),
    "mynumber": ("mynumber",),
}
# What can be asked of the forms of a family register: with 本籍 goes 筆頭者.
FAMILY_FIELDS: Final[dict[FormName, set[Field]]] = {"koseki": set(), "fuhyo": {"domicile"}}
# Of a document: picks its certifying sentence and sub-title.
Case = Literal[
    "household",
    "part",
    "seal",
    "tax",
    "untaxed",
    "dependant",
    "all",
    "some",
    "payment",
    "vehicle",
    "removed",
]
# Kiosks look for the imprint on what is called so, and for none on anything else.
OF_A_SEAL: Final = "印鑑"
# Which cases a certificate has a sentence for. One of a family register shows all of its people, or
# those who were chosen.
STATEMENTS: Final[dict[FormName, tuple[frozenset[str], ...]]] = {
    "juminhyo": (frozenset({"household", "part"}),),
    "inkan": (frozenset({"seal"}),),
    "kazei": (
        frozenset({"tax"}),
        frozenset({"tax", "untaxed"}),
        frozenset({"tax", "dependant"}),
        frozenset({"tax", "untaxed", "dependant"}),
    ),
    "koseki": (frozenset({"all"}), frozenset({"some"})),
    "fuhyo": (frozenset({"all"}), frozenset({"some"})),
    **{form: (frozenset({entry.option}),) for form, entry in ENTRY_FORMS.items()},
}
YEARLY: Final = ("kazei", "nozei")  # forms with a list of fiscal years
WITH_ROWS: Final = ("juminhyo", "jokyo")  # forms whose rows the city names

# Labels: a year's record, which has a field for each, is committed to as one.
MOST_AMOUNTS: Final = 80
YEAR_WORDS: Final = ("fiscal", "calendar", "income")
# Kinds whose usual title kiosks say and show in every language; any other title has to be recorded.
USUAL_TITLES: Final = {
    "juminhyo": "住民票の写し",
    "inkan": "印鑑登録証明書",
    "kazei": "所得・課税証明書",
    "kisai": "住民票記載事項証明書",
    "shotoku": "所得証明書",
    "koseki-zenbu": "戸籍全部事項証明書",
    "koseki-kojin": "戸籍個人事項証明書",
    "fuhyo-zenbu": "戸籍の附票の写し（全部）",
    "fuhyo-kojin": "戸籍の附票の写し（一部）",
    "nozei": "納税証明書",
    "keiji-nozei": "軽自動車税（種別割）納税証明書（継続検査用）",
    "jokyo": "住民票の除票の写し",
}
# In which kiosks speak and write.
LANGUAGES: Final = ("ja", "en", "id", "ja-easy", "ko", "ne", "pt", "tl", "vi", "zh-Hans", "zh-Hant")
ELSE: Final = "resident"  # the contact for causes without one of their own
# Causes of the kiosk's own for which there is a place to go; the city's own are its refusal codes.
KIOSK_CAUSES: Final = (
    "pin-locked",
    "pin-kept",
    "not-mynumber",
    "no-certificate",
    "card-unsupported",
    "card-unreadable",
    "card-reader",
    "line-down",
    "printer",
    "coins",
    "document-rejected",
    "print-failed",
    "print-held",
    "print-part",
    "money-held",
    "change-owed",
)
CAUSES: Final = (
    *(code.value for code in RefusalCode if code not in LINE),
    "protocol-error",
    *KIOSK_CAUSES,
)
