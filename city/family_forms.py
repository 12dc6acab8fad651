"""The forms of a family register: which labels they have, and what stands at them.

By the specimens for registers that are kept by computer (戸籍法施行規則, 付録第24号 and its
記載例): these are written from the left to the right. Items stand in 【】 with a line each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from city.records import Family, FamilyMember
from firmware.link import era
from firmware.link.content import GIVEN, NAME
from firmware.link.form_terms import FormName

DOMICILE: Final = "本籍"
HEAD_OF_REGISTER: Final = "筆頭者"  # as the supplement calls it; the register says 氏名
BIRTH: Final = "生年月日"
SEX: Final = "性別"
REMOVED: Final = "戸籍に記録されている者"  # says 除籍 of those who are it no more
ADDRESSES: Final = "住所"

# 戸籍事項, then what is recorded of one person, then 身分事項, in the order of the form.
MATTERS: Final = ("戸籍編製", "戸籍改製", "転籍", "氏の変更")
PARENTS: Final = ("配偶者区分", "父", "母", "続柄", "養父", "養母", "養父母との続柄")
EVENTS: Final = (
    "出生",
    "認知",
    "養子縁組",
    "養子離縁",
    "特別養子縁組",
    "婚姻",
    "離婚",
    "離婚の際に称していた氏を称する届",
    "配偶者の死亡",
    "親権",
    "未成年者の後見",
    "入籍",
    "分籍",
    "除籍",
    "帰化",
    "国籍取得",
    "名の変更",
    "死亡",
    "失踪宣告",
    "訂正",
    "更正",
)

HEAD: Final[Mapping[FormName, tuple[str, ...]]] = {
    "koseki": (DOMICILE, NAME, *MATTERS),
    "fuhyo": (DOMICILE, HEAD_OF_REGISTER),
}
LABELS: Final[Mapping[FormName, tuple[str, ...]]] = {
    "koseki": (REMOVED, BIRTH, *PARENTS, *EVENTS),
    "fuhyo": (REMOVED, BIRTH, SEX, ADDRESSES),
}
ALWAYS: Final[Mapping[FormName, tuple[str, ...]]] = {
    "koseki": (*HEAD["koseki"], *LABELS["koseki"]),
    "fuhyo": LABELS["fuhyo"],  # 本籍 and 筆頭者 only when asked for
}
DOMICILE_FIELD: Final = (DOMICILE, HEAD_OF_REGISTER)


def register_record(family: Family) -> dict[str, str]:
    """What all of the register have in common."""
    register = family.register
    stated = dict(register.matters)
    return {
        DOMICILE: register.domicile,
        NAME: register.head,
        HEAD_OF_REGISTER: register.head,
        **{label: stated.get(label, "") for label in MATTERS},
    }


def member_record(member: FamilyMember) -> dict[str, str]:
    """All that any form can print of one person. The name in full is compared, never printed."""
    stated = dict(member.details)
    return {
        NAME: member.name,
        GIVEN: member.given,
        REMOVED: "除籍" if member.removed else "",
        BIRTH: era.written(member.birth),
        SEX: member.sex,
        ADDRESSES: "\n".join(
            f"【住所】{address}\n【住所を定めた日】{era.written(day)}"
            for address, day in member.addresses
        ),
        **{label: stated.get(label, "") for label in (*PARENTS, *EVENTS)},
    }


def unknown_labels(family: Family) -> set[str]:
    """What stands in the register and has no place on the form: nothing of it may be left out."""
    named = {label for label, _ in family.register.matters} - set(MATTERS)
    for member in family.members:
        labels = [label for label, _ in member.details]
        named |= set(labels) - {*PARENTS, *EVENTS}
        named |= {label for label in labels if labels.count(label) > 1}
    return named
