"""The report of an inspection, in Japanese and English, and its signature (Ed25519).

A report is a text that a city can publish. The signature is over every byte above its first line;
no person is in it, and no name of a test card.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from testbed.inspection.run import AT_THE_MONEY, SERVED
from testbed.inspection.state import State

BEGIN: Final = "-----BEGIN MADOGUCHI INSPECTION SIGNATURE-----"
END: Final = "-----END MADOGUCHI INSPECTION SIGNATURE-----"
CONTEXT: Final = b"madoguchi inspection report v1\n"
# Japanese and English of each line.
TITLE: Final = ("証明書交付端末 再点検報告書", "Re-inspection of the certificate kiosks: report")
WAY: Final = {
    False: ("手続は、証明書の印刷まで行った。", "Journeys went on to the printed sheet."),
    True: (
        "試行：手数料の支払いの直前まで行い、印刷はしていない。",
        "A dry run: journeys ended before the payment, and nothing was printed.",
    ),
}
VERDICT: Final = {
    "sound": ("結果：不一致はなかった。", "Result: nothing differed."),
    "wrong": (
        "結果：不一致があった。原因が分かるまで、この版で証明書を交付してはならない。",
        "Result: something differed. Do not issue certificates with this build until it is known "
        "why.",
    ),
    "part": (
        "結果：予定した手続の一部しか行っていないため、点検は終わっていない。",
        "Result: only a part of the planned journeys was made; the inspection is not finished.",
    ),
    "nothing": (
        "結果：最後まで進んだ手続がなく、点検したことにならない。",
        "Result: no journey came to its end, so nothing has been inspected.",
    ),
}
FIGURES: Final = (
    ("began", "開始（協定世界時）", "Began (UTC)"),
    ("ended", "終了（協定世界時）", "Ended (UTC)"),
    ("build", "点検した版", "Build"),
    ("kiosks", "同時に動かした端末の数", "Kiosks at once"),
    ("journeys", "行った手続の数", "Journeys"),
    ("served", "証明書が交付された手続", "Journeys that ended with the certificate"),
    ("at_the_money", "支払いの直前まで進んだ手続", "Journeys that reached the payment (dry run)"),
    ("turned_away", "案内を出して終えた手続", "Journeys that ended with a notice"),
    ("sheets", "読み取って照合した用紙の枚数", "Sheets read back and compared"),
    (
        "torn",
        "障害で印刷が途中で終わり、照合しなかった用紙の枚数",
        "Sheets cut short by a disturbance, not read",
    ),
    (
        "compared",
        "用紙とは別に照合した市の回答の数",
        "Answers of the city compared, beside the journeys",
    ),
    ("disturbances", "起こした障害の数", "Disturbances provoked"),
    ("mismatches", "不一致の数", "Mismatches"),
    ("seed", "乱数の種", "Seed"),
)
DEVICES: Final = (
    "カードリーダー・プリンター・硬貨装置などは、実機と同じ通信をする模擬装置である。実機の点検ではない。",
    "Card readers, printers, coin units and the other devices were simulated: they speak what real "
    "ones speak. No real device was inspected.",
)
METHOD: Final = (
    "用紙は、印刷に使ったものとは別の方法で読み取った。プリンターが受け取ったドットを、台帳と照合した内容"
    "を poppler で描画したものと比べ、二次元コードは zbar で読み取り、市の署名を検証した。",
    "Each sheet was read by other means than those that printed it: the dots that the printer "
    "received were compared with a page that poppler drew from a content which was checked against "
    "the register, and the code was read by zbar and its signature checked.",
)
TABLES: Final = (
    ("kinds", "手続の内訳", "Journeys by what was asked for"),
    ("notices", "案内の内訳", "Notices by code"),
    ("disturbances", "起こした障害の内訳", "Disturbances by device and kind"),
    ("mismatches", "不一致の内訳", "Mismatches"),
)
# In the Japanese part these stand for the first word of a row.
JAPANESE: Final[Mapping[str, str]] = {
    "juminhyo": "住民票の写し",
    "inkan": "印鑑登録証明書",
    "kazei": "所得・課税証明書",
    "card": "カード",
    "coins": "硬貨装置",
    "line": "市との回線",
    "receipts": "領収書プリンター",
    "sheets": "証明書プリンター",
    "speaker": "スピーカー",
    "terminal": "決済端末",
}
MOST_SHOWN: Final = 200  # mismatches
NONE: Final = ("なし", "none")


class ReportError(Exception):
    """One line: the file, and what is wrong with it."""


def verdict(state: State) -> str:
    """Of `VERDICT`."""
    if state.faults:
        return "wrong"
    if not state.whole:
        return "part"
    ended = {result.ended for result in state.results}
    return "sound" if ended & {SERVED, AT_THE_MONEY} else "nothing"


def figures(state: State, ended: str) -> dict[str, str | int]:
    """By the first words of `FIGURES`."""
    results = state.results
    ends = Counter(result.ended for result in results)
    return {
        "began": state.began,
        "ended": ended,
        "build": state.order.build,
        "kiosks": state.order.kiosks,
        "journeys": len(results),
        "served": ends[SERVED],
        "at_the_money": ends[AT_THE_MONEY],
        "turned_away": len(results) - ends[SERVED] - ends[AT_THE_MONEY],
        "sheets": sum(result.sheets for result in results),
        "torn": sum(result.torn for result in results),
        "compared": state.compared,
        "disturbances": sum(state.disturbances.values()),
        "mismatches": len(state.faults),
        "seed": state.order.seed,
    }


def text(state: State, ended: str) -> str:
    """Both languages, one after the other."""
    return "\n".join(line for at in (0, 1) for line in _lines(state, ended, at)) + "\n"


def _lines(state: State, ended: str, at: int) -> Iterator[str]:
    """`at`: 0 for Japanese, 1 for English."""
    yield from (f"# {TITLE[at]}", "", VERDICT[verdict(state)][at], "")
    yield from (WAY[state.order.dry][at], "", DEVICES[at], "", METHOD[at], "")
    values = figures(state, ended)
    for name, *words in FIGURES:
        yield f"- {words[at]}: {values[name]}"
    tables = {
        "kinds": Counter(result.asked for result in state.results),
        "notices": Counter(r.ended for r in state.results if r.ended not in (SERVED, AT_THE_MONEY)),
        "disturbances": Counter(state.disturbances),
        "mismatches": Counter(state.faults),
    }
    for name, *words in TABLES:
        yield from ("", f"## {words[at]}", "")
        rows = sorted(tables[name].items())[:MOST_SHOWN]
        for what, count in rows:
            yield f"- {what if at else _in_japanese(what)}: {count}"
        if not rows:
            yield f"- {NONE[at]}"
    yield ""


def _in_japanese(row: str) -> str:
    return re.sub(r"^[a-z]+", lambda word: JAPANESE.get(word[0], word[0]), row)


# -- signature


def key_of(path: Path) -> Ed25519PrivateKey:
    """The one in this file (PEM); a new one, readable by its owner only, when there is none. Raises
    ReportError.
    """
    try:
        if path.exists():
            key = load_pem_private_key(path.read_bytes(), None)
            if not isinstance(key, Ed25519PrivateKey):
                raise ReportError(f"{path}: not an Ed25519 key")
            return key
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise ReportError(f"{path}: not a key in PEM without a password") from None
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def sign(body: str, key: Ed25519PrivateKey) -> bytes:
    """The whole report."""
    public = key.public_key().public_bytes_raw()
    signature = key.sign(CONTEXT + body.encode())
    words = [base64.b64encode(part).decode() for part in (public, signature)]
    return "\n".join((body + BEGIN, *words, END, "")).encode()


def verify(path: Path, trusted: Path | None = None) -> Ed25519PublicKey:
    """The key that signed it. `trusted`: the file of the key that must have (PEM); without it a
    holding signature proves only that nothing was changed since somebody signed. Raises
    ReportError.
    """
    try:
        body, mark, rest = path.read_bytes().partition(f"{BEGIN}\n".encode())
        words = rest.decode("ascii").splitlines()
        pinned = None if trusted is None else load_pem_public_key(trusted.read_bytes())
    except OSError as error:
        raise ReportError(f"{error.filename}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ReportError(f"{path}: what stands below the signature is not part of it") from None
    except ValueError:
        raise ReportError(f"{trusted}: not a public key in PEM") from None
    if not mark or len(words) != 3 or words[2] != END or not rest.endswith(b"\n"):
        raise ReportError(f"{path}: not a signed report of an inspection")
    try:
        public, signature = (base64.b64decode(word, validate=True) for word in words[:2])
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(signature, CONTEXT + body)
    except (ValueError, InvalidSignature):
        raise ReportError(f"{path}: the signature does not hold") from None
    if pinned is not None and (
        not isinstance(pinned, Ed25519PublicKey) or pinned.public_bytes_raw() != public
    ):
        raise ReportError(f"{path}: signed by another key than {trusted}")
    return key
