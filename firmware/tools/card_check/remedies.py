"""What to do about a card that cannot be used here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from firmware.tools.diagnose.finding import FAULTS as ANY_DEVICE
from firmware.tools.diagnose.finding import Remedy
from hal.card.jpki import CardCause
from hal.faults import Reason

NAME: Final = Remedy(
    "一覧にある名前を --reader に指定してください。", "give --reader one of these names, in full"
)
NO_CARD: Final = Remedy("カードを読取機に置いてください。", "place a card on the reader")
TYPED: Final = Remedy("4桁の数字を入力してください。", "type four digits")
KEEP_LAST: Final = Remedy(
    "最後の1回は使いません。持ち主が市区町村の窓口で初期化できます。",
    "the last try is the holder's; the municipal office can reset the PIN",
)
POWER: Final = Remedy(
    "カードを取ってください。読取機のドライバーが電源断に対応していません。",
    "take the card off; the reader's driver does not cut the power",
)
RESET: Final = Remedy(
    "市区町村の窓口で暗証番号を初期化してもらってください。",
    "have the PIN reset at the municipal office",
)
SENT: Final = Remedy(
    "暗証番号は送りましたが、答えがありません。"
    "カードを置き直し、--pin なしで残り回数を確認してください。",
    "the PIN was sent and not answered: place the card again, "
    "and see without --pin how many tries are left",
)
PLACE: Final = Remedy(
    "カードを置き直し、変わらなければ別のカードと別の読取機で確認してください。",
    "place it again; then another card, and another reader",
)

FAULTS: Final[Mapping[Reason, Remedy]] = {
    **ANY_DEVICE,
    Reason.NOT_CONNECTED: Remedy(
        "読取機のケーブルを確認し、変わらなければ pcscd を再起動してください: "
        "systemctl restart pcscd",
        "check the reader's cable; then systemctl restart pcscd",
    ),
    Reason.SILENT: PLACE,
    Reason.MUTE: PLACE,
    Reason.GARBLED: PLACE,
}
CAUSES: Final[Mapping[CardCause, Remedy]] = {
    CardCause.NOT_MYNUMBER: Remedy(
        "マイナンバーカードを置いてください。", "this is not a My Number card"
    ),
    CardCause.NO_CERTIFICATE: Remedy(
        "利用者証明用電子証明書がないカードです。別のカードで確認してください。",
        "no user authentication certificate on it: try another card",
    ),
    CardCause.PIN_WRONG: Remedy(
        "暗証番号を持ち主に確認してください。続けて間違えるとロックされます。",
        "ask the holder; a few more misses lock the card",
    ),
    CardCause.PIN_LOCKED: RESET,
    CardCause.UNREADABLE: PLACE,
    CardCause.BAD_CERTIFICATE: Remedy(
        "カードの中の証明書が証明書の形をしていません。別のカードで確認してください。",
        "what the card holds is no certificate: try another card",
    ),
    CardCause.EXPIRED: Remedy(
        "期限切れです。別のカードで確認してください。機器の時刻も確認してください。",
        "expired: try another card; is the clock right?",
    ),
    CardCause.NOT_YET_VALID: Remedy("機器の時刻を確認してください。", "is the clock right?"),
    CardCause.WRONG_ISSUER: Remedy(
        "--trust の認証局と、カードの種類 (本番・試験) を確認してください。",
        "not issued for user authentication by a CA given with --trust: "
        "right file, right generation?",
    ),
    CardCause.BAD_SIGNATURE: Remedy(
        "署名が証明書と合いません。このカードは使えません。別のカードで確認してください。",
        "the signature is not this certificate's: try another card, do not use this one",
    ),
    CardCause.UNKNOWN_KEY: Remedy(
        "新しい世代のカードです。ソフトウェアの更新を確認してください。",
        "a later generation of cards: is there an update?",
    ),
}
