"""A My Number card's JPKI applet, from command APDU to response APDU, without I/O.

At least as strict as a card: a command that is not exactly right gets the status word a card gives,
PINs lock, and a verified PIN lives until the power is cut (a warm reset and a new SELECT leave it
standing). Status words: ISO/IEC 7816-4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from hal.sim.card.apdu import SW, ApduRefused, CommandApdu, parse
from hal.sim.card.options import Options as Options

AID: Final = bytes.fromhex("D392F000260100000001")
ATR: Final = bytes.fromhex("3BE000FF8131FE4514")  # T=1; nobody may recognise a card by it
FCI: Final = bytes.fromhex("6F0C840AD392F000260100000001")  # what SELECT tells when asked
DIGEST_INFO_SHA256: Final = bytes.fromhex("3031300D060960864801650304020105000420")

SIGN_CERTIFICATE, SIGN_CA, TOKEN, DIRECTORY = 0x0001, 0x0002, 0x0006, 0x0008
USER_CERTIFICATE, USER_CA, USER_KEY, USER_PIN = 0x000A, 0x000B, 0x0017, 0x0018
SIGN_KEY, SIGN_PIN = 0x001A, 0x001B
PIN_OF_KEY = {USER_KEY: USER_PIN, SIGN_KEY: SIGN_PIN}
PIN_TRIES = {USER_PIN: 3, SIGN_PIN: 5}
PIN_SIZES = {USER_PIN: range(4, 5), SIGN_PIN: range(6, 17)}
LABELS = {  # by Options.kind
    "card": "JPKIAPICCTOKEN2",
    "android": "JPKIAPGPSETOKEN",
    "iphone": "JPKIAPIOSTOKEN",
}
TOKEN_SIZE = 160  # of the token information; what is behind the label is left blank
FILE_SIZES = {SIGN_CERTIFICATE: 2560, SIGN_CA: 2048, USER_CERTIFICATE: 2048, USER_CA: 2048}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass
class Pin:
    """A secret and its tries. `value` None matches nothing."""

    value: bytes | None = field(repr=False)
    tries: int
    most: int
    verified: bool = False


class Applet:
    """One card: its files, PINs and key, and what the reader did to it since power-up.

    `certificate` None makes a card without a user certificate. `on_tries` is told each change of
    the counter.
    """

    def __init__(
        self,
        certificate: bytes | None,
        ca: bytes,
        key: PrivateKey,
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
        self._files = _files(certificate, ca, self.options)
        self._selected = False
        self._file: int | None = None
        self._fresh = True  # no command since power-up
        self._rest, self._rest_status = b"", int(SW.OK)  # what GET RESPONSE is to fetch

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
        self._fresh = True
        for pin in self._pins.values():
            pin.verified = False

    def revive(self, options: Options, tries: int) -> None:
        """As it was made, with other ways."""
        self.options = options
        self.power_off()
        self._pins[USER_PIN].tries = tries

    def reset(self) -> None:
        self._selected = False
        self._file = None
        self._rest = b""

    def handle(self, apdu: bytes) -> bytes:
        """Answer one command: data, then SW1 SW2. Never raises."""
        fresh, self._fresh = self._fresh, False
        if fresh and self.options.first_6f00:
            return SW.NO_DIAGNOSIS.to_bytes(2, "big")
        try:
            data, status = self._run(parse(apdu, self.options.extended))
        except ApduRefused as refused:
            data, status = b"", refused.status
        return data + status.to_bytes(2, "big")

    def _run(self, command: CommandApdu) -> tuple[bytes, int]:
        if not self.options.applet:
            raise ApduRefused(self.options.select_status)
        if command.ins not in COMMANDS:
            raise ApduRefused(SW.WRONG_INS)
        cla, run = COMMANDS[command.ins]
        if command.cla != cla:
            raise ApduRefused(SW.WRONG_CLA)
        if command.ins == GET_RESPONSE:
            return self._get_response(command)
        self._rest = b""
        return self._hand_over(command, *run(self, command))

    def _hand_over(self, command: CommandApdu, data: bytes, status: int) -> tuple[bytes, int]:
        """An answer's data as this card gives it: whole, in pieces, or not with this Le."""
        options = self.options
        if options.exact_le and command.le is not None and len(data) < command.le:
            raise ApduRefused(SW.WRONG_LE | len(data) & 0xFF)
        first = 0 if options.t0 and command.data else options.chunk or len(data)
        self._rest, self._rest_status = data[first:], status
        return data[:first], self._more()

    def _get_response(self, command: CommandApdu) -> tuple[bytes, int]:
        if command.p1 or command.p2:
            raise ApduRefused(SW.WRONG_P1P2)
        if not self._rest:
            raise ApduRefused(SW.NOT_NOW)
        if command.data or command.le is None:
            raise ApduRefused(SW.WRONG_LENGTH)
        most = min(len(self._rest), 256)
        if command.le > most or (self.options.exact_rest and command.le != most):
            raise ApduRefused(SW.WRONG_LE | most & 0xFF)
        size = min(command.le, self.options.chunk or command.le)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data, self._more()

    def _more(self) -> int:
        if self._rest and self.options.vague_rest:
            return SW.MORE_DATA
        return SW.MORE_DATA | min(len(self._rest), 256) & 0xFF if self._rest else self._rest_status

    def _select(self, command: CommandApdu) -> tuple[bytes, int]:
        bare = self.options.p2_0c
        if command.p2 != (0x0C if bare else 0x00) or command.p1 not in (0x02, 0x04):
            raise ApduRefused(SW.WRONG_P1P2)
        with_le = command.le is not None
        if (bare and with_le) or (self.options.fci_le and not bare and not with_le):
            raise ApduRefused(SW.WRONG_LENGTH)
        if command.p1 == 0x04:
            self._select_applet(command.data)
        else:
            if len(command.data) != 2:
                raise ApduRefused(SW.WRONG_LENGTH)
            self._file = self._known(int.from_bytes(command.data, "big"))
        return b"" if bare else FCI, SW.OK

    def _select_applet(self, name: bytes) -> None:
        if not 5 <= len(name) <= 16:
            raise ApduRefused(SW.WRONG_LENGTH)
        if name != AID:
            raise ApduRefused(SW.NOT_FOUND)
        self.reset()
        self._selected = True

    def _read(self, command: CommandApdu) -> tuple[bytes, int]:
        if command.data or command.le is None:
            raise ApduRefused(SW.WRONG_LENGTH)
        if command.le == 256 and not self.options.le_00:
            raise ApduRefused(SW.WRONG_LENGTH)
        offset = command.p1 << 8 | command.p2
        if command.p1 & 0x80:
            file, offset = self._short(command.p1), command.p2
            if self.options.reads_on:
                self._file = file
        else:
            file = self._current()
        content = self._files.get(file)
        if content is None:
            raise ApduRefused(SW.NOT_TRANSPARENT)
        if not self._readable(file):
            raise ApduRefused(SW.NOT_PERMITTED)
        if offset >= len(content):
            raise ApduRefused(SW.WRONG_OFFSET)
        data = content[offset : offset + self._most(command.le)]
        at_end = command.le not in (256, 65536) and offset + command.le > len(content)
        return data, SW.END_OF_FILE if at_end else SW.OK

    def _most(self, le: int) -> int:
        return min(le, self.options.read_limit) if le <= 256 else le

    def _verify(self, command: CommandApdu) -> tuple[bytes, int]:
        if command.le is not None:
            raise ApduRefused(SW.WRONG_LENGTH)
        file = self._referenced(command)
        pin = self._pins.get(file)
        if pin is None:
            raise ApduRefused(SW.NO_FILE_SELECTED)
        if not command.data:
            return b"", self._state(pin)
        if len(command.data) not in PIN_SIZES[file]:
            raise ApduRefused(SW.WRONG_LENGTH)
        if pin.tries == 0:
            raise ApduRefused(SW.LOCKED)
        pin.verified = command.data == pin.value
        pin.tries = pin.most if pin.verified else pin.tries - 1
        if file == USER_PIN and self._on_tries:
            self._on_tries(pin.tries)
        return b"", SW.OK if pin.verified else SW.TRIES | pin.tries

    def _state(self, pin: Pin) -> int:
        if self.options.state_query and (pin.verified or pin.tries == 0):
            return SW.OK if pin.verified else SW.LOCKED
        return SW.TRIES | pin.tries

    def _sign(self, command: CommandApdu) -> tuple[bytes, int]:
        file = self._referenced(command)
        if file not in PIN_OF_KEY:
            raise ApduRefused(SW.NO_FILE_SELECTED)
        if command.le is None or len(command.data) != len(DIGEST_INFO_SHA256) + 32:
            raise ApduRefused(SW.WRONG_LENGTH)
        if not command.data.startswith(DIGEST_INFO_SHA256):
            raise ApduRefused(SW.WRONG_DATA)
        if not self._pins[PIN_OF_KEY[file]].verified:
            raise ApduRefused(SW.NOT_PERMITTED)
        if not isinstance(self._key, rsa.RSAPrivateKey):
            raise ApduRefused(SW.NOT_SUPPORTED)  # no command for other keys is published
        size = self._key.key_size // 8
        if command.le < size:
            raise ApduRefused(SW.WRONG_LE | size & 0xFF)
        return self._key.sign(
            command.data[-32:], padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
        ), SW.OK

    def _known(self, file: int) -> int:
        if not self._selected or (
            file not in self._files and file not in PIN_OF_KEY and file not in self._pins
        ):
            raise ApduRefused(SW.NOT_FOUND)
        return file

    def _short(self, parameter: int) -> int:
        """The file that the lower five bits of a parameter name."""
        if not self.options.short_ef:
            raise ApduRefused(self.options.short_ef_status)
        if parameter & 0x60:
            raise ApduRefused(SW.WRONG_P1P2)
        return self._known(parameter & 0x1F)

    def _current(self) -> int:
        if self._file is None:
            raise ApduRefused(SW.NO_FILE_SELECTED)
        return self._file

    def _referenced(self, command: CommandApdu) -> int:
        if command.p1 != 0x00 or not command.p2 & 0x80:
            raise ApduRefused(SW.WRONG_P1P2)
        return self._current() if command.p2 == 0x80 else self._short(command.p2)

    def _readable(self, file: int) -> bool:
        if file == SIGN_CERTIFICATE:
            return self._pins[SIGN_PIN].verified
        return file != USER_CERTIFICATE or self.options.kind == "card" or self.verified


GET_RESPONSE = 0xC0
COMMANDS: Mapping[int, tuple[int, Callable[[Applet, CommandApdu], tuple[bytes, int]]]] = {
    GET_RESPONSE: (0x00, Applet._get_response),
    0xA4: (0x00, Applet._select),
    0xB0: (0x00, Applet._read),
    0x20: (0x00, Applet._verify),
    0x2A: (0x80, Applet._sign),
}


def _files(certificate: bytes | None, ca: bytes, options: Options) -> dict[int, bytes]:
    """The readable files: certificates padded with FF to the file's size, token information with
    blanks.

    The signature certificate is a stand-in: it is there for programs that list a card, and can
    never be read.
    """
    files = {
        SIGN_CERTIFICATE: ca,
        SIGN_CA: ca,
        USER_CA: ca,
        TOKEN: (options.label or LABELS[options.kind]).encode("ascii").ljust(TOKEN_SIZE),
        DIRECTORY: b"\x01\x01" if certificate else b"\x00\x01",
    }
    if certificate:
        files[USER_CERTIFICATE] = certificate
    return {
        file: content.ljust(FILE_SIZES.get(file, 0), b"\xff") for file, content in files.items()
    }
