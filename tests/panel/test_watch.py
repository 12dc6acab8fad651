"""A page that shows nothing is noticed by its own wire, whatever its process does."""

from __future__ import annotations

import asyncio
import json
import socket

import aiohttp
import pytest

from hal.panel import web
from hal.panel.watch import LIMITS, MOST_ROUND_S, PageWatch, Stage

SOON = {**LIMITS, Stage.SHOWING: 0.5}


class Looks:
    """A watch that is looked at every 0.25 s."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watch = PageWatch(self.now)

    def lost_after(self, most: float = 100.0) -> float | None:
        """Seconds until it is lost from now on."""
        began = self.now
        while self.now - began < most:
            self.now += 0.25
            if self.watch.is_lost(self.now):
                return self.now - began
        return None


def test_how_long_a_browser_may_be_silent_depends_on_how_far_it_has_come() -> None:
    looks = Looks()
    assert looks.lost_after() == 60.25  # it never showed anything
    looks = Looks()
    looks.watch.connect()
    assert looks.lost_after() == 10.25  # its script runs
    looks.watch.report(5, 5)
    assert looks.lost_after() == 2.25  # dead
    looks.watch.report(5, 5)
    looks.watch.cut()
    assert looks.lost_after() == 2.25  # a page that lives comes back, also on a busy board
    looks.watch.report(5, 5)
    looks.watch.cut()
    looks.watch.connect()
    assert looks.lost_after() == 2.25  # it came back, and must draw again


def test_it_must_show_what_is_due() -> None:
    looks = Looks()
    looks.watch.report(5, 5)
    assert looks.lost_after(2) is None
    for _ in range(3):  # it draws, and not what is due
        looks.watch.report(5, 6)
        looks.lost_after(0.5)
    assert looks.watch.is_lost(looks.now)
    looks.watch.report(6, 6)
    assert looks.lost_after(2) is None


def test_a_pause_of_our_own_is_not_its_silence() -> None:
    """A machine that stood still, or was busy, has the reports in its buffers."""
    looks = Looks()
    looks.watch.report(5, 5)
    looks.now += 30
    assert not looks.watch.is_lost(looks.now)
    assert looks.watch.silent == MOST_ROUND_S


@pytest.mark.parametrize("reported", [None, 6], ids=["nothing is drawn", "an older screen stands"])
def test_the_browser_of_such_a_page_is_ended(
    reported: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Its wire stays open all the time, as that of a dead renderer does."""

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            panel = web.WebPanel(listener, "", {}, key="k", limits=SOON)
            await panel.start(lambda _: pytest.fail("a report is no touch"))
            panel.show(7, "<b>seven</b>")
            url = f"http://127.0.0.1:{panel.port}"
            async with aiohttp.ClientSession() as client:
                alive = await client.get(url + web.ALIVE + "?key=k")
                page = await client.ws_connect(url + web.WIRE + "?key=k", origin=url)
                await page.receive_str()

                async def report(screen: int) -> None:
                    await page.send_str(json.dumps({"screen": screen, "action": web.SHOWN}))

                await report(7)
                while reported is not None and not alive.content.at_eof():
                    await report(reported)
                    await asyncio.sleep(0.05)
                assert await asyncio.wait_for(alive.content.read(), 30) == b""
                assert not page.closed
                # the next browser has its own time to start
                again = await client.get(url + web.ALIVE + "?key=k")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(again.content.read(), 0.2)
            await panel.close()

    asyncio.run(story())
    assert "the page shows nothing" in caplog.text


def test_who_reports_stays() -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            panel = web.WebPanel(listener, "", {}, key="k", limits={**LIMITS, Stage.SHOWING: 30})
            await panel.start(lambda _: pytest.fail("a report is no touch"))
            url = f"http://127.0.0.1:{panel.port}"
            async with aiohttp.ClientSession() as client:
                alive = await client.get(url + web.ALIVE + "?key=k")
                page = await client.ws_connect(url + web.WIRE + "?key=k", origin=url)
                for screen in range(3):
                    panel.show(screen, "x")
                    await page.send_str(json.dumps({"screen": screen, "action": web.SHOWN}))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(alive.content.read(), 1)
                alive.close()
                async with asyncio.timeout(30):  # one that has gone is not watched any more
                    while panel._keepers:
                        await asyncio.sleep(0.02)
            await panel.close()

    asyncio.run(story())
