"""The signed reports of inspections (`scripts/inspect`): checked, copied, and their figures shown.

A report is published as it is. What is shown of it is read from its own text, of which the
signature holds; no test person is in it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BEGIN: Final = b"-----BEGIN MADOGUCHI INSPECTION SIGNATURE-----\n"
END: Final = "-----END MADOGUCHI INSPECTION SIGNATURE-----"
CONTEXT: Final = b"madoguchi inspection report v1\n"
# The lines of a report that are shown: its English word, and the Japanese heading of the column.
SHOWN: Final[Mapping[str, str]] = {
    "Began (UTC)": "開始（協定世界時）",
    "Build": "点検した版",
    "Journeys": "手続",
    "Sheets read back and compared": "照合した用紙",
    "Mismatches": "不一致",
}


class InspectionError(Exception):
    """One line: the file, and what is wrong with it."""


@dataclass(frozen=True)
class Inspection:
    """`values`: by the words of `SHOWN`; `results`: the sentence, Japanese and English."""

    name: str  # of the file that is published
    content: bytes
    results: tuple[str, str]
    values: tuple[str, ...]


def read(path: Path, keys: tuple[Ed25519PublicKey, ...]) -> Inspection:
    """Raises InspectionError for a report that none of these keys signed, OSError."""
    content = path.read_bytes()
    body, mark, rest = content.partition(BEGIN)
    if not mark or not _signed(body, rest, keys):
        raise InspectionError(f"{path}: not a report that a key of yours has signed")
    text = body.decode()
    found = {words: re.search(f"^- {re.escape(words)}: (.*)$", text, re.M) for words in SHOWN}
    results = (re.search(r"^結果：(.*)$", text, re.M), re.search(r"^Result: (.*)$", text, re.M))
    if not all(found.values()) or not all(results):
        raise InspectionError(f"{path}: a report of another version")
    return Inspection(
        name=f"inspection-{hashlib.sha256(content).hexdigest()[:16]}.md",
        content=content,
        results=(results[0][1], results[1][1]),  # type: ignore[index]
        values=tuple(each[1] for each in found.values() if each),
    )


def _signed(body: bytes, rest: bytes, keys: tuple[Ed25519PublicKey, ...]) -> bool:
    try:
        public, signature, end = rest.decode("ascii").splitlines()
        if end != END:
            return False
        raw = base64.b64decode(public, validate=True)
        made = base64.b64decode(signature, validate=True)
        [key] = [key for key in keys if key.public_bytes_raw() == raw][:1]
        key.verify(made, CONTEXT + body)
    except (ValueError, InvalidSignature):
        return False
    return True
