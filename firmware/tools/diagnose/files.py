"""The files on the kiosk's disk: fonts, recordings, trusted keys, the journal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from PIL import ImageFont

from firmware.link.signing import SignatureError, load_public
from firmware.service.card_desk import load_trust
from firmware.service.cases import journal_path
from firmware.service.config import Config
from firmware.service.entry import JournalBroken, JournalMissing
from firmware.service.journal import Journal
from firmware.service.journal_file import readable_by_others
from firmware.service.room import storage_trouble
from firmware.sheets import guard
from firmware.sheets.glyphs import FontUnusable, load_glyphs
from firmware.texts import fonts
from firmware.texts.phrase import Phrase
from firmware.texts.recordings import Damaged, load, ready
from firmware.texts.texts import MissingText, Texts
from firmware.texts.voice import phrases
from firmware.tools.diagnose.finding import FILE, Remedy, Wrong

RENEW: Final = timedelta(days=30)  # a certificate that ends sooner is a task for this visit
T = TypeVar("T")


def _package(name: str) -> Remedy:
    return Remedy(
        f"フォントを入れてください: apt install {name}", f"install the font: apt install {name}"
    )


VOICE: Final = Remedy(
    "音声を作成し直してください: kiosk voice --config FILE",
    "record again: kiosk voice --config FILE",
)
LANGUAGE: Final = Remedy(
    "設定の languages を直してください。", "correct `languages` in the configuration"
)
TRUSTED: Final = Remedy(
    "市から受け取った鍵を入れ直してください。", "install the file that the city handed over"
)
CREATE: Final = Remedy(
    "設置時に一度だけ作成してください: kiosk journal create --config FILE",
    "make it, once, when the kiosk is installed: kiosk journal create --config FILE",
)
STATE: Final = Remedy(
    "状態フォルダーの所有者と権限（0600）を確認してください。",
    "check the owner of the state folder, and mode 0600",
)
DISK: Final = Remedy(
    "ディスクの空きを増やしてください。", "make room on the disk; see why it was mounted read-only"
)
BROKEN: Final = Remedy(
    "この機器を使用停止にし、記録を保全して運用者へ連絡してください。",
    "leave the kiosk out of service, keep the file, call the operator",
)
CASES: Final = Remedy(
    "内容を確認し `kiosk cases close` で閉じてください。",
    "look into each, then `kiosk cases close`",
)


def reading(path: Path, read: Callable[[], T]) -> T:
    """What `read` gives. Raises Wrong when the file is not there or may not be read."""
    try:
        return read()
    except OSError as error:
        raise Wrong(f"{error.filename or path}: {error.strerror or error}", FILE) from None


def mincho(config: Config) -> str:
    path = config.fonts.mincho
    try:
        known = load_glyphs(path)
    except FontUnusable:
        raise Wrong(f"{path}: cannot be used", _package("fonts-ipamj-mincho")) from None
    return f"{path}, {len(known.spelling)} spellings"


def gothic(config: Config) -> str:
    """Receipts have theirs from the configuration, the copy guard has its own."""
    paths = (config.fonts.gothic, Path(guard.GOTHIC))
    for path in paths:
        try:
            ImageFont.truetype(path, 24)
        except OSError:
            raise Wrong(f"{path}: cannot be used", _package("fonts-noto-cjk")) from None
    return ", ".join(path.name for path in paths)


def screen_fonts(config: Config) -> str:
    """Those of the languages that the panel offers."""
    for font in fonts.missing(config.kiosk.languages):
        raise Wrong(f"{font.path}: missing", _package(font.package))
    return ", ".join(config.kiosk.languages)


def recordings(config: Config) -> str:
    for language in config.kiosk.languages:
        _phrases(language)  # what is not spoken is shown
    wanted = [
        (language, text)
        for language in ready(config.kiosk.languages, config.voice.languages)
        for text in sorted(_phrases(language))
    ]
    folder = config.voice.recordings
    missing = [language for language, text in wanted if not _playable(folder, text)]
    if missing:
        counted = ", ".join(
            f"{language} {missing.count(language)}" for language in dict.fromkeys(missing)
        )
        raise Wrong(f"{folder}: missing or damaged: {counted} of {len(wanted)}", VOICE)
    return f"{len(wanted)} phrases in {', '.join(dict.fromkeys(each for each, _ in wanted))}"


def _phrases(language: str) -> frozenset[Phrase]:
    try:
        return phrases(Texts.load(language))
    except MissingText as error:
        raise Wrong(str(error), LANGUAGE) from None


def _playable(folder: Path, phrase: Phrase) -> bool:
    try:
        return load(folder, phrase) is not None
    except Damaged:
        return False


def card_ca(config: Config) -> str:
    paths = config.trust.card_ca
    try:
        found = reading(paths[0] if paths else Path(), lambda: load_trust(paths))
    except ValueError:
        raise Wrong(f"{_names(paths)}: not a certificate", TRUSTED) from None
    now = datetime.now(UTC)
    valid = [
        ca
        for ca in found
        if _is_ca(ca) and ca.not_valid_before_utc <= now <= ca.not_valid_after_utc
    ]
    if not valid or len(valid) < len(found):
        raise Wrong(f"{len(valid)} of {len(found)} are valid authorities today", TRUSTED)
    tests = "; TEST CARDS ARE ALLOWED" if config.trust.allow_test_cards else ""
    policies = config.trust.phone_policies
    phones = f"; phones by {len(policies)} policies" if policies else "; no phones"
    return f"{len(valid)} authorities{phones}{tests}"


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound):
        return False


def issuing_keys(config: Config) -> str:
    return f"{len(pinned(config.trust.issuing_keys))} keys"


def terms_keys(config: Config) -> str:
    """Whether the city's terms are signed by one of them, and new enough, is seen on the line
    (`city`).
    """
    keys, edition = pinned(config.trust.terms_keys), config.trust.terms_edition
    return f"{len(keys)} keys, terms of edition {edition} or later"


def pinned(paths: tuple[Path, ...]) -> tuple[Ed25519PublicKey, ...]:
    """The city's public keys. Raises Wrong."""
    try:
        found = reading(paths[0] if paths else Path(), lambda: load_public(paths))
    except SignatureError as error:
        raise Wrong(str(error), TRUSTED) from None
    if not found:
        raise Wrong("none is configured", TRUSTED)
    return found


