"""The pages of the technician's screens, their buttons, and what is done by them: all as data.

Words are for staff, Japanese first and English below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


@dataclass(frozen=True)
class Words:
    ja: str
    en: str


class Page(StrEnum):
    HOME = "home"
    COUNTERS = "counters"
    CASES = "cases"
    PRINT = "print"
    CALIBRATE = "calibrate"
    TOUCH = "touch"
    CASH = "cash"
    PLACES = "places"
    COINS = "coins"
    BOOK = "book"
    STOP = "stop"
    RESUME = "resume"
    RESTART = "restart"
    WAIT = "wait"


class Act(StrEnum):
    """What a button does. The value stands in the log."""

    STOP = "stop"
    RESUME = "resume"
    RESTART = "restart"
    TEST_SHEET = "test-sheet"
    TEST_RECEIPT = "test-receipt"
    GUARD_SHEET = "guard-sheet"
    UNITS = "units"
    BOOK = "book"


class Touched(StrEnum):
    """The actions of touches."""

    OPEN = "open"  # a page; the value is its name
    DO = "do"  # an act; the value is its name
    CHOOSE = "choose"  # which money act, or which place
    DIGIT = "digit"
    CLEAR = "clear"
    ENTER = "enter"
    POINT = "point"
    BESIDE = "beside"
    LEAVE = "leave"


@dataclass(frozen=True)
class Button:
    """`first`: the one that this page is for."""

    action: Touched
    value: str
    words: Words
    first: bool = False


def go(page: Page, ja: str, en: str) -> Button:
    return Button(Touched.OPEN, page.value, Words(ja, en))


def do(act: Act, ja: str, en: str, *, first: bool = True) -> Button:
    return Button(Touched.DO, act.value, Words(ja, en), first)


@dataclass(frozen=True)
class PageSpec:
    """`above`: where its button back leads; None on the first page. `text`: what is to be known
    before anything is touched.
    """

    title: Words
    buttons: tuple[Button, ...] = ()
    above: Page | None = Page.HOME
    text: Words | None = None


PAGES: Final[Mapping[Page, PageSpec]] = {
    Page.HOME: PageSpec(
        Words("保守メニュー", "Technician"),
        (
            go(Page.COUNTERS, "状態・件数", "State and counters"),
            go(Page.CASES, "案件", "Cases"),
            go(Page.PRINT, "試験印字", "Test print"),
            go(Page.CALIBRATE, "調整", "Calibration"),
            go(Page.CASH, "現金", "Cash"),
            go(Page.STOP, "休止にする", "Out of service"),
            go(Page.RESUME, "休止を解除する", "Back in service"),
            go(Page.RESTART, "再起動", "Restart"),
        ),
        above=None,
    ),
    Page.COUNTERS: PageSpec(Words("状態・件数", "State and counters")),
    Page.CASES: PageSpec(Words("案件", "Cases")),
    Page.PRINT: PageSpec(
        Words("試験印字", "Test print"),
        (
            do(Act.TEST_SHEET, "証明書用紙に印字する", "Print on the certificate printer"),
            do(Act.TEST_RECEIPT, "レシートに印字する", "Print on the receipt printer"),
        ),
        text=Words(
            "「試験」と印字されます。確認後、用紙を廃棄してください。",
            "It is marked TEST. Destroy the paper when you have looked at it.",
        ),
    ),
    Page.CALIBRATE: PageSpec(
        Words("調整", "Calibration"),
        (
            go(Page.TOUCH, "タッチパネルを確認する", "Check the touch panel"),
            do(Act.GUARD_SHEET, "けん制地紋の調整シートを印字する", "Print the copy-guard sheet"),
        ),
        text=Words(
            "調整シートの枡を複写機で写して選び、番号を担当課へ伝えてください。設定は署名されて届きます。",
            "Copy the sheet, choose a field, and tell the office its number: the setting comes"
            " signed.",
        ),
    ),
    Page.TOUCH: PageSpec(Words("点に触れてください", "Touch the point"), above=Page.CALIBRATE),
    Page.CASH: PageSpec(
        Words("現金", "Cash"),
        (
            do(Act.UNITS, "機器と照合する", "Compare with the units", first=False),
            Button(Touched.CHOOSE, "cash-count", Words("実査", "Count")),
            Button(Touched.CHOOSE, "cash-refill", Words("補充", "Refill")),
            Button(Touched.CHOOSE, "cash-emptied", Words("回収", "Emptied")),
        ),
    ),
    Page.PLACES: PageSpec(Words("場所を選んでください", "Which place?"), above=Page.CASH),
    Page.COINS: PageSpec(Words("何枚ですか", "How many coins?"), above=Page.CASH),
    Page.BOOK: PageSpec(
        Words("この内容で記録しますか", "Book this?"),
        (do(Act.BOOK, "記録する", "Book it"),),
        above=Page.CASH,
    ),
    Page.STOP: PageSpec(
        Words("休止にしますか", "Take it out of service?"),
        (do(Act.STOP, "休止にする", "Out of service"),),
        text=Words(
            "再起動しても、解除するまで休止が続きます。",
            "It stays out of service, through every restart, until it is put back.",
        ),
    ),
    Page.RESUME: PageSpec(
        Words("休止を解除しますか", "Put it back in service?"),
        (do(Act.RESUME, "休止を解除する", "Back in service"),),
        text=Words(
            "この画面を閉じると、住民の受付を始めます。",
            "When these screens are closed, residents are served again.",
        ),
    ),
    Page.RESTART: PageSpec(
        Words("再起動しますか", "Restart?"),
        (do(Act.RESTART, "再起動する", "Restart"),),
        text=Words(
            "プログラムを初めから開始します。機器の電源は切れません。",
            "The program starts anew. No device is switched off.",
        ),
    ),
    Page.WAIT: PageSpec(Words("お待ちください", "Please wait"), above=None),
}
BACK: Final = Words("戻る", "Back")
LEAVE: Final = Words("終了", "Leave")
STAFF: Final = Words("係員用　受付停止中", "Staff only")
# What came of an act, or why there was nothing to do. What is not here is told by its code.
RESULTS: Final[Mapping[str, Words]] = {
    "done": Words("完了しました。", "Done."),
    "already": Words("すでにその状態です。", "It is so already."),
    "out-of-service": Words("休止にしました。", "It is out of service now."),
    "in-service": Words("休止を解除しました。", "It is back in service."),
    "journal": Words("記録できません。変更していません。", "The journal takes nothing. Not done."),
    "purge-needed": Words(
        "プリンターに前の用紙が残っているおそれがあります。電源を入れ直してください。",
        "The printer may still hold a page. Switch it off and on.",
    ),
    "paper-in-outlet": Words(
        "取り出し口の用紙を、読まずに取り除いてください。",
        "Take the paper out of the outlet, unread.",
    ),
    "paper-out": Words("用紙がありません。", "No paper."),
    "cover-open": Words("カバーが開いています。", "A cover is open."),
    "printer": Words("プリンターが応答しないか、故障しています。", "The printer is not ready."),
    "printer-busy": Words("プリンターが使用中です。", "The printer is busy."),
    "coins": Words("硬貨の機器が応答しません。", "The coin unit does not answer."),
    "touch-well": Words("九つの点すべてを感知しました。", "All nine points were felt."),
    "touch-beside": Words(
        "触れた位置がずれています。パネルの調整が必要です。",
        "Touches are beside the point: the panel needs adjusting.",
    ),
}
# Nine points of the panel, in the order in which they are touched.
POINTS: Final = tuple(
    f"{row}-{column}"
    for row in ("top", "middle", "bottom")
    for column in ("left", "centre", "right")
)
MOST_BESIDE: Final = 3  # touches beside one point: a finger slips, a panel that is off does not


def result_words(code: str) -> Words:
    """`receipt-` before a printer's trouble is of the other printer."""
    known = RESULTS.get(code.removeprefix("receipt-"))
    return known or Words(f"できませんでした: {code}", f"Not done: {code}")
