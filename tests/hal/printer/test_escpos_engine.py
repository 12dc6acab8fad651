"""The simulated printer itself: strict, bounded, and as dangerous as the device."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hal.printer.escpos_answers import CLEAR_RESPONSE
from hal.printer.escpos_commands import CLEAR_BUFFERS, CUT, FENCE, INITIALIZE
from hal.sim.printer.engine import BUFFER_LIMIT, PAGE_LIMIT, PAGES_KEPT, Engine

HEAD = 4  # bytes


def band(lines: int, byte: int = 0xFF, stride: int = HEAD) -> bytes:
    return (
        b"\x1dv0\x00"
        + stride.to_bytes(2, "little")
        + lines.to_bytes(2, "little")
        + bytes([byte]) * (stride * min(lines, 256))
    )


def engine(**options: bool | int) -> Engine:
    return Engine(HEAD * 8, **options)  # type: ignore[arg-type]


PAGE = INITIALIZE + band(3) + band(2, 0x0F) + CUT + FENCE


def test_byte_by_byte_is_the_same_as_at_once() -> None:
    whole, pieces = engine(), engine()
    data = b"\x10\x04\x01" + PAGE + b"\x10\x04\x04" + band(2, 0x10) + CLEAR_BUFFERS + PAGE
    answers = whole.feed(data)
    assert (
        b"".join(pieces.feed(bytes([byte])) for byte in data)
        == answers
        == b"\x12\x00\x12" + CLEAR_RESPONSE + b"\x00"
    )
    assert whole.pages == pieces.pages
    assert [page.height for page in whole.pages] == [
        5,
        7,
    ]  # what was printed before the clearing is on the paper
    assert whole.violations == []


@given(st.lists(st.integers(0, 10)))
def test_any_cutting_into_feeds(cuts: list[int]) -> None:
    data, whole, pieces, answers, at = PAGE * 2 + b"\x10\x04\x02", engine(), engine(), b"", 0
    for step in cuts:
        answers += pieces.feed(data[at : at + step])
        at += step
    assert answers + pieces.feed(data[at:]) == whole.feed(data)
    assert pieces.pages == whole.pages


def test_violations_put_it_out_of_order() -> None:
    for wrong in (
        b"A",
        b"\x1b!\x00",
        band(1, stride=HEAD + 1),
        band(0),
        band(1, stride=0),
        band(4096),
        b"\x1dr\x02",
    ):
        sim = engine()
        sim.feed(wrong)
        assert len(sim.violations) == 1, wrong
        assert sim.feed(PAGE + b"\x10\x04\x02\x10\x04\x03") == b"\x52\x32"
        assert sim.pages == []
        sim.power_cycle()
        assert sim.feed(PAGE) == b"\x00"


def test_stopped_it_keeps_what_it_was_sent() -> None:
    sim = engine()
    sim.fail_after_lines = 4
    assert sim.feed(PAGE + b"\x10\x04\x02") == b"\x32"
    assert (sim.pages, sim.paper_left) == ([], 0)
    sim.load_paper(9)
    assert sim.run() == b"\x00"
    assert [page.height for page in sim.pages] == [1]


def test_cleared_it_keeps_nothing() -> None:
    sim = engine()
    sim.fail_after_lines = 4
    assert sim.feed(PAGE + CLEAR_BUFFERS) == CLEAR_RESPONSE
    sim.load_paper(9)
    assert (sim.run(), sim.pages) == (b"", [])


def test_a_question_inside_a_raster_is_answered_and_drawn() -> None:
    sim = engine()
    assert sim.feed(b"\x1dv0\x00\x04\x00\x01\x00" + b"\x10\x04\x01\xff" + CUT) == b"\x12"
    assert sim.pages[0].rows == b"\x10\x04\x01\xff"


def test_only_wide_models_answer_the_full_status() -> None:
    assert engine().feed(b"\x10\x04\x14") == b""
    sim = engine(outlet_sensor=True)
    assert sim.feed(PAGE) == b"\x00"
    assert sim.feed(b"\x10\x04\x14") == bytes.fromhex("100f20000000")
    sim.take()
    assert sim.feed(b"\x10\x04\x14") == bytes.fromhex("100f00000000")


def test_pacing_grants_lines() -> None:
    sim = engine()
    sim.paced = True
    assert sim.feed(PAGE) == b""
    assert [sim.run(2), sim.run(2), sim.run(2)] == [b"", b"", b"\x00"]


def test_it_stays_bounded() -> None:
    sim = engine()
    sim.cover_open = True
    for _ in range(BUFFER_LIMIT // 60000 + 2):
        sim.feed(bytes(60000))
    assert sim.held <= BUFFER_LIMIT
    assert sim.violations == ["receive buffer overrun"]
    sim = engine(sheets=1000)
    for _ in range(PAGES_KEPT + 3):
        sim.feed(PAGE)
    assert (len(sim.pages), sim.page_count, len(sim.take())) == (
        PAGES_KEPT,
        PAGES_KEPT + 3,
        PAGES_KEPT,
    )
    for _ in range(PAGE_LIMIT // 256 + 1):
        sim.feed(band(256))
    assert sim.violations == ["endless page"]
    assert sim.drawn <= PAGE_LIMIT


pieces = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            PAGE,
            CUT,
            FENCE,
            INITIALIZE,
            CLEAR_BUFFERS,
            CLEAR_BUFFERS[:5],
            band(2),
            band(9)[:12],
            b"\x10\x04",
        ]
    ),
)


@settings(max_examples=300)
@given(st.lists(pieces, max_size=12), st.booleans())
def test_random_bytes_never_break_it(stream: list[bytes], wide: bool) -> None:
    sim = engine(outlet_sensor=wide, sheets=3)
    for piece in stream:
        answers = sim.feed(piece)
        assert len(answers) <= 6 * (len(piece) + 1) + sim.held
    assert len(sim._tail) < len(CLEAR_BUFFERS)
    assert sim.paper_left >= 0
    sim.power_cycle()
    sim.load_paper(9)
    assert sim.feed(CLEAR_BUFFERS + FENCE).endswith(CLEAR_RESPONSE + b"\x00")
