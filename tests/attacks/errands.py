"""Who comes to the kiosk and for what: the people and certificates that the adversary mixes up with
each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mix_ups_of_another import (
    BEFORE,
    CERTIFICATE,
    EVERYTHING,
    HOUSEHOLD,
    NAMESAKE,
    NEXT_KIOSK,
    YEAR,
)

from testbed.inspection.errand import Errand

JAPANESE: Final = ("relationship", "domicile", "mynumber")
ERRANDS: Final[tuple[Errand, ...]] = (
    Errand("taro", "juminhyo"),
    Errand("taro", "juminhyo", {"scope": ("household",), "fields": JAPANESE}),
    Errand(
        "taro", "juminhyo", {"scope": ("some",), "members": ("m2",), "fields": ("relationship",)}
    ),
    Errand("yoshiko", "juminhyo"),
    Errand("hitokoto", "juminhyo", {"fields": ("domicile",)}),
    Errand("mai", "juminhyo"),
    Errand("genzo", "juminhyo", {"scope": ("household",)}),
    Errand("namesake", "juminhyo"),
    Errand("hanako", "juminhyo"),
    Errand("taro", "inkan"),
    Errand("hanako", "inkan", copies=2),
    Errand("yoshiko", "inkan"),
    Errand("namesake", "inkan"),
    Errand("taro", "kazei"),
    Errand("taro", "kazei", {"year": ("y2025",)}),
    Errand("hanako", "kazei"),
    Errand("yoshiko", "kazei"),
    Errand("namesake", "kazei"),
)

# At a city that has family registers; the last lives elsewhere.
FAMILY_ERRANDS: Final[tuple[Errand, ...]] = (
    Errand("taro", "koseki-zenbu"),
    Errand("taro", "koseki-kojin", {"members": ("f1",)}),
    Errand("taro", "koseki-kojin", {"members": ("f2", "f3")}),
    Errand("taro", "fuhyo-zenbu", {"fields": ("domicile",)}),
    Errand("taro", "fuhyo-zenbu"),
    Errand("hanako", "koseki-kojin", {"members": ("f2",)}),
    Errand("hanako", "fuhyo-kojin", {"members": ("f5",), "fields": ("domicile",)}),
    Errand("asagiri-wataru", "koseki-zenbu"),
    Errand("asagiri-wataru", "koseki-kojin", {"members": ("f2",)}),
    Errand("asagiri-wataru", "fuhyo-zenbu"),
)

# At a city that has the forms of one entry; the last two are of somebody who moved out, and of
# somebody who died.
ENTRY_ERRANDS: Final[tuple[Errand, ...]] = (
    Errand("taro", "nozei", {"payment": ("p2026.1",)}),
    Errand("taro", "nozei", {"payment": ("p2025.6",)}),
    Errand("taro", "nozei", {"payment": ("p2026.5",)}, copies=2),
    Errand("hanako", "nozei", {"payment": ("p2026.1",)}),
    Errand("yoshiko", "nozei", {"payment": ("p2026.1",)}),
    Errand("taro", "keiji-nozei", {"vehicle": ("v1",)}),
    Errand("taro", "keiji-nozei", {"vehicle": ("v2",)}),
    Errand("hanako", "keiji-nozei", {"vehicle": ("v1",)}),
    Errand("makoto", "jokyo", {"removed": ("d1",), "fields": ("domicile",)}),
    Errand("makoto", "jokyo", {"removed": ("d1",)}),
    Errand("fumie", "jokyo", {"removed": ("d1",)}),
)


def others_of(errand: Errand, all_: Sequence[Errand] = ERRANDS) -> dict[str, Errand]:
    """Whom a city could take for this person, and what for this certificate."""
    found: dict[str, Errand] = {}
    for other in all_:
        if other == errand:
            continue
        who = _relation(errand, other, found)
        if who and who not in found:
            found[who] = other
    return found


def _relation(errand: Errand, other: Errand, found: Mapping[str, Errand]) -> str:
    if other.resident == errand.resident:
        if other.kind != errand.kind:
            return CERTIFICATE
        if other.kind in ("kazei", "nozei", "keiji-nozei"):
            return YEAR  # or another tax, or another vehicle
        return (
            EVERYTHING
            if len(other.picks.get("fields", ())) > len(errand.picks.get("fields", ()))
            else ""
        )
    if other.kind != errand.kind:
        return ""
    if {errand.resident, other.resident} == {"taro", "namesake"}:
        return NAMESAKE
    if other.household == errand.household:
        return HOUSEHOLD
    return NEXT_KIOSK if BEFORE in found else BEFORE
