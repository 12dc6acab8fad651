"""IPP messages and PWG raster: their bytes, and what is no such thing."""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hal.faults import Reason
from hal.printer import pwg_raster, urf
from hal.printer.contract import Bitmap, PaperSupply, PrinterState
from hal.printer.ipp_answers import LATE, OF_THE_HEAD, TO_CONFIGURE, named
from hal.printer.ipp_message import (
    JOB_GROUP,
    OPERATION_GROUP,
    PRINTER_GROUP,
    GarbledResponse,
    Operation,
    Resolution,
    Tag,
    attribute,
    decode,
    encode,
)
from hal.printer.ipp_status import MEANINGS, SEVERITIES, meaning, read, read_job
from testbed.ippeveprinter import cups_pages, missing

# --- messages


def test_a_request_as_published() -> None:
    """RFC 8010, appendix A.1, as far as it goes here."""
    request = encode(
        Operation.PRINT_JOB,
        1,
        [
            (
                OPERATION_GROUP,
                [
                    attribute(Tag.CHARSET, "attributes-charset", "utf-8"),
                    attribute(Tag.BOOLEAN, "ipp-attribute-fidelity", True),
                ],
            ),
            (JOB_GROUP, [attribute(Tag.INTEGER, "copies", 20)]),
        ],
    )
    assert request == (
        b"\x02\x00\x00\x02\x00\x00\x00\x01"
        b"\x01\x47\x00\x12attributes-charset\x00\x05utf-8"
        b"\x22\x00\x16ipp-attribute-fidelity\x00\x01\x01"
        b"\x02\x21\x00\x06copies\x00\x04\x00\x00\x00\x14\x03"
    )


def test_what_is_encoded_is_decoded() -> None:
    given = [
        attribute(Tag.KEYWORD, "sides-supported", "one-sided", "two-sided-long-edge"),
        attribute(Tag.RESOLUTION, "resolution", Resolution(300, 600)),
        attribute(Tag.ENUM, "printer-state", 3),
        attribute(Tag.BOOLEAN, "accepting", False),
    ]
    data = encode(Operation.GET_JOBS, 7, [(PRINTER_GROUP, given), (JOB_GROUP, given[2:3])])
    answer = decode(data)
    assert (answer.status, answer.request) == (Operation.GET_JOBS, 7)
    assert answer.first(PRINTER_GROUP) == {one.name: one.values for one in given}
    assert answer.first(JOB_GROUP) == {"printer-state": (3,)}
    assert answer.first(OPERATION_GROUP) == {}


HEAD = b"\x02\x00\x00\x00\x00\x00\x00\x01"
GARBLED = {
    "nothing": b"",
    "half a head": HEAD[:5],
    "no end": HEAD,
    "a value before a group": HEAD + b"\x21\x00\x01a\x00\x04\x00\x00\x00\x01\x03",
    "a value without a name": HEAD + b"\x04\x21\x00\x00\x00\x04\x00\x00\x00\x01\x03",
    "a number of two bytes": HEAD + b"\x04\x21\x00\x01a\x00\x02\x00\x01\x03",
    "a length past the end": HEAD + b"\x04\x21\x00\x01a\xff\xff\x00\x01\x03",
    "groups without end": HEAD + b"\x02" * 5001 + b"\x03",
    "half a resolution": HEAD + b"\x04\x32\x00\x01a\x00\x04\x00\x00\x00\x01\x03",
}


@pytest.mark.parametrize("what", GARBLED)
def test_what_is_no_message_is_garbled(what: str) -> None:
    with pytest.raises(GarbledResponse):
        decode(GARBLED[what])


