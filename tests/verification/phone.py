"""A phone's browser in front of the page, and what is to be read on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image
from verification.page_bench import Bench

from firmware.link import sheet_code

SIZE = {"width": 360, "height": 740}
GENUINE = {"in-force", "void", "unknown", "unasked"}  # the signature was proven


class Phone:
    """`page` is the browser's own."""

    def __init__(self, bench: Bench, page: Any) -> None:
        self.bench, self.page = bench, page
        self.wrong: list[str] = []
        self.asked: list[Any] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda message: self._note_console(message.text))
        page.on("request", lambda request: self.asked.append(request))

    def _note_console(self, text: str) -> None:
        if "Security Policy" in text:
            self.wrong.append(text)

    def scan(self, picture: Path) -> str:
        """What the camera's program does: decode the code, open its address. The verdict.

        Only QR codes are looked for: among the modules of some codes, which depend on the
        signature, the reader sees a linear code of another kind as well.
        """
        codes = zxingcpp.read_barcodes(Image.open(picture), formats=zxingcpp.BarcodeFormat.QRCode)
        (found,) = codes
        return self.open(found.text)

    def open(self, address: str) -> str:
        self.page.goto("about:blank")
        self.page.goto(address)
        return self.verdict()

    def check(self, payload: bytes) -> str:
        return self.open(sheet_code.address(self.bench.page, payload))

    def turn_to(self, fragment: str) -> str:
        """Another fragment on the page that is open."""
        self.page.evaluate("(text) => { location.hash = text; }", fragment)
        self.page.evaluate(
            "() => new Promise((done) => setTimeout(done))"
        )  # hashchange has been heard
        return self.verdict()

    def verdict(self) -> str:
        self.page.wait_for_selector("#verdict[data-verdict]:not([data-verdict=checking])")
        return str(self.page.get_attribute("#verdict", "data-verdict"))

    def title(self) -> str:
        return str(self.page.inner_text("#title"))

    def fields(self) -> dict[str, str]:
        """Label to value, as a person reads them; a phrase in the other language stands on its own
        line.
        """
        labels = self.page.locator("#fields dt").all_inner_texts()
        values = self.page.locator("#fields dd").all_inner_texts()
        return dict(zip(labels, values, strict=True))


@contextmanager
def phone_of(
    browser: Any, bench: Bench, locale: str = "ja-JP", init: str = "", **more: Any
) -> Iterator[Phone]:
    """Nothing of the page is against its own policy, no other host is asked, and no cookie
    is left.
    """
    context = browser.new_context(**{"viewport": SIZE, "locale": locale, **more})
    if init:
        context.add_init_script(init)
    phone = Phone(bench, context.new_page())
    try:
        yield phone
        assert phone.wrong == [], phone.wrong
        assert context.cookies() == []
        host = bench.page.removesuffix("/v")
        assert {
            request.url for request in phone.asked if not request.url.startswith((host, "about:"))
        } == set()
    finally:
        context.close()
