"""What the sample screens show: a city, its offers, and residents who do not exist."""

from __future__ import annotations

from firmware.flow import offers

OPENS = "2026-11-24T06:30:00+09:00"
CONTACT = offers.Contact(
    (("ja", "明石市役所　市民課　庶務係"), ("en", "Akashi City Hall, Citizens Division")),
    "078-918-5020",
    (("ja", "平日 8時55分から17時40分まで"), ("en", "Weekdays 8:55 to 17:40")),
)
CODES = (
    "pin-locked",
    "pin-kept",
    "not-available",
    "seal-not-registered",
    "print-failed",
    "cancelled",
    "change-owed",
    "print-held",
    "money-held",
)
NAMES = ("明石　太郎", "明石　花子", "明石　葛\U000e0102之介", "GARCIA MARTINEZ MARIA FERNANDA")
FEE = 100


def _titles(ja: str, en: str) -> offers.Localized:
    return (("ja", ja), ("en", en))


TITLES = {
    "juminhyo": _titles("住民票の写し", "Certificate of residence"),
    "inkan": _titles("印鑑登録証明書", "Seal registration certificate"),
    "kazei": _titles("所得・課税証明書", "Income and tax certificate"),
}
COPIES = offers.Option("copies", "count", minimum=1, maximum=3)
READINGS = ("アカシ　タロウ", "アカシ　ハナコ", "アカシ　カツノスケ", "")
MEMBERS = tuple(
    offers.Choice(f"m{n}", name, reading)
    for n, (name, reading) in enumerate(zip(NAMES, READINGS, strict=True), 1)
)
HOLDER = offers.Holder("m1", "昭和33年4月1日", "兵庫県明石市中崎一丁目5番1号", MEMBERS)
JUMINHYO = (
    offers.Option(
        "scope",
        "one",
        (offers.Choice("self"), offers.Choice("household"), offers.Choice("some")),
        ("self",),
        1,
        1,
    ),
    offers.Option("members", "many", MEMBERS, (), 1, 4, ("scope", "some")),
    offers.Option(
        "fields",
        "many",
        tuple(map(offers.Choice, ("relationship", "domicile", "residence", "mynumber"))),
        (),
        0,
        4,
    ),
    COPIES,
)
YEARS = (
    offers.Option(
        "year",
        "one",
        (offers.Choice("y2026", "令和8年度"), offers.Choice("y2025", "令和7年度")),
        ("y2026",),
        1,
        1,
    ),
)


def terms(refusal: str = "", opens_at: str = "", *, phones: bool = False) -> offers.Terms:
    """What Akashi might say."""
    return offers.Terms(
        city_name=_titles("明石市", "Akashi City"),
        refusal=refusal,
        opens_at=opens_at,
        notices=tuple(
            offers.Notice(kind, title, FEE, kind != "kazei", "" if kind != "kazei" else OPENS)
            for kind, title in TITLES.items()
        ),
        contacts=tuple((code, CONTACT) for code in CODES),
        phones=phones,
        today=None if refusal else ("06:30", "23:00"),
    )


OFFERS = (
    offers.Offer("juminhyo", TITLES["juminhyo"], FEE, "", JUMINHYO),
    offers.Offer("inkan", TITLES["inkan"], FEE, "seal-not-registered"),
    offers.Offer("kazei", TITLES["kazei"], FEE, "", (*YEARS, COPIES)),
    offers.Offer("saigai", _titles("罹災証明書", "Certificate of damage by disaster"), 0),
)
