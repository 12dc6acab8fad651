"""What belongs to this person: the PIN while it is typed, the one-time key, the document.

It lives in the memory of one process, is never written anywhere, and shows nothing of itself in a
repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware.link.messages import SessionAnswer
from firmware.link.sealing import KeyPair
from firmware.sheets.prepare import SheetImage

PIN_LENGTH = 4


class PinBuffer:
    """Up to four ASCII digits in memory of our own, overwritten when done with.

    Here they are never a str. On their way from the panel each is one, alone: JSON knows nothing
    else.
    """

    def __init__(self) -> None:
        self._digits = bytearray(PIN_LENGTH)
        self._count = 0

    def __repr__(self) -> str:
        return "PinBuffer()"

    def __len__(self) -> int:
        return self._count

    def add(self, digit: int) -> None:
        """0..9; more than four are not taken."""
        if self._count < PIN_LENGTH:
            self._digits[self._count] = 0x30 + digit
            self._count += 1

    def take(self) -> bytearray:
        """The digits, for the one VERIFY; the caller wipes them. The buffer is empty after."""
        taken = bytearray(self._digits[: self._count])
        self.wipe()
        return taken

    def wipe(self) -> None:
        for i in range(PIN_LENGTH):
            self._digits[i] = 0
        self._count = 0


@dataclass
class Vault:
    """`session` and `order` are random ids; amounts and hashes are not secret, names and
    dots are.
    """

    session: str
    pin: PinBuffer = field(default_factory=PinBuffer)
    challenge: bytes = field(default=b"", repr=False)  # the city's, as the card signed it
    key: KeyPair | None = field(default=None, repr=False)
    certificate: bytes = field(default=b"", repr=False)
    signature: bytes = field(default=b"", repr=False)
    answer: SessionAnswer | None = field(default=None, repr=False)
    order: str = ""
    document: str = ""  # SHA-256
    sheets: tuple[SheetImage, ...] = field(default=(), repr=False)  # of one copy
    opened: bool = False  # the city has a session of ours

    def destroy(self) -> None:
        """Let go of everything but the session's number."""
        self.pin.wipe()
        self.key, self.answer = None, None
        self.certificate = self.signature = self.challenge = b""
        self.sheets, self.document, self.order, self.opened = (), "", "", False
