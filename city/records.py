"""What the city knows, as plain values: read from the registry, judged by the rules, never changed.

None of these reprs shows anything about a person.
"""

from __future__ import annotations

import hashlib
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

MAX_MEMBERS: Final = 32  # of one household, as `firmware.link.messages.SessionAnswer` has it


class RegisterEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base; all fields are keyword-only."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Standing(StrEnum):
    RESIDENT = "resident"
    LEAVING = "leaving"  # notice of moving out filed (転出届), still a resident
    MOVED_OUT = "moved-out"
    DEAD = "dead"
    ELSEWHERE = "elsewhere"  # never a resident's: known here by a registration for use alone


class Resident(RegisterEntry, frozen=True, kw_only=True):
    """One entry of the basic resident register, as far as a certificate can show it."""

    id: str
    household: str
    position: int  # order within the household; the head is 1
    name: str
    kana: str = ""
    alias: str = ""  # 通称
    former_surname: str = ""  # 旧氏, when the resident had it registered
    sex: str
    birth: date
    standing: Standing = Standing.RESIDENT
    protected: bool = False  # DV等支援措置: every refusal for it is neutral
    relationship: str  # 続柄 to the head
    resident_since: date  # 住民となった年月日; for foreign residents 外国人住民となった年月日
    address: str
    settled_on: date  # 住所を定めた年月日
    notified_on: date  # 届出年月日
    previous_address: str = ""
    domicile: str = ""  # 本籍; Japanese only
    domicile_head: str = ""  # 筆頭者
    nationality: str = ""  # foreign residents only, as all that follow but the last
    residence_status: str = ""  # 在留資格
    residence_period: str = ""  # 在留期間等
    residence_until: date | None = None  # 在留期間の満了の日
    residence_card: str = ""  # 在留カード等の番号
    mynumber: str
    # Of who has moved out or died (除票): when, and where to.
    removed_on: date | None = None
    moved_to: str = ""  # 転出先

    @property
    def foreign(self) -> bool:
        return bool(self.nationality)

    @property
    def listed(self) -> bool:
        """Shown on the household's certificates: the dead and those who moved out are not."""
        return self.standing in (Standing.RESIDENT, Standing.LEAVING, Standing.ELSEWHERE)


class Seal(RegisterEntry, frozen=True, kw_only=True):
    resident: str
    registered_on: date
    deregistered_on: date | None = None
    imprint: bytes  # PNG

    def certifiable(self, day: date) -> bool:
        return self.registered_on <= day and self.deregistered_on is None


class TaxStanding(StrEnum):
    FILED = "filed"
    NO_RETURN = "no-return"
    ELSEWHERE = "elsewhere"  # taxed by another city
    NOT_RESIDENT = "not-resident"  # on 1 January of that year
    DEPENDANT = "dependant"  # somebody's, and filed no return
    STOPPED = "stopped"  # certificates of this person's taxes are issued at the counter alone


class TaxRecord(RegisterEntry, frozen=True, kw_only=True):
    resident: str
    year: int  # fiscal year; the income is that of the year before
    standing: TaxStanding
    address: str = ""  # on 1 January
    amounts: tuple[tuple[str, int], ...] = ()  # as printed, in order: label, yen


class Payment(RegisterEntry, frozen=True, kw_only=True):
    """What one tax of one fiscal year was, and what of it is paid. Yen."""

    id: str
    resident: str
    year: int
    tax: str  # 税目, as printed
    employer: bool = False  # 特別徴収: whoever pays the wages pays it
    billed: int
    paid: int
    not_due: int = 0  # 納期未到来額
    paid_on: date | None = None  # the last payment
    # 軽自動車税（種別割） alone: of the vehicle
    vehicle: str = ""  # 車両番号
    chassis: str = ""  # 車台番号
    inspected: bool = False  # 継続検査 (車検) is needed
    valid_until: date | None = None  # 有効期限 of its certificate

    @property
    def unpaid(self) -> int:
        """Yen that are due, and not paid as far as is known."""
        return self.billed - self.paid - self.not_due


class FamilyRegister(RegisterEntry, frozen=True, kw_only=True):
    """One family register (戸籍), as far as a certificate of it can show it."""

    id: str
    domicile: str  # 本籍
    head: str  # 筆頭者: the name under which the register is kept
    matters: tuple[tuple[str, str], ...] = ()  # 戸籍事項: (戸籍編製 ..., what stands there)
    filed_on: date | None = None  # the newest notice that has not been entered yet
    stopped: bool = False  # no certificates: the counter looks at who asks


class FamilyMember(RegisterEntry, frozen=True, kw_only=True):
    """Who is, or was, in a family register, and their part of its supplement (戸籍の附票)."""

    id: str
    register: str
    position: int
    resident: str | None = None  # the same person in the register of residents, once found to be
    name: str  # in full
    given: str  # 名
    sex: str
    birth: date
    removed: bool = False  # 除籍
    protected: bool = False  # DV等支援措置
    details: tuple[tuple[str, str], ...] = ()  # 父, 母, 続柄 and 身分事項: what stands at each
    addresses: tuple[tuple[str, date], ...] = ()  # of the supplement: address, 住所を定めた日


class UseRegistration(RegisterEntry, frozen=True, kw_only=True):
    """利用登録: the card of somebody who is in a family register here and lives elsewhere."""

    fingerprint: str  # SHA-256 of the card's certificate, hex
    member: str
    address: str
    filed_on: date
    ended: bool = False


class Family(RegisterEntry, frozen=True, kw_only=True):
    """The family register that one card's holder is in."""

    register: FamilyRegister
    members: tuple[FamilyMember, ...]  # all of it, in order, the holder included
    me: str


class Card(RegisterEntry, frozen=True, kw_only=True):
    fingerprint: str  # SHA-256 of the certificate, hex
    resident: str
    issued_on: date
    continued_on: date | None = (
        None  # 継続利用手続 here, for a card issued before its holder moved in
    )
    revoked: bool = False


class File(RegisterEntry, frozen=True, kw_only=True):
    """Everything that decides what one card's holder may have, and what would stand on it."""

    card: Card
    resident: Resident
    household: tuple[Resident, ...]  # all of it, in order, the resident included
    seal: Seal | None
    taxes: tuple[TaxRecord, ...]
    family: Family | None = None
    registration: UseRegistration | None = None  # of somebody who lives elsewhere
    payments: tuple[Payment, ...] = ()

    @property
    def version(self) -> int:
        """48 bits over the content: no change can forget to raise it, and a change taken back is
        none.
        """
        return int.from_bytes(
            hashlib.sha256(msgspec.json.encode(self, order="deterministic")).digest()[:6], "big"
        )


def members(file: File) -> dict[str, Resident]:
    """Whom this card's holder can have certified, by the name of the record and of the choice.

    Nobody but the holder where the household stays out of the machine: with a protected member the
    counter looks at who asks; of one that is larger than a session can name, nobody could tell
    whether everybody is certified. Who is gone has no part in the household any more.
    """
    if not file.resident.listed:
        return {"m1": file.resident}
    people = {
        f"m{n}": person for n, person in enumerate((p for p in file.household if p.listed), start=1)
    }
    if stays_out(file):
        return {key: person for key, person in people.items() if person.id == file.resident.id}
    return people


def stays_out(file: File) -> bool:
    """Whether no certificate shows this household's members."""
    return (
        any(p.protected for p in file.household)
        or sum(p.listed for p in file.household) > MAX_MEMBERS
    )
