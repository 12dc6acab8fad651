"""Every verdict, and how the page is brought to say it. `python -m verification.verdicts FOLDER`
photographs them.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date
from pathlib import Path

from verification.page_bench import ARGUMENTS, CHROMIUM, NOT_KNOWN, VOID, Bench, payload
from verification.phone import Phone, phone_of

from firmware.link import signing

VERDICTS = (
    "none",
    "in-force",
    "void",
    "unknown",
    "unasked",
    "forged",
    "retired-key",
    "revoked-key",
    "unknown-key",
    "other-city",
    "unreadable",
    "no-keys",
    "unsupported",
)
LOCALES = {"ja": "ja-JP", "en": "en-US"}
SIZES = {"phone": {"width": 360, "height": 740}, "desk": {"width": 1280, "height": 800}}
LONG_NAME = "ウォルフェシュレーゲルシュタインハウゼンベルガードルフ　アドルフ"


def bring(phone: Phone, bench: Bench, verdict: str) -> None:
    """The page with this verdict."""
    keys = bench.keys
    made = {
        "in-force": payload(keys.current),
        "void": payload(
            keys.current, unique_number=VOID, kind="kazei", year=2026, people=None, whole=False
        ),
        "unknown": payload(keys.current, unique_number=NOT_KNOWN, holder=LONG_NAME),
        "unasked": payload(keys.current, holder="渡\U000e0102邊　𠮷子"),
        "forged": payload(keys.stranger, key=signing.reference(keys.current.public_key())),
        "retired-key": payload(keys.retired, day=date(2026, 11, 24)),
        "revoked-key": payload(keys.revoked),
        "unknown-key": payload(keys.stranger),
        "other-city": payload(keys.current, city="131016"),
        "unreadable": payload(keys.current)[:80],
        "no-keys": payload(keys.current),
        "unsupported": payload(keys.current),
    }.get(verdict)
    blocked = {"unasked": "**/v/status", "no-keys": "**/v/keys.json"}.get(verdict)
    if blocked:
        phone.page.route(blocked, lambda route: route.abort())
    if verdict == "unsupported":
        phone.page.add_init_script(
            "Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined });"
        )
    assert (phone.check(made) if made else phone.open(bench.page)) == verdict


def photograph(folder: Path) -> None:
    """Each verdict in each language, on a phone and on a desk."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        bench = Bench(Path(made))
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for verdict in VERDICTS:
            for language, locale in LOCALES.items():
                for size, viewport in SIZES.items():
                    with phone_of(browser, bench, locale, viewport=viewport) as phone:
                        bring(phone, bench, verdict)
                        phone.page.screenshot(
                            path=folder / f"{verdict}-{language}-{size}.png", full_page=True
                        )
        browser.close()
        bench.close()


if __name__ == "__main__":
    photograph(Path(sys.argv[1]))
