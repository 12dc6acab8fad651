"""The guides as PDF, for paper: `python -m docs.generate.guides_pdf FOLDER`.

FOLDER has the HTML that `docs.generate.guides_html` wrote there. Chromium prints it, as it prints
any page; each sheet bears the guide's title and its number.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

CHROMIUM: Final = "chromium"
PRINT_S: Final = 180.0
# Chromium draws headers and footers by the page's own margin boxes (CSS Paged Media).
STYLE: Final = """<style>
@page { size: A4; margin: 18mm 16mm 20mm;
  @top-center { content: "%(title)s"; font: 8pt sans-serif; color: #555; }
  @bottom-center { content: counter(page) " / " counter(pages); font: 9pt sans-serif; } }
body { max-width: none; margin: 0; padding: 0; font-size: 10.5pt; }
h2, h3 { break-after: avoid; } img, pre, tr { break-inside: avoid; }
img { max-height: 110mm; } pre { white-space: pre-wrap; }
</style></head>"""


class PdfError(Exception):
    """One line: why there is no PDF."""


def write(folder: Path) -> Sequence[Path]:
    """The files that were written, beside the guides' HTML. Raises PdfError."""
    browser = shutil.which(CHROMIUM)
    if browser is None:
        raise PdfError(f"{CHROMIUM} is not installed: apt install {CHROMIUM}")
    pages = sorted((folder / "manual").glob("*.html"))
    if not pages:
        raise PdfError(f"{folder} has no guides: python -m docs.generate.guides_html makes them")
    return [_print(browser, page) for page in pages]


def _print(browser: str, page: Path) -> Path:
    out = page.with_suffix(".pdf")
    out.unlink(missing_ok=True)
    title = page.read_text("utf-8").partition("<title>")[2].partition("</title>")[0]
    # Beside the page, so that its pictures are found.
    with tempfile.TemporaryDirectory() as profile:
        for_paper = page.with_name(f"{page.stem}.print.html")
        style = STYLE % {"title": title.replace('"', "'")}
        for_paper.write_text(page.read_text("utf-8").replace("</head>", style, 1), "utf-8")
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        places = [
            f"--user-data-dir={profile}",
            f"--print-to-pdf={out}",
            for_paper.resolve().as_uri(),
        ]
        try:
            subprocess.run(
                [browser, *words, *places], capture_output=True, timeout=PRINT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise PdfError(f"{page}: {CHROMIUM} did not end within {PRINT_S:.0f} s") from None
        finally:
            for_paper.unlink()
    if not out.exists():
        raise PdfError(f"{page}: {CHROMIUM} printed nothing")
    return out


def main(argv: Sequence[str]) -> int:
    """0; 1 with one line when there is no PDF; 2 for wrong usage."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m docs.generate.guides_pdf FOLDER\n")
        return 2
    try:
        written = write(Path(argv[0]).absolute())
    except (PdfError, OSError) as error:
        sys.stderr.write(f"guides: {error}\n")
        return 1
    print(f"{len(written)} guides as PDF in {argv[0]}/manual")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
