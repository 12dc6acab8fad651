from __future__ import annotations

from docs.generate import rejected_documents
from firmware.service.log import CATALOGUE
from firmware.sheets.fault import SheetReason


def test_the_page_is_the_table_s() -> None:
    """When this fails: `python -m docs.generate.rejected_documents`, and read what changed."""
    assert rejected_documents.PAGE.read_text(encoding="utf-8") == rejected_documents.page()


def test_every_reason_has_its_case_and_stands_in_one_group() -> None:
    page = rejected_documents.page()
    assert all(page.count(f"`document.{reason.value}`") == 1 for reason in SheetReason)
    assert set(rejected_documents.GROUPS) <= set(SheetReason)
    assert page.index(rejected_documents.GROUPS[SheetReason.SIGNATURE]) < page.index(
        "document.signature"
    )


def test_a_rejection_is_logged_with_reason_and_page_alone() -> None:
    assert CATALOGUE["sheets.rejected"] == {"reason", "page"}
