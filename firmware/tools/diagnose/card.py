"""The card reader, and what stands between it and the kiosk: a port, or pcscd and its socket."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from firmware.service import config as kiosk_config
from firmware.service import devices
from firmware.tools.diagnose.errors import said
from firmware.tools.diagnose.finding import Wrong, wrong
from hal.card.contract import CardPresence, CardStatus
from hal.faults import DeviceFault, Reason

CARD_S: Final = 5.0  # a reader that says nothing in this time is not there
SOCKET: Final = Path("/run/pcscd/pcscd.comm")
SOCKET_NAME: Final = "PCSCLITE_CSOCK_NAME"  # libpcsclite asks the environment for it
SEEN: Final = {
    CardPresence.ABSENT: "ready, no card on it",
    CardPresence.PRESENT: "ready, a card lies on it",
}
TROUBLE: Final = {
    CardPresence.MUTE: Reason.MUTE,
    CardPresence.IN_USE: Reason.IN_USE,
    CardPresence.UNKNOWN: Reason.NOT_CONNECTED,
}
REASONS: Final[Mapping[Reason, str]] = {
    Reason.NOT_CONNECTED: "card.not-connected",
    Reason.SERVICE_DOWN: "card.pcscd-stopped",
    Reason.DENIED: "card.denied",
    Reason.IN_USE: "card.in-use",
    Reason.MUTE: "card.mute",
    Reason.SILENT: "card.silent",
}
PCSC_REASONS: Final[Mapping[Reason, str]] = {
    **REASONS,
    Reason.NOT_CONNECTED: "card.no-reader",
    Reason.SILENT: "card.pcscd-hung",
}


def card(config: kiosk_config.Config) -> str:
    section = config.card
    pcsc = isinstance(section, kiosk_config.PcscCard)
    if pcsc:
        _look_at_socket()
    with _listener(section) as listener:
        last, fault = _watched(section, listener)
    if fault is None and last.presence in SEEN:
        return SEEN[last.presence]
    reason = fault.reason if fault else TROUBLE[last.presence]
    detail = fault.detail if fault else last.presence.value
    raise _named(reason, detail, pcsc)


def _named(reason: Reason, detail: str, pcsc: bool) -> Wrong:
    told = f"{reason.value} ({detail})"
    if not pcsc:
        return wrong(REASONS.get(reason, "card.trouble"), told)
    if reason is Reason.CONFIGURATION:
        code = "card.no-pyscard" if "pyscard" in detail else "card.trouble"
        return wrong("card.ambiguous" if "ambiguous" in detail else code, told)
    code = PCSC_REASONS.get(reason, "card.trouble")
    if reason in (Reason.SERVICE_DOWN, Reason.SILENT):
        return wrong(_hung_or_other(code), told)
    known = f"; PC/SC knows: {_readers()}" if reason is Reason.NOT_CONNECTED else ""
    return wrong(code, f"{told}{known}")


def _hung_or_other(code: str) -> str:
    """Somebody listens at pcscd's socket: then it is not stopped."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(1)
        asked.connect(str(_socket()))
        return "card.pcscd-garbled" if code == "card.pcscd-stopped" else code
    return "card.pcscd-stopped"


def _watched(
    section: kiosk_config.CardSection, listener: socket.socket | None
) -> tuple[CardStatus, DeviceFault | None]:
    """What the reader tells within its time, and why it cannot be asked."""
    last, news = CardStatus(CardPresence.UNKNOWN), threading.Event()

    def take_status(status: CardStatus) -> None:
        nonlocal last
        last = status
        if status.presence is not CardPresence.UNKNOWN:
            news.set()

    try:
        reader = devices.card_reader(section, listener)
    except DeviceFault as fault:
        return last, fault
    try:
        if isinstance(section, kiosk_config.PcscCard):
            reader.check()  # at once: the watcher would wait for a daemon that may yet come
        reader.start(take_status)
        news.wait(CARD_S)
        reader.check()  # says why
    except DeviceFault as fault:
        return last, fault
    finally:
        reader.close()
    return last, None


@contextlib.contextmanager
def _listener(section: kiosk_config.CardSection) -> Iterator[socket.socket | None]:
    """The socket reader's own port, as the supervisor would open it."""
    if not isinstance(section, kiosk_config.VpcdCard):
        yield None
        return
    host, _, port = section.listen.rpartition(":")
    try:
        listener = socket.create_server((host, int(port)))
    except OverflowError as error:
        raise wrong("card.port-used", f"{section.listen}: {error}") from None
    except OSError as error:
        raise wrong("card.port-used", f"{section.listen}: {said(error)}") from None
    with listener:
        listener.setblocking(False)
        yield listener


def _socket() -> Path:
    return Path(os.environ.get(SOCKET_NAME, SOCKET))


def _look_at_socket() -> None:
    """Where pcscd is asked. Raises Wrong when nobody can be there, or we may not ask."""
    path = _socket()
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise wrong("card.pcscd-stopped", f"{path} is no socket")
    except FileNotFoundError as error:
        raise wrong("card.pcscd-stopped", f"{path}: {said(error)}") from None
    except OSError as error:
        raise wrong("card.denied", f"{path}: {said(error)}") from None
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(2)
            asked.connect(str(path))
    except PermissionError as error:
        raise wrong("card.denied", f"{path}: {said(error)}") from None
    except TimeoutError:
        raise wrong("card.pcscd-hung", f"{path}: takes no more connections") from None
    except OSError as error:
        code = "card.pcscd-hung" if isinstance(error, BlockingIOError) else "card.pcscd-stopped"
        raise wrong(code, f"{path}: {said(error)}") from None


def _readers() -> str:
    """The readers that PC/SC does have: most often the name is what is wrong."""
    try:
        from smartcard.System import readers

        return ", ".join(map(str, readers())) or "no reader"
    except Exception as error:  # two unrelated families of exceptions
        return f"nothing ({type(error).__name__})"
