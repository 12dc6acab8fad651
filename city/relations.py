"""Who may ask for what: the register that each form is made of, and what its holder must be to an
entry of it.

One table. Which records a session can open, and whom a certificate can show, follow from it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from city.records import Family, FamilyMember, File, Standing
from firmware.link.form_terms import FormName

MAX_FAMILY: Final = 32  # people of one register, as `firmware.link.messages.FamilyPeople` has it


class Register(StrEnum):
    RESIDENCE = "residence"
    SEAL = "seal"
    TAX = "tax"
    FAMILY = "family"  # 戸籍
    SUPPLEMENT = "supplement"  # 戸籍の附票
    PAYMENT = "payment"  # 収納
    REMOVED = "removed"  # 住民票の除票


class Relation(StrEnum):
    """Of the holder of a card to whoever an entry is about."""

    SELF = "self"
    SAME_HOUSEHOLD = "same-household"
    SAME_FAMILY_REGISTER = "same-family-register"
    SELF_OR_SURVIVOR = "self-or-survivor"  # of the household of somebody who died


@dataclass(frozen=True)
class Access:
    register: Register
    relation: Relation
    elsewhere: bool = False  # for people who live elsewhere too, with 利用登録
    moved_out: bool = False  # for those who were residents, too


ACCESS: Final[Mapping[FormName, Access]] = {
    "juminhyo": Access(Register.RESIDENCE, Relation.SAME_HOUSEHOLD),
    "inkan": Access(Register.SEAL, Relation.SELF),
    "kazei": Access(Register.TAX, Relation.SELF),
    "koseki": Access(Register.FAMILY, Relation.SAME_FAMILY_REGISTER, elsewhere=True),
    "fuhyo": Access(Register.SUPPLEMENT, Relation.SAME_FAMILY_REGISTER, elsewhere=True),
    "nozei": Access(Register.PAYMENT, Relation.SELF),
    "keiji": Access(Register.PAYMENT, Relation.SELF),
    "jokyo": Access(Register.REMOVED, Relation.SELF_OR_SURVIVOR, moved_out=True),
}


def of_another_city(form: FormName, standing: Standing) -> bool:
    """Whether this form is made of a register that this person is not in."""
    access = ACCESS[form]
    return (standing is Standing.ELSEWHERE and not access.elsewhere) or (
        standing is Standing.MOVED_OUT and not access.moved_out
    )


def family_members(file: File) -> dict[str, FamilyMember]:
    """Whom of the family register; nobody where it stays out of the machine."""
    family = file.family
    if family is None or family_stays_out(family) or not agrees(file, family):
        return {}
    return {f"f{n}": member for n, member in enumerate(family.members, start=1)}


def family_holder(file: File) -> str:
    """Which of `family_members` is the holder. Raises StopIteration where there are none."""
    me = file.family.me if file.family else ""
    return next(key for key, member in family_members(file).items() if member.id == me)


def family_stays_out(family: Family) -> bool:
    """Whether no machine shows anything of this register."""
    return (
        family.register.stopped
        or any(member.protected for member in family.members)
        or len(family.members) > MAX_FAMILY
    )


def agrees(file: File, family: Family) -> bool:
    """Whether both registers say the same of the holder, so that they are about one person. Who
    lives elsewhere was found by a clerk, in this register.
    """
    person = file.resident
    me = next(member for member in family.members if member.id == family.me)
    if (person.name, person.birth) != (me.name, me.birth):
        return False
    at_home = person.standing is not Standing.ELSEWHERE
    return not at_home or person.domicile == family.register.domicile
