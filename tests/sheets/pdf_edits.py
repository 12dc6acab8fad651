"""Editing a PDF as somebody with a PDF library does: its objects, and the operators of
its pages.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Operator, Pdf, String

Instruction = tuple[list[Any], Operator]
SHOWING = ("Tj", "TJ", "'", '"')


def edited(data: bytes, edit: Callable[[Pdf], None]) -> bytes:
    out = io.BytesIO()
    with Pdf.open(io.BytesIO(data)) as pdf:
        edit(pdf)
        pdf.save(out)
    return out.getvalue()


def with_operators(
    data: bytes, change: Callable[[list[Instruction]], list[Instruction]], page: int = 0
) -> bytes:
    def edit(pdf: Pdf) -> None:
        its = pdf.pages[page]
        given = [(list(i.operands), i.operator) for i in pikepdf.parse_content_stream(its)]
        its.Contents = pdf.make_stream(pikepdf.unparse_content_stream(change(given)))

    return edited(data, edit)


def appended(data: bytes, stream: str, page: int = 0) -> bytes:
    """`stream` painted after everything else, in the page's own coordinates."""

    def edit(pdf: Pdf) -> None:
        its = pdf.pages[page]
        its.contents_add(b"q\n", prepend=True)
        its.contents_add(b"\nQ\n" + stream.encode())

    return edited(data, edit)


def prepended(data: bytes, stream: str, page: int = 0) -> bytes:
    """`stream` painted before everything else."""
    return edited(
        data, lambda pdf: pdf.pages[page].contents_add(stream.encode() + b"\n", prepend=True)
    )


def places(instructions: list[Instruction], names: tuple[str, ...]) -> Iterator[int]:
    return (at for at, (_, operator) in enumerate(instructions) if str(operator) in names)


def text_matrices(instructions: list[Instruction]) -> list[int]:
    return list(places(instructions, ("Tm",)))


__all__ = ["Array", "Decimal", "Dictionary", "Name", "Operator", "Pdf", "String"]
