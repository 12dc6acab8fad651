"""The IPP driver against a real peer: CUPS's ippeveprinter, whose jobs do what a script says."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from printer_bench import eventually
from sheets.sheet_cases import juminhyo

from firmware.flow.events import SheetPrinted
from firmware.service import config, devices
from firmware.service.paper_desk import PaperDesk
from firmware.sheets.prepare import SheetImage, Target, prepare
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Bitmap, Outlet, PaperSupply, PrinterState, PrinterStatus
from hal.printer.evidence import Out, PageFault
from hal.printer.ipp import IppPrinter
from hal.printer.ipp_message import Attributes
from hal.printer.ipp_status import Job
from testbed.ippeveprinter import HEIGHT, WIDTH, Peer, cups_pages, ipp_peer, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")
READY = PrinterStatus(PrinterState.READY, PaperSupply.ADEQUATE, Outlet.NOT_SUPPORTED)


def page_of(seed: int) -> Bitmap:
    """White above and below, noise between: what repeats and what cannot be compressed."""
    rows = np.zeros((HEIGHT, WIDTH // 8), np.uint8)
    rows[500:900] = np.random.default_rng(seed).integers(0, 256, (400, WIDTH // 8))
    rows[900:1300] = 0xFF
    return Bitmap(WIDTH, HEIGHT, rows.tobytes())


FRONT, BACK = page_of(1), page_of(2)


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    with ipp_peer(tmp_path) as peer:
        peer.behave(printed=1)
        yield peer


@pytest.fixture
def aside() -> Iterator[Callable[..., Future[None]]]:
    """Runs something beside the test; its result or fault is asked for later."""
    with ThreadPoolExecutor(2) as pool:
        yield pool.submit


def refused(action: Callable[[], object]) -> Reason:
    with pytest.raises(DeviceFault) as caught:
        action()
    return caught.value.reason


# --- what comes out


def test_both_sides_of_a_sheet_arrive_bit_for_bit(peer: Peer) -> None:
    peer.behave(printed=2)
    driver = peer.driver()
    assert driver.status() == READY
    driver.print_page(FRONT, BACK)
    [(first, front), (second, back)] = cups_pages(peer.received[-1])
    assert (front, back) == (FRONT, BACK)
    for header in (first, second):
        assert int.from_bytes(header[272:276], "little") == 1  # Duplex
        assert int.from_bytes(header[276:280], "little") == 300
    asked = peer.asked(-1)
    assert (asked["IPP_SIDES"], asked["IPP_COPIES"]) == ("two-sided-long-edge", "1")
    assert driver.bytes_sent > peer.received[-1].stat().st_size
    assert driver.status() == READY


def test_a_front_alone_is_one_side(peer: Peer) -> None:
    peer.driver().print_page(FRONT)
    [(header, front)] = cups_pages(peer.received[-1])
    assert front == FRONT
    assert int.from_bytes(header[272:276], "little") == 0
    asked = peer.asked(-1)
    assert (asked["IPP_SIDES"], asked["IPP_MEDIA"]) == ("one-sided", "iso_a4_210x297mm")


def test_sides_that_are_not_counted_are_uncertain(peer: Peer) -> None:
    peer.behave(printed=1)
    assert refused(lambda: peer.driver().print_page(FRONT, BACK)) is Reason.UNCERTAIN


def test_a_printer_of_urf_gets_the_same_dots(tmp_path: Path) -> None:
    with ipp_peer(tmp_path, formats="image/urf,application/pdf") as peer:
        peer.behave(printed=2)
        with pytest.raises(DeviceFault, match="urf-supported without 300 dpi"):
            peer.driver().check()
        peer.driver(dpi=600).print_page(FRONT, BACK)
        assert peer.received[-1].read_bytes()[:8] == b"UNIRAST\0"
        assert [page for _, page in cups_pages(peer.received[-1])] == [FRONT, BACK]


def test_a_printer_that_draws_pages_itself_gets_none(tmp_path: Path) -> None:
    """What a printer makes of a PDF is not what was checked."""
    with ipp_peer(tmp_path, formats="application/pdf") as peer:
        with pytest.raises(DeviceFault, match=r"without image/pwg-raster; .* without image/urf"):
            peer.driver().check()
        assert not peer.driver().status().ready


def test_the_tray_of_a4_must_have_paper(peer: Peer) -> None:
    driver = peer.driver()
    peer.load(envelopes=0)  # media-empty-report, because of another tray
    assert driver.status() == replace(READY, paper=PaperSupply.NEAR_END)
    for tray in ({"sheets": 0}, {"media": "na_letter_8.5x11in"}):
        peer.load(**tray)  # type: ignore[arg-type]
        assert driver.status().paper is PaperSupply.OUT
        with pytest.raises(DeviceFault, match="iso_a4_210x297mm") as caught:
            driver.print_page(FRONT)
        assert caught.value.reason is Reason.PAPER_OUT
    assert peer.received == []


def test_a_page_that_is_none_is_refused_before_anything_is_sent(peer: Peer) -> None:
    before = len(peer.received)
    short = Bitmap(WIDTH, HEIGHT, FRONT.rows[:-1])
    small = Bitmap(WIDTH, 8, bytes(WIDTH))
    for sides in ((short,), (FRONT, short), (FRONT, small)):
        driver = peer.driver()
        assert refused(lambda: driver.print_page(*sides)) is Reason.CONFIGURATION  # noqa: B023
    assert (
        refused(lambda: peer.driver(duplex=False).print_page(FRONT, BACK)) is Reason.CONFIGURATION
    )
    assert len(peer.received) == before


# --- faults


FAULTS = {
    "media-needed-error": (Reason.PAPER_OUT, PrinterState.READY, PaperSupply.OUT),
    "media-jam-error": (Reason.JAM, PrinterState.ERROR, PaperSupply.ADEQUATE),
    "cover-open-error": (Reason.COVER_OPEN, PrinterState.COVER_OPEN, PaperSupply.ADEQUATE),
    "toner-empty-error": (Reason.PRINTER_ERROR, PrinterState.ERROR, PaperSupply.ADEQUATE),
    "paused-error": (Reason.PRINTER_ERROR, PrinterState.OFFLINE, PaperSupply.ADEQUATE),
}


@pytest.mark.parametrize("keyword", FAULTS)
def test_a_fault_in_the_middle_ends_the_job_and_is_told(
    peer: Peer, aside: Callable[..., Future[None]], keyword: str
) -> None:
    reason, state, paper = FAULTS[keyword]
    cancels = peer.said("Cancel-Job successful-ok")
    peer.behave(
        f"echo 'STATE: +{keyword}' >&2\necho 'ATTR: job-impressions-completed=0' >&2\n", hold=True
    )
    driver = peer.driver()
    printing = aside(driver.print_page, FRONT, BACK)
    eventually(lambda: peer.said("Cancel-Job successful-ok") > cancels)
    assert driver.status() == PrinterStatus(state, paper, Outlet.NOT_SUPPORTED)
    peer.go_on()
    assert refused(lambda: printing.result(10)) is Reason.UNCERTAIN, (
        "it had not stopped: the sheet may come out"
    )
    assert (
        refused(lambda: peer.driver().print_page(FRONT)) is reason
    )  # before the next sheet nothing was sent


def test_a_front_that_came_out_before_the_fault_is_uncertain(
    peer: Peer, aside: Callable[..., Future[None]]
) -> None:
    cancels = peer.said("Cancel-Job successful-ok")
    count = "echo 'ATTR: job-impressions-completed=1' >&2\n"
    peer.behave(count + "echo 'STATE: +media-jam-error' >&2\n", hold=True)
    printing = aside(peer.driver().print_page, FRONT, BACK)
    eventually(lambda: peer.said("Cancel-Job successful-ok") > cancels)
    peer.go_on()
    assert refused(lambda: printing.result(10)) is Reason.UNCERTAIN


def test_a_printer_that_aborts_without_a_side_is_uncertain(peer: Peer) -> None:
    """It counts late, and a sheet may be under way."""
    peer.behave("echo 'ATTR: job-impressions-completed=0' >&2\nexit 1\n")
    assert refused(lambda: peer.driver().print_page(FRONT)) is Reason.UNCERTAIN


STATES = (3, 4, 5)  # idle, processing, stopped
ENDS = ((7, 0), (7, 1), (8, 0), (8, 1), (9, 0), (9, 1))  # job-state at the end, sides counted


@pytest.mark.parametrize(
    "reason", ["none", "media-empty-error", "media-needed-report", "media-jam-error"]
)
@pytest.mark.parametrize("states", list(product(STATES, STATES)))
@pytest.mark.parametrize("end", ENDS)
def test_only_a_printer_that_has_stopped_proves_that_nothing_came_out(
    monkeypatch: pytest.MonkeyPatch, reason: str, states: tuple[int, int], end: tuple[int, int]
) -> None:
    """Whatever it names meanwhile, and however the job ends."""
    driver = IppPrinter(
        "sheets", "ipp://127.0.0.1:9/ipp/print", 300, poll_s=0.0, count_s=0.0, page_deadline_s=0.2
    )
    asked = iter(states)
    cancelled: list[bool] = []
    calls: list[int] = []

    def printer() -> Attributes:
        state, named = next(asked, 4), reason
        calls.append(state)
        if len(calls) > len(states):  # it was asked often enough: now the job ends
            cancelled.append(True)
            named = "none"
        return {
            "printer-state": (state,),
            "printer-state-reasons": (named,),
            "printer-is-accepting-jobs": (True,),
        }

    def job(_: int) -> Job:
        return Job(end[0], True, False, end[1]) if cancelled else Job(5, False, False, 0)

    monkeypatch.setattr(driver._client, "printer", printer)
    monkeypatch.setattr(driver._client, "job", job)
    monkeypatch.setattr(driver._client, "ask", lambda *_, **__: cancelled.append(True))
    found = Out.YES
    try:
        driver._follow(1, 1, time.monotonic() + 5)
    except PageFault as fault:
        found = fault.out
    state, sides = end
    if state == 9:
        assert found is (Out.YES if sides == 1 else Out.UNKNOWN)
    else:
        assert found is (Out.NO if states == (5, 5) and sides == 0 else Out.UNKNOWN)


def test_a_job_that_does_not_end_is_cancelled_and_uncertain(peer: Peer) -> None:
    cancels = peer.said("Cancel-Job successful-ok")
    peer.behave(hold=True)
    driver = peer.driver(page_deadline_s=1.0, purge_deadline_s=0.5)
    assert refused(lambda: driver.print_page(FRONT)) is Reason.UNCERTAIN
    assert peer.said("Cancel-Job successful-ok") == cancels + 1
    assert refused(driver.purge) is Reason.UNCERTAIN  # it still holds the job


def test_a_busy_printer_is_asked_again(peer: Peer, aside: Callable[..., Future[None]]) -> None:
    """Another job slips in between the question and ours: 0x0507, and nothing of ours was taken."""
    peer.behave(printed=1, hold=True)
    other = peer.driver()
    first = aside(other.print_page, FRONT)
    received = len(peer.received)
    eventually(lambda: len(peer.received) > received or bool(peer.said("Create-Job successful-ok")))
    driver = peer.driver()
    driver._require_empty = lambda printer: None  # type: ignore[method-assign]
    busy = peer.said("Create-Job server-error-busy")
    second = aside(driver.print_page, BACK)
    eventually(lambda: peer.said("Create-Job server-error-busy") > busy + 1)
    peer.go_on()
    first.result(10)
    second.result(10)
    assert cups_pages(peer.received[-1])[0][1] == BACK


def test_nothing_of_another_job_is_left_for_the_next_person(
    peer: Peer, aside: Callable[..., Future[None]]
) -> None:
    peer.behave(printed=1, hold=True)
    other = aside(peer.driver().print_page, FRONT)
    driver = peer.driver()
    eventually(lambda: driver._client.jobs() != [])
    cancels = peer.said("Cancel-Job successful-ok")
    purging = aside(driver.purge)
    eventually(lambda: peer.said("Cancel-Job successful-ok") > cancels)
    peer.go_on()
    purging.result(10)
    assert driver._client.jobs() == []
    with pytest.raises(DeviceFault):
        other.result(10)


def test_a_printer_that_dies_in_the_middle_leaves_it_uncertain(tmp_path: Path) -> None:
    with ipp_peer(tmp_path) as peer:
        peer.behave(hold=True)
        driver = peer.driver(purge_deadline_s=1.0)
        killer = threading.Thread(
            target=lambda: (eventually(lambda: len(peer.received) == 1), peer.kill())
        )
        killer.start()
        assert refused(lambda: driver.print_page(FRONT, BACK)) is Reason.UNCERTAIN
        killer.join()
        assert len(peer.received) == 1  # never sent again
        assert driver.status() == PrinterStatus()
        assert refused(driver.purge) is Reason.UNCERTAIN
        assert refused(lambda: driver.print_page(FRONT)) is Reason.NOT_CONNECTED


def test_a_printer_of_one_side_does_not_do_for_two(tmp_path: Path) -> None:
    with ipp_peer(tmp_path, "-m", "simplex") as peer:
        peer.behave(printed=1)
        driver = peer.driver()
        assert driver.status() == PrinterStatus()
        assert refused(lambda: driver.print_page(FRONT, BACK)) is Reason.CONFIGURATION
        assert peer.received == []
        peer.driver(duplex=False).print_page(FRONT)


# --- TLS


def test_only_the_printer_with_the_pinned_certificate_is_spoken_to(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    with ipp_peer(tmp_path / "one") as peer, ipp_peer(tmp_path / "other") as other:
        certificates = [_certificate(one) for one in (peer, other)]
        prints = [fingerprint(one) for one in certificates]
        address = peer.address.replace("ipp:", "ipps:")
        peer.behave(printed=2)
        right: list[dict[str, object]] = [{"ca": certificates[0]}, {"fingerprint": prints[0]}]
        wrong: list[dict[str, object]] = [{"ca": certificates[1]}, {"fingerprint": prints[1]}]
        for pin in right:
            peer.driver(address=address, **pin).print_page(FRONT, BACK)
            assert [page for _, page in cups_pages(peer.received[-1])] == [FRONT, BACK]
        for pin in wrong:
            driver = peer.driver(address=address, **pin)
            with pytest.raises(DeviceFault, match="certificate is not accepted") as caught:
                driver.print_page(FRONT, BACK)
            assert caught.value.reason is Reason.CONFIGURATION
            assert driver.bytes_sent == 0
        assert len(peer.received) == len(right)


def fingerprint(certificate: Path) -> str:
    """As `openssl x509 -fingerprint -sha256` writes it."""
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    return hashlib.sha256(der).digest().hex(":").upper()


def _certificate(peer: Peer) -> Path:
    """The printer makes its own at the first connection with TLS."""
    pem = ssl.get_server_certificate(("localhost", peer.port))
    path = peer.folder / "pinned.pem"
    path.write_text(pem)
    return path


# --- the kiosk's own way to it


def test_the_desk_prints_a_prepared_sheet_on_both_sides(peer: Peer) -> None:
    peer.behave(printed=2)
    section = config.IppSection(address=peer.address, duplex=True)
    device = devices.printer("sheets", section)
    desk = PaperDesk(device, device)
    assert desk.sheets_trouble() == ""
    sheet = SheetImage(1, 1, WIDTH, HEIGHT, FRONT.rows, back=BACK.rows)
    assert desk.print_sheet(3, 1, sheet) == SheetPrinted(epoch=3, sheet=1)
    assert [page for _, page in cups_pages(peer.received[0])] == [FRONT, BACK]
    assert desk.purge()


@pytest.mark.parametrize("dpi", [300, 600])
def test_what_was_checked_is_what_the_printer_received(tmp_path: Path, dpi: int) -> None:
    with ipp_peer(tmp_path) as peer:
        peer.behave(printed=2)
        section = config.IppSection(address=peer.address, dpi=dpi, duplex=True)  # type: ignore[arg-type]
        desk = PaperDesk(device := devices.printer("sheets", section), device)
        target = Target(dpi, section.width, duplex=True)
        sheets = prepare(juminhyo().pdf, ["HTTPS://VERIFY.EXAMPLE/V#CODE"], target)
        for number, sheet in enumerate(sheets, 1):
            assert desk.print_sheet(1, number, sheet) == SheetPrinted(epoch=1, sheet=number)
            got = [page for _, page in cups_pages(peer.received[-1])]
            assert [(page.width, page.height) for page in got] == [(sheet.width, sheet.height)] * 2
            assert [page.rows for page in got] == [sheet.rows, sheet.back]
        device.close()
