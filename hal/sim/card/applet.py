"""A My Number card's JPKI applet, from command APDU to response APDU, without I/O.

At least as strict as a card: a command that is not exactly right gets the status word a card gives, PINs lock,
and a verified PIN lives until the power is cut (a warm reset and a new SELECT leave it standing).
Status words: ISO/IEC 7816-4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

AID: Final = bytes.fromhex("D392F000260100000001")
ATR: Final = bytes.fromhex("3BE000FF8131FE4514")  # T=1; nobody may recognise a card by it
DIGEST_INFO_SHA256: Final = bytes.fromhex("3031300D060960864801650304020105000420")

SIGN_CERTIFICATE, SIGN_CA, TOKEN, DIRECTORY = 0x0001, 0x0002, 0x0006, 0x0008
USER_CERTIFICATE, USER_CA, USER_KEY, USER_PIN = 0x000A, 0x000B, 0x0017, 0x0018
SIGN_KEY, SIGN_PIN = 0x001A, 0x001B
PIN_OF_KEY = {USER_KEY: USER_PIN, SIGN_KEY: SIGN_PIN}
PIN_TRIES = {USER_PIN: 3, SIGN_PIN: 5}
PIN_SIZES = {USER_PIN: range(4, 5), SIGN_PIN: range(6, 17)}
FILE_SIZES = {SIGN_CERTIFICATE: 2560, SIGN_CA: 2048, USER_CERTIFICATE: 2048, USER_CA: 2048}

OK = 0x9000
TRIES, END_OF_FILE, WRONG_LENGTH, WRONG_LE = 0x63C0, 0x6282, 0x6700, 0x6C00
NOT_TRANSPARENT, NOT_PERMITTED, LOCKED, NO_FILE_SELECTED = 0x6981, 0x6982, 0x6984, 0x6986
WRONG_DATA, NOT_FOUND, WRONG_P1P2, WRONG_OFFSET = 0x6A80, 0x6A82, 0x6A86, 0x6B00
WRONG_INS, WRONG_CLA = 0x6D00, 0x6E00


class _Refused(Exception):
    """A status word on its way out."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:04X}")
        self.status = status


@dataclass(frozen=True)
class Options:
    """How this card differs from the usual plastic one."""

    short_ef: bool = True  # takes short EF identifiers in READ, VERIFY and SIGN
    read_limit: int = 256  # bytes that one READ returns at most
    phone: bool = False  # the certificate can be read after the PIN only
    label: str = "JPKIAPICCTOKEN2"