def test_an_attribute_of_many_values_costs_what_its_bytes_cost() -> None:
    """CPU time of one that is five times as long, not 25 times; the first try may be unlucky."""

    def seconds(values: int) -> float:
        data = HEAD + b"\x04\x44\x00\x01a\x00\x00" + b"\x44\x00\x00\x00\x00" * values + b"\x03"
        began = time.process_time()
        assert len(decode(data).first(PRINTER_GROUP)["a"]) == values + 1
        return time.process_time() - began

    assert any(seconds(40_000) < 12 * seconds(8_000) for _ in range(5))


@given(st.binary(max_size=80))
def test_random_bytes_are_a_message_or_garbled(data: bytes) -> None:
    with suppress(GarbledResponse):
        decode(HEAD + data)


# --- what the printer says


def said(*reasons: str, state: int = 3, accepting: bool = True) -> tuple[str, str, Reason | None]:
    reading = read(
        {
            "printer-state": (state,),
            "printer-state-reasons": reasons,
            "printer-is-accepting-jobs": (accepting,),
        }
    )
    return reading.status.state, reading.status.paper, reading.cause


READY, ADEQUATE = PrinterState.READY, PaperSupply.ADEQUATE


def test_every_keyword_means_the_same_with_every_severity() -> None:
    for keyword in MEANINGS:
        for severity in ("", *SEVERITIES):
            assert meaning(keyword + severity) == MEANINGS[keyword]


def test_what_nobody_knows_is_harmless_only_when_the_printer_calls_it_so() -> None:
    assert said("com.example-strange") == (PrinterState.ERROR, ADEQUATE, Reason.PRINTER_ERROR)
    assert said("com.example-strange-error")[2] is Reason.PRINTER_ERROR
    assert said("com.example-strange-report", "com.example-odd-warning") == (READY, ADEQUATE, None)


def test_the_worst_is_told() -> None:
    assert said("none") == (READY, ADEQUATE, None)
    assert said("media-low-report", "toner-low-warning") == (READY, PaperSupply.NEAR_END, None)
    assert said("media-low", "media-empty", "media-jam") == (
        PrinterState.ERROR,
        PaperSupply.OUT,
        Reason.JAM,
    )
    assert said("none", state=5)[::2] == (PrinterState.OFFLINE, Reason.PRINTER_ERROR)
    assert said("none", accepting=False)[::2] == (PrinterState.OFFLINE, Reason.PRINTER_ERROR)


@pytest.mark.parametrize("name", ["printer-state", "printer-state-reasons"])
@pytest.mark.parametrize("value", [None, (), ("idle", "idle"), (9,), (True,)])
def test_half_an_answer_is_never_ready(name: str, value: tuple[object, ...] | None) -> None:
    printer = {
        "printer-state": (3,),
        "printer-state-reasons": ("none",),
        "printer-is-accepting-jobs": (True,),
    }
    assert read(printer).status.ready  # type: ignore[arg-type]
    del printer[name]
    if value is not None:
        printer[name] = value  # type: ignore[assignment]
    assert not read(printer).status.ready  # type: ignore[arg-type]


def test_a_job_has_ended_when_its_paper_is_at_rest() -> None:
    assert read_job({}) is None
    moving = read_job({"job-state": (7,), "job-state-reasons": ("processing-to-stop-point",)})
    assert moving is not None
    assert not moving.ended
    done = read_job({"job-state": (9,), "job-impressions-completed": (2,)})
    assert done is not None
    assert (done.ended, done.printed, done.spoilt) == (True, 2, False)
    spoilt = read_job({"job-state": (9,), "job-state-reasons": ("job-completed-with-errors",)})
    assert spoilt is not None
    assert (spoilt.printed, spoilt.spoilt) == (None, True)


# --- raster, read by CUPS

needs_cups = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")
sizes = st.tuples(st.integers(1, 40), st.integers(1, 600), st.integers(0, 2**32 - 1))


@needs_cups
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes, st.sampled_from(["black_1", "sgray_8"]))
def test_cups_reads_the_very_dots(tmp_path: Path, size: tuple[int, int, int], colour: str) -> None:
    side = picture(*size)
    path = tmp_path / "raster"
    path.write_bytes(pwg_raster.document((side, side), 300, colour, "normal"))
    assert [page for _, page in cups_pages(path)] == [side, side]


