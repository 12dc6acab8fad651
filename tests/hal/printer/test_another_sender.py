"""The printer's far end beside a sender that is not ours: what python-escpos makes is drawn, and
what the kiosk's printers do not have is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from paper_reader import text
from PIL import Image
from printer_bench import eventually

from hal.printer import escpos_commands, escpos_status
from hal.printer.service_text import _clean_import
from hal.printer.wire import opener
from hal.sim.printer import PrinterSim
from hal.sim.printer.characters import BOLD, TALL, WIDE
from hal.sim.printer.engine import Engine

HEAD = 384
LARGE = BOLD | TALL | WIDE


@pytest.fixture
def sender() -> Any:
    """A printer of the library's that only collects bytes."""
    with _clean_import():
        from escpos.printer import Dummy
    return Dummy(profile="default")


def printed(sender: Any, **options: Any) -> Engine:
    engine = Engine(HEAD, **{"text": True, **options})
    engine.feed(sender.output)
    return engine


def picture(engine: Engine) -> Image.Image:
    [page] = engine.pages
    return Image.frombytes("1", (page.width, page.height), page.rows, "raw", "1;I")


def test_text_is_drawn_as_it_was_sent(sender: Any) -> None:
    words = "".join(map(chr, range(0x20, 0x3F)))
    sender.text(f"Hello, world!\n{words}\n")
    sender.cut()
    engine = printed(sender)
    assert engine.violations == []
    assert text(picture(engine))[:2] == ["Hello, world!", words.strip()]


def test_sizes_and_sides(sender: Any) -> None:
    sender.set(align="center", bold=True, double_height=True, double_width=True)
    sender.text("TITLE\n")
    sender.set(align="right", bold=False, normal_textsize=True)
    sender.text("right\n")
    sender.set(align="left")
    sender.text("left\n")
    sender.cut()
    page = picture(printed(sender))
    assert text(page, (0, LARGE))[:3] == ["TITLE", "right", "left"]
    title, right, left = (page.crop((0, y, HEAD, y + h)) for y, h in ((0, 48), (48, 24), (72, 24)))
    box = [
        Image.eval(row.convert("L"), lambda v: 255 - v).getbbox() for row in (title, right, left)
    ]
    assert all(box)
    assert abs((box[0][0] + box[0][2]) / 2 - HEAD / 2) < 24  # type: ignore[index]
    assert box[1][2] > HEAD - 12  # type: ignore[index]
    assert box[2][0] < 12  # type: ignore[index]


def test_a_line_that_is_too_long_goes_on_in_the_next(sender: Any) -> None:
    sender.text("1234567890" * 4 + "\n")
    sender.cut()
    assert text(picture(printed(sender)))[:2] == [("1234567890" * 4)[:32], "34567890"]


def test_a_picture_is_drawn_dot_by_dot(sender: Any) -> None:
    """Only the black and white one: of a grey one the library makes dots of its own."""
    dots = np.random.default_rng(7).random((300, HEAD)) < 0.5
    sender.image(Image.fromarray(~dots), impl="bitImageRaster", fragment_height=128)
    sender.cut(feed=False)
    engine = printed(sender)
    assert engine.violations == []
    [page] = engine.pages
    assert page.rows == np.packbits(dots, axis=1).tobytes()


def test_every_cut_is_a_slip_of_its_own(sender: Any) -> None:
    for number, mode in enumerate(("FULL", "PART", "FULL")):
        sender.text(f"slip {number}\n")
        sender.cut(mode=mode)
    engine = printed(sender)
    assert (engine.page_count, engine.waiting, engine.violations) == (3, 3, [])


def test_a_slip_in_text_waits_for_paper_like_a_page(sender: Any) -> None:
    sender.text("first\nsecond\n")
    sender.cut()
    engine = printed(sender, sheets=0)
    assert engine.pages == [] and engine.stopped
    engine.load_paper(1)
    engine.run()
    assert text(picture(engine))[:2] == ["first", "second"]


def test_clearing_the_buffers_leaves_nothing_of_a_line(sender: Any) -> None:
    sender.text("half a li")
    engine = printed(sender)
    engine.feed(escpos_commands.CLEAR_BUFFERS)
    engine.feed(b"next\n\x1dV\x00")
    assert text(picture(engine)) == ["next"]


REFUSED: dict[str, Callable[[Any], None]] = {
    "cash drawer": lambda sender: sender.cashdraw(2),
    "buzzer": lambda sender: sender.buzzer(1, 1),
    "bar code": lambda sender: sender.barcode("ABC123", "CODE39", check=False),
    "code of its own": lambda sender: sender.qr("x", native=True),
    "graphics": lambda sender: sender.image(Image.new("1", (64, 8)), impl="graphics"),
    "columns": lambda sender: sender.image(Image.new("1", (64, 8)), impl="bitImageColumn"),
    "Japanese": lambda sender: sender._raw("住民票".encode("cp932")),
    "white on black": lambda sender: sender.set(invert=True),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_kiosk_s_printers_do_not_have_is_refused(what: str, sender: Any) -> None:
    """And nothing that comes after it is printed, as if it had been understood."""
    REFUSED[what](sender)
    sender.text("after\n")
    sender.cut()
    engine = printed(sender)
    assert len(engine.violations) == 1
    assert engine.pages == []


def test_a_printer_of_pages_knows_no_text(sender: Any) -> None:
    sender.text("a\n")
    engine = printed(sender, text=False)
    assert engine.violations == ["unknown command 1b74"], "the code page, ahead of the letter"
    assert engine.pages == []


def test_our_commands_are_those_of_the_library() -> None:
    """Two hands wrote them down from the same manuals."""
    with _clean_import():
        from escpos import constants

    assert escpos_commands.INITIALIZE == constants.HW_INIT
    assert escpos_commands.REALTIME_STATUS == constants.RT_STATUS
    online = constants.RT_STATUS + bytes([escpos_status.PRINTER])
    assert online == constants.RT_STATUS_ONLINE
    paper = constants.RT_STATUS + bytes([escpos_status.PAPER])
    assert paper == constants.RT_STATUS_PAPER
    assert escpos_status.NEAR_END | 0x12 == constants.RT_MASK_LOWPAPER
    assert escpos_status.PAPER_END | 0x12 == constants.RT_MASK_NOPAPER
    assert escpos_commands.RASTER[:3] == constants.S_RASTER_N[:3]
    assert escpos_commands.CUT[:2] == constants.PAPER_FULL_CUT[:2]


def test_over_the_wire(sender: Any, start: Callable[..., PrinterSim]) -> None:
    """The library's bytes on our wire: its own connection is not used."""
    sim = start(width=HEAD, text=True)
    sender.text("over the wire\n")
    sender.cut()
    wire = opener(f"tcp:127.0.0.1:{sim.port}")(3.0)
    wire.write(sender.output, float("inf"), 3.0)
    eventually(lambda: sim.page_count == 1)
    wire.close()
    assert text(sim.pages[0])[0] == "over the wire"