@dataclass(frozen=True)
class Command:
    """A short command APDU. `le` is None when no answer data is asked for, 256 for the byte 00."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes
    le: int | None


@dataclass
class Pin:
    """A secret and its tries. `value` None matches nothing."""

    value: bytes | None = field(repr=False)
    tries: int
    most: int
    verified: bool = False


class Applet:
    """One card: its files, PINs and key, and what the reader did to it since power-up.

    `certificate` None makes a card without a user certificate. `on_tries` is told each change of the counter.
    """

    def __init__(
        self,
        certificate: bytes | None,
        ca: bytes,
        key: rsa.RSAPrivateKey,
        pin: str,
        tries: int = 3,
        options: Options | None = None,
        on_tries: Callable[[int], None] | None = None,
    ) -> None:
        self.options = options or Options()
        self._key = key
        self._on_tries = on_tries
        self._pins = {
            USER_PIN: Pin(pin.encode("ascii"), tries, PIN_TRIES[USER_PIN]),
            SIGN_PIN: Pin(None, PIN_TRIES[SIGN_PIN], PIN_TRIES[SIGN_PIN]),
        }
        self._files = _files(certificate, ca, self.options.label)
        self._selected = False
        self._file: int | None = None

    @property
    def tries(self) -> int:
        """Tries left of the user PIN."""
        return self._pins[USER_PIN].tries

    @property
    def verified(self) -> bool:
        return self._pins[USER_PIN].verified

    def power_off(self) -> None:
        """The only thing that takes a verified PIN back."""
        self.reset()
        for pin in self._pins.values():
            pin.verified = False

    def reset(self) -> None:
        self._selected = False
        self._file = None

    def handle(self, apdu: bytes) -> bytes:
        """Answer one command: data, then SW1 SW2. Never raises."""
        try:
            data, status = self._run(_parse(apdu))
        except _Refused as refused:
            data, status = b"", refused.status
        return data + status.to_bytes(2, "big")

    def _run(self, command: Command) -> tuple[bytes, int]:
        if command.ins not in COMMANDS:
            raise _Refused(WRONG_INS)
        cla, run = COMMANDS[command.ins]
        if command.cla != cla:
            raise _Refused(WRONG_CLA)
        return run(self, command)

    def _select(self, command: Command) -> tuple[bytes, int]:
        if command.p2 != 0x0C or command.p1 not in (0x02, 0x04):
            raise _Refused(WRONG_P1P2)
        if command.le is not None:
            raise _Refused(WRONG_LENGTH)
        if command.p1 == 0x04:
            return self._select_applet(command.data)
        if len(command.data) != 2:
            raise _Refused(WRONG_LENGTH)
        file = int.from_bytes(command.data, "big")
        self._file = self._known(file)
        return b"", OK

    def _select_applet(self, name: bytes) -> tuple[bytes, int]:
        if not 5 <= len(name) <= 16:
            raise _Refused(WRONG_LENGTH)
        if name != AID:
            raise _Refused(NOT_FOUND)
        self.reset()
        self._selected = True
        return b"", OK

    def _read(self, command: Command) -> tuple[bytes, int]:
        if command.data or command.le is None:
            raise _Refused(WRONG_LENGTH)
        offset = command.p1 << 8 | command.p2
        if command.p1 & 0x80:
            self._file = self._short(command.p1)
            offset = command.p2
        content = self._files.get(self._current())
        if content is None:
            raise _Refused(NOT_TRANSPARENT)
        if not self._readable(self._current()):
            raise _Refused(NOT_PERMITTED)
        if offset >= len(content):
            raise _Refused(WRONG_OFFSET)
        data = content[offset : offset + min(command.le, self.options.read_limit)]
        at_end = command.le != 256 and offset + command.le > len(content)
        return data, END_OF_FILE if at_end else OK

    def _verify(self, command: Command) -> tuple[bytes, int]:
        if command.le is not None:
            raise _Refused(WRONG_LENGTH)
        file = self._referenced(command)
        pin = self._pins.get(file)
        if pin is None:
            raise _Refused(NO_FILE_SELECTED)
        if not command.data:
            return b"", TRIES | pin.tries
        if len(command.data) not in PIN_SIZES[file]:
            raise _Refused(WRONG_LENGTH)
        if pin.tries == 0:
            raise _Refused(LOCKED)
        pin.verified = command.data == pin.value
        pin.tries = pin.most if pin.verified else pin.tries - 1
        if file == USER_PIN and self._on_tries:
            self._on_tries(pin.tries)
        return b"", OK if pin.verified else TRIES | pin.tries

    def _sign(self, command: Command) -> tuple[bytes, int]:
        file = self._referenced(command)
        if file not in PIN_OF_KEY:
            raise _Refused(NO_FILE_SELECTED)
        if command.le is None or len(command.data) != len(DIGEST_INFO_SHA256) + 32:
            raise _Refused(WRONG_LENGTH)
        if not command.data.startswith(DIGEST_INFO_SHA256):
            raise _Refused(WRONG_DATA)
        if not self._pins[PIN_OF_KEY[file]].verified:
            raise _Refused(NOT_PERMITTED)
        size = self._key.key_size // 8
        if command.le < size:
            raise _Refused(WRONG_LE | size & 0xFF)
        return self._key.sign(command.data[-32:], padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())), OK

    def _known(self, file: int) -> int:
        if not self._selected or (file not in self._files and file not in PIN_OF_KEY and file not in self._pins):
            raise _Refused(NOT_FOUND)
        return file

    def _short(self, parameter: int) -> int:
        """The file that the lower five bits of a parameter name."""
        if not self.options.short_ef or parameter & 0x60:
            raise _Refused(WRONG_P1P2)
        return self._known(parameter & 0x1F)

    def _current(self) -> int:
        if self._file is None:
            raise _Refused(NO_FILE_SELECTED)
        return self._file

    def _referenced(self, command: Command) -> int:
        if command.p1 != 0x00 or not command.p2 & 0x80:
            raise _Refused(WRONG_P1P2)
        return self._current() if command.p2 == 0x80 else self._short(command.p2)

    def _readable(self, file: int) -> bool:
        if file == SIGN_CERTIFICATE:
            return self._pins[SIGN_PIN].verified
        return not (file == USER_CERTIFICATE and self.options.phone) or self.verified


COMMANDS: Mapping[int, tuple[int, Callable[[Applet, Command], tuple[bytes, int]]]] = {
    0xA4: (0x00, Applet._select),
    0xB0: (0x00, Applet._read),
    0x20: (0x00, Applet._verify),
    0x2A: (0x80, Applet._sign),
}


def _parse(apdu: bytes) -> Command:
    """Cases 1 to 4 of ISO/IEC 7816-3 with short lengths; this card knows no extended ones."""
    if len(apdu) < 4:
        raise _Refused(WRONG_LENGTH)
    (cla, ins, p1, p2), body = apdu[:4], apdu[4:]
    data, rest = b"", body
    if len(body) > 1:
        data, rest = body[1 : 1 + body[0]], body[1 + body[0] :]
        if body[0] == 0 or len(data) < body[0] or len(rest) > 1:
            raise _Refused(WRONG_LENGTH)
    return Command(cla, ins, p1, p2, data, (rest[0] or 256) if rest else None)


def _files(certificate: bytes | None, ca: bytes, label: str) -> dict[int, bytes]:
    """The readable files: certificates padded with FF to the file's size, token information with blanks.

    The signature certificate is a stand-in: it is there for programs that list a card, and can never be read.
    """
    files = {
        SIGN_CERTIFICATE: ca,
        SIGN_CA: ca,
        USER_CA: ca,
        TOKEN: label.encode("ascii").ljust(32),
        DIRECTORY: b"\x01\x01" if certificate else b"\x00\x01",
    }
    if certificate:
        files[USER_CERTIFICATE] = certificate
    return {file: content.ljust(FILE_SIZES.get(file, 0), b"\xff") for file, content in files.items()}
