"""docs/pictures, from the demo in a headless Chromium: part of `scripts/pictures`.

Chromium plays the person at the dock, and a phone in front of what was printed. It takes a
minute, and the numbers on the sheets are others each time: no test compares the pictures.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

FOLDER: Final = Path(__file__).parents[1] / "pictures"
ROOT: Final = Path(__file__).parents[2]
QR: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
SOON_MS: Final = 20_000
STARTED_MS: Final = 300
DOCK: Final = {"width": 1400, "height": 900}
DOCK_SIZE: Final = (1120, 720)
SCREEN_SIZE: Final = (400, 300)
SHEET_WIDTH: Final = 414
PHONE: Final = {"width": 360, "height": 900}
GAP: Final = 20
GREY: Final = (207, 212, 222)
SCREENS: Final = ("pin", "remove", "certificates", "confirm", "paying", "sheets")

Picture = Image.Image


class NoPicture(Exception):
    """One line: what was not there."""


class Visit:
    """People at the dock of one demo, one after the other. `page` shows the dock."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.panel: FrameLocator = page.frame_locator("#panel")
        self.screens: dict[str, Picture] = {}
        self.dock: Picture | None = None

    def fetch(self, resident: str, kind: str) -> Picture:
        """A certificate of one sheet, from the card to the paper in hand. Its picture."""
        self._see("menu")
        self.page.locator(f'#cards [data-name="{resident}"] button').click()
        self._see("pin")
        digits = self.page.locator(f'#cards [data-name="{resident}"] .pin').inner_text()
        for digit in digits:
            self._touch("digit", digit)
        self._touch("enter")
        self._see("remove")
        self.page.locator("#card-off").click()
        self._see("certificates")
        self._touch("choose", kind)
        self._answer_questions()
        self._touch("confirm")
        self._see("payway")
        self._touch("cash")
        self._see("paying")
        for coin in ("50", "100"):
            self.page.locator(f'#coins [data-value="{coin}"]').click()
        return self._collect()

    def _answer_questions(self) -> None:
        """Every question as it is answered already."""
        questions = self.panel.locator("[data-screen=options]")
        confirmation = self.panel.locator("[data-screen=confirm]")
        expect(questions.or_(confirmation)).to_be_visible()
        while questions.count():
            asked = questions.locator(".city").filter(
                has_text=self.panel.locator(".city").inner_text()
            )
            self._touch("next")
            expect(asked).to_have_count(0)
            expect(questions.or_(confirmation)).to_be_visible()
        self._see("confirm")

    def _collect(self) -> Picture:
        self._see("sheets")
        paper = self.page.locator("#sheets img")
        expect(paper).to_have_count(1)
        expect(self.page.locator("#receipts img")).to_have_count(1)
        self.dock = self.dock or self._picture_of_the_dock()
        address = self.page.url.rstrip("/") + str(paper.get_attribute("src"))
        sheet = Image.open(io.BytesIO(self.page.request.get(address).body())).convert("L")
        for button in ("#take-sheets", "#take-receipt", "#take-coins"):
            self.page.locator(button).click()
        for _ in ("receipt", "thanks"):
            self._touch("ok")
        self._see("menu")
        return sheet

    def _see(self, name: str) -> None:
        """Wait for a screen, and keep a picture of the first of its name."""
        expect(self.panel.locator(f"[data-screen={name}]")).to_be_visible()
        if name in SCREENS and name not in self.screens:
            self.page.wait_for_timeout(STARTED_MS)
            self.screens[name] = _opened(self.page.locator("#panel").screenshot())

    def _picture_of_the_dock(self) -> Picture:
        self.page.wait_for_timeout(STARTED_MS)
        return _opened(self.page.screenshot())

    def _touch(self, action: str, value: str = "") -> None:
        which = f'[data-value="{value}"]' if value else ""
        self.panel.locator(f'button[data-action="{action}"]{which}').first.click()


