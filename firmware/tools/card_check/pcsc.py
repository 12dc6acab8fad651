"""What a technician asks of PC/SC itself: whether it is there, which readers it has, and whether
the card has power.

Each question has a context of its own. None waits longer than the deadline, whatever the daemon
does.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from firmware.tools.diagnose.finding import REPORT, Remedy, Wrong

DEADLINE_S: Final = 5.0
SUCCESS, NO_SERVICE, NO_READERS, DENIED = 0, 0x8010001D, 0x8010002E, 0x8010006A
SHARE_DIRECT, LEAVE = 3, 0
PRESENT, POWERED = 0x04, 0x10  # of SCardStatus, pcsclite.h

PYSCARD: Final = Remedy(
    "pyscard を入れてください: ./scripts/setup card",
    "install it: ./scripts/setup card (or pip install madoguchi[pcsc])",
)
DAEMON: Final = Remedy(
    "pcscd を起動してください: systemctl start pcscd.socket (未導入なら apt install pcscd)",
    "start it: systemctl start pcscd.socket, or pcscd; install it: apt install pcscd",
)
RIGHTS: Final = Remedy(
    "pcscd を使う権限がありません。管理者で実行するか polkit の設定を確認してください。",
    "run as root, or allow this user in pcscd's polkit rules",
)
HUNG: Final = Remedy(
    "pcscd を再起動してください: systemctl restart pcscd", "systemctl restart pcscd"
)
SAID: Final[dict[int, tuple[str, Remedy]]] = {
    NO_SERVICE: ("pcscd is not running", DAEMON),
    DENIED: ("access denied", RIGHTS),
}
T = TypeVar("T")


def readers() -> list[str]:
    """The names of all readers. Raises Wrong."""
    with _context() as (scard, context):
        code, names = _within(lambda: scard.SCardListReaders(context, []))
        return [] if _unsigned(code) == NO_READERS else list(_good(code, names))


def answers() -> None:
    """Raises Wrong unless PC/SC is installed and its daemon answers."""
    with _context():
        pass


def power(reader: str) -> str:
    """on, off, or unknown: the card is gone, or somebody else has it. Raises Wrong."""
    with _context() as (scard, context):
        code, handle, _ = _within(lambda: scard.SCardConnect(context, reader, SHARE_DIRECT, 0))
        if _unsigned(code) != SUCCESS:
            return "unknown"
        try:
            code, _, state, *_ = _within(lambda: scard.SCardStatus(handle))
        finally:
            _within(lambda: scard.SCardDisconnect(handle, LEAVE))
        if _unsigned(code) != SUCCESS or not state & PRESENT:
            return "unknown"
        return "on" if state & POWERED else "off"


@contextlib.contextmanager
def _context() -> Iterator[tuple[Any, Any]]:
    try:
        from smartcard import scard
    except ImportError:
        raise Wrong("pyscard is not installed", PYSCARD) from None
    context = _good(*_within(lambda: scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)))
    try:
        yield scard, context
    finally:
        with contextlib.suppress(Wrong):
            _within(lambda: scard.SCardReleaseContext(context))


def _within(work: Callable[[], T]) -> T:
    """Nothing interrupts a call into PC/SC: leave it behind instead."""
    results: list[T] = []
    failures: list[str] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # two unrelated families of exceptions
            failures.append(type(error).__name__)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    if failures:
        raise Wrong(f"PC/SC: {failures[0]}", REPORT)
    if not results:
        raise Wrong(f"pcscd does not answer within {DEADLINE_S:.0f} s", HUNG)
    return results[0]


def _good(code: int, value: T) -> T:
    if _unsigned(code) == SUCCESS:
        return value
    detail, remedy = SAID.get(_unsigned(code), (f"PC/SC answers {_unsigned(code):08X}", HUNG))
    raise Wrong(detail, remedy)


def _unsigned(code: int) -> int:
    return code & 0xFFFFFFFF
