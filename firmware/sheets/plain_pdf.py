"""A certificate's PDF is a plain one: looked at before a PDF library opens it, in one pass over its
bytes.

A library unpacks, repairs and expands whatever a file says, for as long and into as much memory as
the file wants. So every stream must have its length and be packed once at most, unpack to no more
than a certificate needs, and no dictionary may have a name that a plain certificate has no use for.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

from firmware.sheets.fault import SheetFault, SheetReason

MIB: Final = 1024 * 1024
MAX_FILE: Final = 5 * MIB  # bytes
MAX_STREAM: Final = MIB  # of a page's content, unpacked: a full sheet has 50 KiB
MAX_IMAGE: Final = 4 * MIB
MAX_FONT: Final = 16 * MIB
MAX_ALL: Final = 32 * MIB
MAX_OUTSIDE: Final = 2 * MIB  # bytes that are in no stream

_LENGTH: Final = re.compile(rb"/Length\s+(\d{1,8})(?!\d|\s+\d+\s+R)")
_FONT: Final = re.compile(rb"/FontFile2\s+(\d{1,8})\s")
_NUMBER: Final = re.compile(rb"(\d{1,8})\s+\d{1,5}\s+obj")
_STRING: Final = re.compile(rb"\((?:[^()\\]|\\.)*\)", re.DOTALL)
_NAME: Final = re.compile(rb"/[^\s()<>\[\]{}/%]*")
# Names of resources (/f0, /Im1), and of fonts.
_OWN_NAME: Final = re.compile(rb"/(?:[A-Za-z]{1,3}\d{0,4}|[A-Z]{6}\+[A-Za-z0-9-]{1,63})")

ACTIVE: Final = frozenset(
    b"/AA /AcroForm /Action /Annot /Annots /EmbeddedFile /EmbeddedFiles /GoTo /JS /JavaScript "
    b"/Launch /OCG /OCGs /OCMD /OCProperties /OpenAction /RichMedia /RichMediaContent "
    b"/SubmitForm /URI /XFA".split()
)
PLAIN: Final = frozenset(
    b"/Ascent /Author /BaseFont /BitsPerComponent /CIDFontType2 /CIDSet /CIDSystemInfo "
    b"/CIDToGIDMap /CMap /CMapName /CapHeight /Catalog /ColorSpace /Contents /Count "
    b"/CreationDate /Creator /CropBox /DW /DescendantFonts /Descent /DestOutputProfile "
    b"/DeviceGray /DeviceRGB /Direction /DisplayDocTitle /Encoding /Filter /Flags /FlateDecode "
    b"/Font /FontBBox /FontDescriptor /FontFile2 /FontName /GTS_PDFA1 /Height /ICCBased "
    b"/Identity /Identity-H /Image /ImageB /ImageC /ImageI /Info /Interpolate /ItalicAngle "
    b"/Kids /L2R /Lang /Length /Length1 /MarkInfo /Marked /MediaBox /Metadata /ModDate "
    b"/Ordering /OutputCondition /OutputConditionIdentifier /OutputIntent /OutputIntents /PDF "
    b"/Page /Pages /Parent /ProcSet /Producer /Range /Registry /RegistryName /Resources /Root "
    b"/Rotate /Size /StemV /Subtype /Supplement /Text /Title /ToUnicode /TrimBox /Type /Type0 "
    b"/UseCMap /Version /ViewerPreferences /WMode /Width /XHeight /XML /XObject".split()
)


def check(data: bytes) -> None:
    """Raises SheetFault."""
    if len(data) > MAX_FILE:
        raise SheetFault(SheetReason.TOO_LARGE)
    outside, streams = _split(data)
    _check_names(outside)
    _check_sizes(streams, {int(number) for number in _FONT.findall(outside)})


def _split(data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """What is in no stream; and each stream, behind the bytes of its dictionary.
    Raises SheetFault.
    """
    outside, streams = bytearray(), []
    at = 0
    while (found := data.find(b"stream", at)) >= 0:
        outside += data[at:found]
        head = data[max(at, data.rfind(b"obj", at, found) - 16) : found]
        begin = found + len(b"stream")
        begin += 2 if data[begin : begin + 2] == b"\r\n" else 1
        lengths = _LENGTH.findall(head)
        if len(lengths) != 1 or data[begin - 1 : begin] != b"\n":
            raise SheetFault(SheetReason.UNREADABLE)
        end = begin + int(lengths[0])
        if not data[end : end + 24].lstrip().startswith(b"endstream"):
            raise SheetFault(SheetReason.UNREADABLE)
        streams.append((head, data[begin:end]))
        at = data.index(b"endstream", end) + len(b"endstream")
    outside += data[at:]
    if len(outside) > MAX_OUTSIDE:
        raise SheetFault(SheetReason.TOO_LARGE)
    return bytes(outside), streams


def _check_sizes(streams: list[tuple[bytes, bytes]], fonts: set[int]) -> None:
    left = MAX_ALL
    for head, packed in streams:
        left -= _unpacked_size(packed, head, min(left, _limit(head, fonts)))


def _limit(head: bytes, fonts: set[int]) -> int:
    number = _NUMBER.search(head)
    if number is not None and int(number[1]) in fonts:
        return MAX_FONT
    return MAX_IMAGE if b"/Image" in head else MAX_STREAM


def _unpacked_size(packed: bytes, head: bytes, limit: int) -> int:
    """Raises SheetFault above the limit, and for what is packed in another way than once
    by Flate.
    """
    _, mark, filters = head.partition(b"/Filter")
    if not mark:
        size = len(packed)
    elif not re.match(rb"\s*/FlateDecode[\s/>]", filters):
        raise SheetFault(SheetReason.FOREIGN_OBJECT)
    else:
        try:
            size = len(zlib.decompressobj().decompress(packed, limit + 1))
        except zlib.error:
            raise SheetFault(SheetReason.UNREADABLE) from None
    if size > limit:
        raise SheetFault(SheetReason.TOO_LARGE)
    return size


def _check_names(outside: bytes) -> None:
    """Raises SheetFault for a name that is active, or of no use to a plain certificate."""
    names = set(_NAME.findall(_STRING.sub(b"()", outside)))
    if b"/Encrypt" in names:
        raise SheetFault(SheetReason.ENCRYPTED)
    if names & ACTIVE:
        raise SheetFault(SheetReason.ACTIVE_CONTENT)
    for name in names - PLAIN:
        if _OWN_NAME.fullmatch(name) is None:
            raise SheetFault(SheetReason.FOREIGN_OBJECT)