def make(folder: Path) -> None:
    """Write all pictures. Raises NoPicture, OSError, playwright's errors."""
    with (
        tempfile.TemporaryDirectory(prefix="madoguchi-") as run,
        _demo(Path(run)) as address,
        _browser() as browser,
    ):
        page = browser.new_page(viewport=DOCK)  # type: ignore[arg-type]
        page.set_default_timeout(SOON_MS)
        expect.set_options(timeout=SOON_MS)
        page.goto(address)
        visit = Visit(page)
        sheets = [
            visit.fetch(resident, kind)
            for resident, kind in (
                ("taro", "juminhyo"),
                ("hanako", "inkan"),
                ("hanako", "kazei"),
            )
        ]
        verdicts = _verdicts(browser, [_code(sheet) for sheet in sheets], Path(run))
    if visit.dock is None:
        raise NoPicture("the dock was not seen")
    narrow = [_scaled(sheet, SHEET_WIDTH) for sheet in sheets]
    tiles = [visit.screens[name].resize(SCREEN_SIZE, Image.Resampling.LANCZOS) for name in SCREENS]
    _write(folder / "dock.png", visit.dock.resize(DOCK_SIZE, Image.Resampling.LANCZOS), 128)
    _write(folder / "sheets.png", _side_by_side(narrow, 0), 16)
    _write(folder / "screens.png", _rows(tiles, 3), 64)
    _write(folder / "verification.png", _side_by_side(verdicts, GAP), 64)


@contextlib.contextmanager
def _demo(run: Path) -> Iterator[str]:
    """The address of a dock. Raises NoPicture."""
    command = (sys.executable, "-m", "firmware.tools", "demo", "--port", "0", "--run", str(run))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as demo:
        line = demo.stdout.readline() if demo.stdout else ""
        try:
            found = re.search(r"http://\S+", line)
            if found is None:
                raise NoPicture("the demo did not start")
            yield found[0]
        finally:
            demo.terminate()


@contextlib.contextmanager
def _browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise NoPicture("Chromium is not installed; scripts/setup test installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


# -- the page for whoever is handed a sheet


def _code(sheet: Picture) -> str:
    """The address in the code of a sheet."""
    found = zxingcpp.read_barcodes(sheet, formats=QR)
    if len(found) != 1:
        raise NoPicture("a sheet without a code that can be read")
    return str(found[0].text)


def _verdicts(browser: Browser, addresses: Sequence[str], run: Path) -> list[Picture]:
    """Genuine; genuine and void; a code that somebody has changed, in English."""
    genuine, _, withdrawn = addresses
    shown = [_verdict(browser, genuine, "ja-JP")]
    number = _unique_number(browser, withdrawn)
    command = ("city", "orders", "void", number, "--config", str(run / "city.toml"))
    subprocess.run(
        (sys.executable, "-m", "firmware.tools", *command, "--note", "for a picture"),
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    shown.append(_verdict(browser, withdrawn, "ja-JP"))
    shown.append(_verdict(browser, _changed(genuine), "en-GB"))
    return shown


def _phone(browser: Browser, address: str, locale: str) -> Page:
    page = browser.new_context(viewport=PHONE, locale=locale).new_page()  # type: ignore[arg-type]
    page.goto(address)
    page.wait_for_selector("#verdict[data-verdict]:not([data-verdict=checking])")
    return page


def _verdict(browser: Browser, address: str, locale: str) -> Picture:
    page = _phone(browser, address, locale)
    shown = _opened(page.screenshot())
    page.context.close()
    return shown


def _unique_number(browser: Browser, address: str) -> str:
    page = _phone(browser, address, "ja-JP")
    labels = page.locator("#fields dt").all_inner_texts()
    values = page.locator("#fields dd").all_inner_texts()
    page.context.close()
    return dict(zip(labels, values, strict=True))["固有番号"].strip()


def _changed(address: str) -> str:
    """The same code with one letter of its payload exchanged."""
    at = address.index("#") + (len(address) - address.index("#")) // 2
    return address[:at] + ("A" if address[at] != "A" else "B") + address[at + 1 :]


# -- putting together


def _opened(png: bytes) -> Picture:
    return Image.open(io.BytesIO(png)).convert("RGB")


def _scaled(picture: Picture, width: int) -> Picture:
    height = round(picture.height * width / picture.width)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _side_by_side(pictures: Sequence[Picture], gap: int) -> Picture:
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    whole = Image.new("RGB", (width, max(picture.height for picture in pictures)), GREY)
    left = 0
    for picture in pictures:
        whole.paste(picture.convert("RGB"), (left, 0))
        left += picture.width + gap
    return whole


def _rows(pictures: Sequence[Picture], columns: int) -> Picture:
    rows = [
        _side_by_side(pictures[at : at + columns], GAP) for at in range(0, len(pictures), columns)
    ]
    height = sum(row.height for row in rows) + GAP * (len(rows) - 1)
    whole = Image.new("RGB", (rows[0].width, height), GREY)
    top = 0
    for row in rows:
        whole.paste(row, (0, top))
        top += row.height + GAP
    return whole


def _write(path: Path, picture: Picture, colours: int) -> None:
    """With few colours: the repository keeps every version of it."""
    picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> int:
    try:
        make(FOLDER)
    except NoPicture as error:
        sys.stderr.write(f"pictures: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
