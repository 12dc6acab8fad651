"""What stands on the receipt and on the claim slip.

No name stands on either: a slip that is left behind tells nothing about anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware.sheets.slip import RULE, SlipLine


@dataclass(frozen=True)
class Issued:
    """Which city gives the slip, at which kiosk and when. `at`: day and time as printed."""

    city: str
    city_en: str
    at: str
    kiosk: str

    def heading(self) -> SlipLine:
        return SlipLine(self.city, self.city_en, size=30, centre=True)

    def footing(self) -> tuple[SlipLine, ...]:
        return (
            SlipLine("日時", "Date", self.at, size=22),
            SlipLine("端末番号", "Kiosk", self.kiosk, size=22),
        )


@dataclass(frozen=True)
class Receipt:
    """領収書. Money is in yen; `number` is random and not counted.

    `charged`: at a payment terminal. The receipt of a charge, and of a free certificate, speaks of
    coins only where some came in.
    """

    issued: Issued
    certificate: str
    certificate_en: str
    copies: int
    fee: int
    inserted: int
    change: int
    number: str
    charged: int = 0

    def lines(self) -> tuple[SlipLine, ...]:
        return (
            SlipLine("領　収　書", "Receipt", size=44, bold=True, centre=True),
            self.issued.heading(),
            RULE,
            SlipLine("証明書", self.certificate_en, self.certificate),
            SlipLine("部数", "Copies", f"{self.copies}部"),
            SlipLine("手数料", "Fee", _yen(self.fee), size=36, bold=True),
            *self._terminal(),
            *self._coins(),
            RULE,
            *self.issued.footing(),
            SlipLine("領収番号", "Receipt no.", self.number, size=22),
            RULE,
            self._what_to_take(),
        )

    def _terminal(self) -> tuple[SlipLine, ...]:
        if not self.charged:
            return ()
        return (RULE, SlipLine("キャッシュレス", "Paid cashless", _yen(self.charged)))

    def _coins(self) -> tuple[SlipLine, ...]:
        paid_in_coins = self.fee and not self.charged
        if not (self.inserted or paid_in_coins):
            return ()
        return (
            RULE,
            SlipLine("お預かり", "Inserted", _yen(self.inserted)),
            SlipLine("おつり", "Change", _yen(self.change)),
        )

    def _what_to_take(self) -> SlipLine:
        if self.change:
            ja = "おつりと証明書をお取りください。"
            en = "Please take your change and your certificate."
        else:
            ja = "証明書をお取りください。"
            en = "Please take your certificate."
        return SlipLine(ja, en, size=24, centre=True)


@dataclass(frozen=True)
class Claim:
    """返金のご案内: the kiosk owes `amount` yen, which it could not pay out.

    `case` is random and opens the operator's case.
    """

    issued: Issued
    amount: int
    case: str
    office: str
    office_en: str
    phone: str
    hours: str
    hours_en: str

    def lines(self) -> tuple[SlipLine, ...]:
        return (
            SlipLine("返金のご案内", "Claim slip", size=44, bold=True, centre=True),
            self.issued.heading(),
            RULE,
            SlipLine("お返しできなかったお金があります。", size=24),
            SlipLine(
                "申し訳ございません。",
                "This machine could not return all of your money. We apologise.",
                size=24,
            ),
            SlipLine("金額", "Amount", _yen(self.amount), size=44, bold=True),
            SlipLine("受付番号", "Case no.", self.case, size=28, bold=True),
            RULE,
            SlipLine(
                "この紙をお持ちのうえ、下記にお電話ください。"
                "受付番号をお伝えいただければ返金いたします。",
                "Keep this slip and call the office below with the case number. "
                "You will be refunded.",
                size=24,
            ),
            SlipLine(self.office, self.office_en, size=28, bold=True),
            SlipLine("電話", "Phone", self.phone, size=36, bold=True),
            SlipLine(self.hours, self.hours_en, size=22),
            RULE,
            *self.issued.footing(),
        )


def _yen(amount: int) -> str:
    return f"{amount:,}円"
