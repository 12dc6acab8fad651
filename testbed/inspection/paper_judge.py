"""A judge of paper: is what came out of the printer exactly what was confirmed and what the files
say? The attacks and the inspection ask it.

It shares no code with the kiosk. It knows the truth before anybody laid hands on it, has it typeset
once more by an honest typst in a process of its own, reads files with poppler, and codes as
`sheet_code.py` does.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from PIL import Image

from testbed.inspection.same_words import same_words
from testbed.inspection.sheet_code import Reader, digest, read_code, read_with_zxing

Dots = npt.NDArray[np.bool_]
Grey = npt.NDArray[np.uint8]

A4_MM: Final = (210.0, 297.0)
CODE_MM: Final = (156.0, 243.0, 42.0, 42.0)  # left, top, width, height
WORD_SLACK: Final = 0.02  # points that a word may stand elsewhere
# Measured between poppler and the kiosk's dots: with one dot of slack no dot differs from 180 to
# 200 of 255 either way.
INK: Final = 220  # of 255: where the truth is darker, there may be ink
STROKE: Final = 170  # where it is darker than that, there must be
SLACK: Final = 1  # dots that two renderers may differ at a stroke's edge
KEPT: Final = 64  # documents whose pictures are remembered
FINER: Final = 2  # poppler draws so many dots for one of the printer's
HALO: Final = 6  # dots around ink in which the copy guard may be left out


@dataclass(frozen=True)
class Truth:
    """What must come out. `content` is the honest city's, as plain data; `salt` that of its
    manifest, None where another journey than the printed one told the truth.
    """

    content: dict[str, Any] = field(repr=False)
    form: str
    seal_mm: float
    kind: str
    city: str
    day: date
    holder: str = field(repr=False)
    year: int | None
    people: int | None
    whole: bool
    salt: bytes | None = field(repr=False)
    copies: int
    fee: int
    address: str  # of the page on which sheets are verified

    @property
    def pages(self) -> int:
        return len(self.content["sheets"])


@dataclass(frozen=True)
class Verdict:
    """`faults`: what is not as it must be, in words; none means that the right sheets came out.

    `otherwise`: they show what they must, set at other points than the honest city's (see
    `same_words`).
    """

    sheets: int
    faults: tuple[str, ...]
    otherwise: bool = False


class Judge:
    """`guard`: the dots of a sheet on which nothing stands; `keys`: the city's issuing keys; `dpi`:
    of the printer; `read`: finds the codes in a picture.
    """

    def __init__(
        self,
        guard: Dots,
        keys: Sequence[Ed25519PublicKey],
        dpi: int,
        read: Reader = read_with_zxing,
    ) -> None:
        self._guard, self._keys, self._dpi, self._read = guard, keys, dpi, read
        self._typst = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._cache: dict[str, _Paper] = {}

    def close(self) -> None:
        self._typst.shutdown()

    def beside(self, guard: Dots) -> Judge:
        """The same judge for a printer of another width."""
        other = copy(self)
        other._guard = guard
        return other

    def judge(
        self,
        truth: Truth,
        printed: Sequence[Dots],
        pdf: bytes | None = None,
        part: bool = False,
    ) -> Verdict:
        """`printed`: the dots of each sheet in the order in which they came; `pdf`: the file they
        were made from, where it is known; `part`: some of the last sheets may be missing.
        """
        if not printed:
            return Verdict(0, ())
        faults: list[str] = []
        wanted = truth.pages * truth.copies
        if len(printed) > wanted or (len(printed) < wanted and not part):
            faults.append(f"{len(printed)} sheets instead of {wanted}")
        codes = [self._code(dots, faults) for dots in printed]
        number = next((code["number"] for code in codes if code), "")
        paper = self._paper(truth, number or truth.content["unique_number"])
        for at, code in enumerate(codes):
            faults += [
                f"sheet {at + 1}: {f}"
                for f in self._code_faults(truth, code, number, at % truth.pages)
            ]
        looks = self._all_dot_faults(printed, paper.pages)
        if pdf is None:
            return Verdict(len(printed), (*faults, *looks))
        looks += self._text_faults(pdf, paper)
        if looks and not faults and self._set_otherwise(printed, pdf, paper):
            return Verdict(len(printed), (), otherwise=True)
        return Verdict(len(printed), (*faults, *looks))

    def _set_otherwise(self, printed: Sequence[Dots], pdf: bytes, paper: _Paper) -> bool:
        """The file shows the same letters in the same areas, and that file is what was printed."""
        try:
            drawn = pictures(pdf, self._dpi)
            same = letters(words(pdf)) == letters(paper.words) and same_words(
                paper.pdf, pdf, len(paper.pages)
            )
        except (subprocess.CalledProcessError, ElementTree.ParseError, ValueError):
            return False
        return same and len(drawn) == len(paper.pages) and not self._all_dot_faults(printed, drawn)

    def _all_dot_faults(self, printed: Sequence[Dots], pages: Sequence[Grey]) -> list[str]:
        found = enumerate(printed)
        return [
            f"sheet {at + 1}: {f}"
            for at, dots in found
            for f in self._dot_faults(dots, pages[at % len(pages)])
        ]

    # -- what an honest city would have set

    def _paper(self, truth: Truth, number: str) -> _Paper:
        """With the number that is printed: the city alone decides it, and nobody can know it
        before.
        """
        content = {**truth.content, "unique_number": number}
        key = hashlib.sha256(repr((content, truth.form, truth.seal_mm)).encode()).hexdigest()
        if key not in self._cache:
            if len(self._cache) >= KEPT:
                self._cache.clear()
            pdf = self._typst.submit(honest_pdf, content, truth.form, truth.seal_mm).result()
            self._cache[key] = _Paper(pdf, pictures(pdf, self._dpi), words(pdf))
        return self._cache[key]

    # -- the dots

    def _dot_faults(self, dots: Dots, grey: Grey) -> list[str]:
        if dots.shape != self._guard.shape:
            return ["another size of paper"]
        truth = placed(grey, dots.shape)
        checked = np.ones(dots.shape, dtype=np.bool_)
        checked[code_area(self._dpi, dots.shape[1])] = False
        allowed = grown(truth < INK, SLACK)
        faults = []
        if (dots & ~allowed & ~self._guard & checked).any():
            faults.append("ink where the truth has none")
        if ((truth < STROKE) & ~grown(dots & allowed, SLACK) & checked).any():
            faults.append("ink of the truth is missing")
        if (self._guard & ~dots & ~grown(truth < INK, HALO) & checked).any():
            faults.append("the copy guard is missing")
        return faults

    # -- the code

    def _code(self, dots: Dots, faults: list[str]) -> dict[str, Any]:
        """What the code says whose signature holds; {} for none."""
        area = np.where(dots[code_area(self._dpi, dots.shape[1])], 0, 255).astype(np.uint8)
        found = self._read(Image.fromarray(area))
        if len(found) != 1:
            faults.append(f"{len(found)} codes on a sheet")
            return {}
        try:
            return read_code(found[0], self._keys)
        except ValueError as error:
            faults.append(f"the code: {error}")
            return {}

    def _code_faults(self, truth: Truth, code: dict[str, Any], number: str, page: int) -> list[str]:
        if not code:
            return ["no code that holds"]
        content = {**truth.content, "unique_number": number}
        wanted = {
            "address": truth.address,
            "city": truth.city,
            "day": truth.day,
            "kind": truth.kind,
            "number": number,
            "page": (page + 1, truth.pages),
            "holder": truth.holder,
            "year": truth.year,
            "people": None if truth.people is None else (truth.people, truth.whole),
        }
        faults = [f"the code's {name}" for name, value in wanted.items() if code[name] != value]
        if truth.salt is not None and code["digest"] != digest(content, page + 1, truth.salt):
            faults.append("the code's digest")
        return faults

    # -- the text

    def _text_faults(self, pdf: bytes, paper: _Paper) -> list[str]:
        try:
            theirs = words(pdf)
        except (subprocess.CalledProcessError, ElementTree.ParseError):
            return ["poppler cannot read the file"]
        if [len(page) for page in theirs] != [len(page) for page in paper.words]:
            return ["the file has other words"]
        for own, other in zip(paper.words, theirs, strict=True):
            for (text, place), (their_text, their_place) in zip(own, other, strict=True):
                if text != their_text:
                    return ["the file has another word"]
                if max(abs(a - b) for a, b in zip(place, their_place, strict=True)) > WORD_SLACK:
                    return ["a word of the file stands elsewhere"]
        return []


Word = tuple[str, tuple[float, ...]]


@dataclass(frozen=True)
class _Paper:
    """`pages`: grey dots; `words`: of each page."""

    pdf: bytes
    pages: list[Grey]
    words: list[list[Word]]


def honest_pdf(content: dict[str, Any], form: str, seal_mm: float) -> bytes:
    """Runs in the judge's own process."""
    import msgspec

    from city.document import Layout
    from city.typesetting import typeset
    from firmware.link.content import Content

    layout = Layout(form, seal_mm)  # type: ignore[arg-type]
    return typeset(msgspec.convert(content, Content, builtin_types=(bytes,)), layout).pdf