def picture(bytes_across: int, height: int, seed: int) -> Bitmap:
    """Lines of which many repeat, bytes of which many repeat."""
    chance = np.random.default_rng(seed)
    rows = chance.choice(np.array([0, 0, 0, 255, 129], np.uint8), (height, bytes_across))
    rows = rows[np.sort(chance.integers(0, height, height))]
    rows[0], rows[-1] = 0, 255  # the longest runs
    return Bitmap(bytes_across * 8, height, rows.tobytes())


@needs_cups
@pytest.mark.parametrize(
    ("sheet_back", "expected"),
    [
        ("normal", "#...\n...."),
        ("manual-tumble", "#...\n...."),
        ("flipped", "....\n#..."),
        ("rotated", "....\n...#"),
    ],
)
def test_the_back_is_drawn_as_the_printer_turns_the_sheet(
    tmp_path: Path, sheet_back: str, expected: str
) -> None:
    """A block of 8 by 4 dots in the upper left corner; the front stays as it is."""
    rows = np.zeros((8, 4), np.uint8)
    rows[:4, 0] = 255
    side = Bitmap(32, 8, rows.tobytes())
    path = tmp_path / "raster"
    path.write_bytes(pwg_raster.document((side, side), 300, "black_1", sheet_back))
    [(_, front), (header, back)] = cups_pages(path)
    assert front == side
    seen = np.frombuffer(back.rows, np.uint8).reshape(8, 4)
    drawn = "\n".join("".join(".#"[int(cell > 0)] for cell in seen[row]) for row in (0, 4))
    assert drawn == expected
    transforms = np.frombuffer(header[456:464], np.int32).tolist()
    across, feed = pwg_raster.BACKS[sheet_back]
    assert transforms == [-1 if across else 1, -1 if feed else 1]


def test_a_white_page_takes_next_to_nothing() -> None:
    side = Bitmap(2480, 3508, bytes(310 * 3508))
    assert len(pwg_raster.document((side,), 300, "sgray_8", "normal")) < 5000


# --- statuses


@needs_cups
def test_every_status_has_the_name_of_the_standard() -> None:
    cups = ctypes.CDLL(ctypes.util.find_library("cups") or "libcups.so.2")
    cups.ippErrorString.restype = ctypes.c_char_p
    for status, name in {**OF_THE_HEAD, **LATE}.items():
        assert cups.ippErrorString(status).decode() == name
    assert not OF_THE_HEAD.keys() & LATE.keys()
    assert set(OF_THE_HEAD) | set(LATE) >= TO_CONFIGURE
    assert "not known (0x04ff)" in named(0x4FF)


# --- URF, read by CUPS


@needs_cups
@pytest.mark.parametrize("back", urf.BACKS.values())
def test_urf_has_the_dots_of_pwg_raster(tmp_path: Path, back: str) -> None:
    sides = (picture(40, 300, 1), picture(40, 300, 2))
    for name, data in (
        ("urf", urf.document(sides, 600, back)),
        ("pwg", pwg_raster.document(sides, 600, "sgray_8", back)),
    ):
        (tmp_path / name).write_bytes(data)
    in_urf, in_pwg = (cups_pages(tmp_path / name) for name in ("urf", "pwg"))
    assert [page for _, page in in_urf] == [page for _, page in in_pwg]
    for header, _ in in_urf:
        assert [int.from_bytes(header[at : at + 4], "little") for at in (272, 276)] == [1, 600]


def test_the_resolutions_of_urf() -> None:
    assert urf.prints({"W8", "RS300-600", "CP1"}, 600)
    assert urf.prints({"RS600"}, 600)
    assert not urf.prints({"RS300", "RS1600", "RS60", "RSx", "300"}, 600)
