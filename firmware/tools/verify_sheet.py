"""`kiosk verify-sheet PICTURE|PAYLOAD --key issuing.pem` checks the code of a sheet without a line.

0: the signature is genuine. 1: it is not, or this is no code of a sheet. 2: the arguments are
wrong. 3: no code found. Only the city can say whether a sheet was made void, so this command never
says that a sheet is in force.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import zxingcpp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from firmware.link import era, sheet_code, signing
from firmware.link.sheet_code import CodeError, SheetCode
from firmware.link.signing import SignatureError

GENUINE, NOT_GENUINE, USAGE, NO_CODE = 0, 1, 2, 3
MOST_DOTS: Final = 60_000_000  # of a picture: an A4 sheet at 600 dpi has 35 million
QR: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])

# What is tried with a picture, until a code is found. Every try looks in four directions and at
# half the size too.
TRIES: Final[tuple[Callable[[Image.Image], Image.Image], ...]] = (
    lambda picture: picture,
    lambda picture: ImageOps.autocontrast(picture, cutoff=2),
    lambda picture: picture.filter(ImageFilter.UnsharpMask(3, 300, 0)),  # out of focus
    lambda picture: _doubled(picture).filter(ImageFilter.UnsharpMask(6, 400, 0)),
    lambda picture: picture.filter(ImageFilter.MedianFilter(3)),  # noise
    lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)),
    lambda picture: picture.rotate(7, expand=True, fillcolor=255),
    lambda picture: picture.rotate(-7, expand=True, fillcolor=255),
)

VERDICTS: Final = {
    GENUINE: (
        "署名は本物です。無効にされていないかは、この確認では分かりません。",
        "The signature is genuine. Whether the sheet is in force cannot be known here.",
    ),
    NOT_GENUINE: ("本物ではありません。", "Not genuine."),
    NO_CODE: ("証明書のコードが見つかりません。", "No code found."),
}
QUESTION: Final = "紙に書かれている内容と、まったく同じですか。 Does the paper say exactly this?"


class PictureError(Exception):
    """The file cannot be read as a picture."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code, as above."""
    given = _parser().parse_args(argv)
    try:
        keys = signing.load_public(given.key)
        texts = _texts(given.what)
    except (OSError, SignatureError, PictureError) as error:
        sys.stderr.write(f"verify-sheet: {error}\n")
        return USAGE
    meant = [
        text for text in texts if "#" in text or _is_payload(text)
    ] or texts  # beside it, others do not count
    found = [_judge(keys, text) for text in meant]
    verdict = NO_CODE if not found else GENUINE if all(found) else NOT_GENUINE
    print(_json(verdict, found) if given.json else _words(verdict, found))
    return verdict


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiosk verify-sheet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        metavar="PICTURE|PAYLOAD",
        help="a scan or photo (PNG, JPEG), the code's address, or what follows its #",
    )
    parser.add_argument(
        "--key",
        required=True,
        type=Path,
        action="append",
        metavar="FILE",
        help="public issuing key (PEM); repeatable",
    )
    parser.add_argument("--json", action="store_true", help="one JSON value on standard output")
    return parser


# -- finding the code


def _texts(what: str) -> list[str]:
    """What the codes in a picture say, or the argument itself when it names none. Raises
    PictureError.
    """
    if "#" in what or _is_payload(what):
        return [what]
    return list(dict.fromkeys(read_picture(Path(what))))


def _is_payload(what: str) -> bool:
    try:
        return len(sheet_code.payload_of(what)) > sheet_code.HEADER_SIZE
    except CodeError:
        return False


def read_picture(path: Path) -> Iterator[str]:
    """The texts of all QR codes that the first successful try finds. Raises PictureError."""
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > MOST_DOTS:
                raise PictureError(f"{path}: more than {MOST_DOTS:,} dots")
            picture = ImageOps.exif_transpose(opened).convert("L")
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError):
        raise PictureError(f"{path}: neither a picture nor a code") from None
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror or 'the picture is damaged'}") from None
    for prepare in TRIES:
        if codes := zxingcpp.read_barcodes(prepare(picture), formats=QR):
            yield from (code.text for code in codes)
            return


def _doubled(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.LANCZOS)


# -- judging it


def _judge(keys: Sequence[Ed25519PublicKey], text: str) -> SheetCode | None:
    """What the code says, when one of the keys signed it."""
    try:
        return signing.verify_code(keys, sheet_code.payload_of(text))
    except (CodeError, SignatureError):
        return None


# -- telling


def _words(verdict: int, found: Sequence[SheetCode | None]) -> str:
    lines = [*VERDICTS[verdict]]
    for code in found:
        if code is not None and verdict == GENUINE:
            lines += ["", QUESTION, *(f"  {label}  {value}" for label, value in _fields(code))]
    return "\n".join(lines)


def _fields(code: SheetCode) -> Iterator[tuple[str, str]]:
    yield "氏名 (name)", code.holder
    yield "種類 (kind)", code.kind
    if code.year is not None:
        yield "年度 (fiscal year)", era.fiscal_year(code.year)
    if code.people is not None:
        yield "人数 (persons)", f"{'世帯全員' if code.whole else '世帯の一部'}　{code.people}人"
    yield "固有番号 (unique number)", code.unique_number
    yield "発行日 (date of issue)", f"{era.written(code.day)} ({code.day.isoformat()})"
    yield "用紙 (sheet)", f"（{code.page}/{code.pages}）"
    yield "市区町村コード (municipality)", code.city
    yield "鍵 (key)", code.key.hex()


def _json(verdict: int, found: Sequence[SheetCode | None]) -> str:
    words = {GENUINE: "genuine", NOT_GENUINE: "not-genuine", NO_CODE: "no-code"}
    codes = [_plain(code) for code in found if code is not None] if verdict == GENUINE else []
    return json.dumps(
        {"verdict": words[verdict], "in_force": None, "codes": codes}, ensure_ascii=False
    )


def _plain(code: SheetCode) -> dict[str, Any]:
    return {
        "holder": code.holder,
        "kind": code.kind,
        "year": code.year,
        "people": code.people,
        "whole": None if code.people is None else code.whole,
        "unique_number": code.unique_number,
        "day": code.day.isoformat(),
        "page": code.page,
        "pages": code.pages,
        "city": code.city,
        "key": code.key.hex(),
        "digest": code.digest.hex(),
    }
