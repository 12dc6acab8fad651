"""What somebody who has the file of a certificate can do to it: every mark on its pages altered,
and things added.

The edits are generated from the file: for each operator that shows text, strokes a path or paints a
picture, each way to alter it; for each page, each place whose text can be set elsewhere, and each
thing that can be added. An edit has a name that tells the page and the mark, so that it can be done
again on the next file of the same form.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pikepdf
from mutations import Kind
from pdf_areas import area_edits
from pdf_files import WHOLE
from pdf_marks import WAYS, mark_edit, marks, operators
from pdf_pages import ADDED, page_edit


@dataclass(frozen=True)
class Edit:
    """`apply`: the file, and the file of somebody else. Raises mutations.Impossible."""

    name: str
    kind: Kind
    apply: Callable[[bytes, bytes], bytes] = field(repr=False, compare=False)


def edits(pdf: bytes) -> Iterator[Edit]:
    """All single edits of this file."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        for page, found in enumerate(opened.pages):
            kinds = Counter(mark.what for mark in marks(operators(found)))
            for mark, count in kinds.items():
                for number in range(count):
                    for what, kind, alter in WAYS[mark]:
                        name = f"page {page + 1}, {mark} {number + 1}: {what}"
                        yield Edit(name, kind, mark_edit(page, mark, number, alter))
            for area, what, kind, edit in area_edits(page):
                yield Edit(f"page {page + 1}, area {area}: {what}", kind, edit)
            for what, kind, add in ADDED:
                yield Edit(f"page {page + 1}: {what}", kind, page_edit(page, add))
    for what, kind, change in WHOLE:
        yield Edit(f"file: {what}", kind, change)