# -- poppler ---------------------------------------------------------------------------------------


def words(pdf: bytes) -> list[list[Word]]:
    """Of each page: the words and where they stand. Raises subprocess.CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pdf"
        path.write_bytes(pdf)
        out = subprocess.run(
            ["pdftotext", "-bbox", str(path), "-"], check=True, capture_output=True, timeout=60
        ).stdout
    pages = []
    root = ElementTree.fromstring(out.decode("utf-8", "replace"))  # noqa: S314 - poppler wrote it
    for page in root.iter("{http://www.w3.org/1999/xhtml}page"):
        found = []
        for word in page.iter("{http://www.w3.org/1999/xhtml}word"):
            place = tuple(float(word.get(side, "nan")) for side in ("xMin", "yMin", "xMax", "yMax"))
            found.append((word.text or "", place))
        pages.append(found)
    return pages


def letters(pages: Sequence[Sequence[Word]]) -> list[Counter[str]]:
    """Of each page: which there are, and how many of each."""
    return [Counter(letter for text, _ in page for letter in text) for page in pages]


def pictures(pdf: bytes, dpi: int) -> list[Grey]:
    """Each page in grey, A4 in the printer's dots. Raises subprocess.CalledProcessError."""
    width, height = (round(mm * dpi / 25.4) for mm in A4_MM)
    size = ("-scale-to-x", str(FINER * width), "-scale-to-y", str(FINER * height))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pdf"
        path.write_bytes(pdf)
        asked = [
            "pdftoppm",
            "-gray",
            "-cropbox",
            *size,
            "-r",
            str(FINER * dpi),
            str(path),
            str(Path(folder) / "p"),
        ]
        subprocess.run(asked, check=True, capture_output=True, timeout=60)
        fine = [np.asarray(Image.open(found)) for found in sorted(Path(folder).glob("p*.pgm"))]
    return [
        page.reshape(height, FINER, width, FINER).mean(axis=(1, 3)).astype(np.uint8)
        for page in fine
    ]


def placed(grey: Grey, shape: tuple[int, ...]) -> Grey:
    """A page in the middle of the printer's width, from the top."""
    height, width = shape
    left = (width - grey.shape[1]) // 2
    out = np.full((height, width), 255, np.uint8)
    kept = grey[:height, max(0, -left) : max(0, -left) + width]
    out[: kept.shape[0], max(0, left) : max(0, left) + kept.shape[1]] = kept
    return out


def code_area(dpi: int, width: int) -> tuple[slice, slice]:
    left, top, wide, high = (round(mm * dpi / 25.4) for mm in CODE_MM)
    left += (width - round(A4_MM[0] * dpi / 25.4)) // 2
    return slice(top, top + high), slice(left, left + wide)


def grown(dots: Dots, by: int) -> Dots:
    """Every dot a square that reaches `by` dots each way."""
    made = dots.copy()
    for _ in range(by):
        wide = made.copy()
        wide[:, 1:] |= made[:, :-1]
        wide[:, :-1] |= made[:, 1:]
        made = wide.copy()
        made[1:] |= wide[:-1]
        made[:-1] |= wide[1:]
    return made