def _names(paths: tuple[Path, ...]) -> str:
    return ", ".join(str(path) for path in paths)


def journal(config: Config) -> str:
    """Looking makes no file: it would be the technician's, and the kiosk could not write it."""
    path = journal_path(config.kiosk.state)
    try:
        book = Journal(path)
    except JournalMissing:
        raise Wrong("none yet: the kiosk has never run here", CREATE) from None
    except JournalBroken as error:
        raise Wrong(str(error), BROKEN) from None
    try:
        entries, open_cases = book.verify(), book.cases()
        waiting, unfinished = len(book.undelivered()), len(book.unfinished())
    except Exception as error:  # a damaged file fails in any of these, and in ways of its own
        raise Wrong(f"{path}: {error}", BROKEN) from None
    finally:
        book.close()
    if open_files := readable_by_others(path):
        raise Wrong(f"others may read {', '.join(open_files)}", STATE)
    if found := storage_trouble(config.kiosk.state):
        raise Wrong(f"the disk of {config.kiosk.state}: {found}", DISK)
    detail = f"{entries} entries, {waiting} outcomes to deliver, {unfinished} unfinished sessions"
    if open_cases:
        listed = ", ".join(
            f"{case.code} {case.id}{' (out of service)' * case.pauses}" for case in open_cases
        )
        raise Wrong(f"{detail}; open cases: {listed}", CASES)
    return detail
