"""The story of `scripts/fleet-test`, step by step: what people do at boards and at the city, and
what must hold then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attested
import board_checks
import fleet_judge as judge
import site_faults
from container import HANG_S, Board, BoardError, until
from town import ATTESTED, Hold, Onlooker, Town

from testbed.customer import JourneyFailed
from testbed.process import ProcessDead
from testbed.soak import ERRANDS

KIOSKS = ("kiosk-1", "kiosk-2", "kiosk-3")
RINGS = (("kiosk-1",), ("kiosk-2", "kiosk-3"))
STRANGE = "9.9.9+gffffff0"  # a build that no kiosk has
TRUST = 3  # journeys until a build is trusted
CONFIG = "/etc/madoguchi/kiosk.toml"
FOLLOW = f"kiosk update follow --config {CONFIG}"
# What a technician types at a board; the city's command stands between the two halves.
BEFORE = (
    "cp -r /mnt/keys /mnt/{kiosk}/. /etc/madoguchi/",
    "systemd-tmpfiles --create madoguchi.conf && systemctl daemon-reload",
    "systemctl restart systemd-networkd",
    "kiosk provision request --config "
    + CONFIG
    + " --fleet /mnt/fleet.toml --kiosk {kiosk} --out /mnt/request",
)
AFTER = (
    "kiosk provision accept /mnt/request --config " + CONFIG,
    "systemctl reset-failed && systemctl restart madoguchi-kiosk madoguchi-panel",
)


class Wrong(Exception):
    """One line: what is not as it must be."""


class Walk:
    def __init__(
        self, place: Town, boards: dict[str, Board], stick: Path, given: argparse.Namespace
    ) -> None:
        self.town, self.boards, self.stick, self.bundles = place, boards, stick, given.bundles
        self.residents: int = given.residents
        self.found: dict[str, Any] = {}
        self.city = place.rehearsal.run / "city.sqlite"
        self.first = (given.bundles / "made").read_text()
        self.sheets = 0
        self.red: list[str] = []
        self._began = time.monotonic()

    def version(self, more: int) -> str:
        return str(int(self.first) + more)

    def say(self, what: str, **facts: Any) -> None:
        self.found[what] = facts
        line = f"{time.monotonic() - self._began:7.0f} s  {what}  {json.dumps(facts)}"
        print(line, file=sys.stderr, flush=True)

    async def judged(self, step: str) -> None:
        """A step that is red is no reason not to look at the next one. Raises what `all_serve`
        does: without it there is no fleet.
        """
        try:
            await getattr(self, step)()
        except (BoardError, ProcessDead, Wrong) as error:
            if step == "all_serve":
                raise
            self.red.append(step)
            self.say(f"RED: {step}", why=str(error))

    def must(self, what: str, holds: object) -> None:
        if not holds:
            raise Wrong(what)

    # -- what people do

    async def provision(self, kiosk: str) -> None:
        board = self.boards[kiosk]
        began = time.monotonic()
        await asyncio.to_thread(board.power_on)
        await asyncio.to_thread(
            until, lambda: board.says("systemctl is-active dbus multi-user.target"), "no system"
        )
        booted = time.monotonic()
        for command in BEFORE:
            await asyncio.to_thread(board.run, command.format(kiosk=kiosk))
        fleet = ("--fleet", self.stick / "fleet.toml")
        request = self.stick / "request"
        await self.town.word("kiosks", "sign", request, *fleet, *self.town.authorities)
        for command in AFTER:
            await asyncio.to_thread(board.run, command.format(kiosk=kiosk))
        await self.ready(kiosk)
        shown = time.monotonic()
        await self.serve(kiosk, 1)
        self.say(
            f"{kiosk} provisioned",
            boot_to_shell_s=round(booted - began, 1),
            typed_commands=1 + len(BEFORE) + 1 + len(AFTER),  # with dd and the city's
            provisioned_to_ready_s=round(shown - booted, 1),
            blank_to_first_journey_s=round(time.monotonic() - began, 1),
        )

    async def ready(self, kiosk: str) -> None:
        """It says so itself, and somebody has looked at its screen: a browser is connected."""
        board = self.boards[kiosk]
        words = f'kiosk status --config {CONFIG} --json | grep -q \'"state": *"ready"\''
        await asyncio.to_thread(until, lambda: board.says(words), f"{kiosk} is not ready")

    async def serve(self, kiosk: str, journeys: int, onlooker: Onlooker | None = None) -> None:
        for number in range(journeys):
            resident, kind = ERRANDS[number % len(ERRANDS)]
            stand = self.town.stands[kiosk]
            journey = await stand.serve(self.town.rehearsal, resident, kind, onlooker)
            self.must(f"{kiosk}: a journey without paper", journey.pages)
            self.sheets += len(journey.pages)

    async def roll_out(self, version: str, bundle: str) -> None:
        target = self.stick / "bundles" / f"madoguchi-x86-64-{version}.raucb"
        target.unlink(missing_ok=True)
        await asyncio.to_thread(shutil.copy, self.bundles / bundle, target)
        plan = self.stick / "plan.toml"
        build = f"0.1.0+g{version[-7:]}"
        plan.write_text(
            f'board = "x86-64"\nversion = "{version}"\nbuild = "{build}"\n'
            f"rings = {json.dumps(RINGS)}\n"
        )
        await self.town.word("rollout", "start", plan)

    async def follow(self, kiosk: str, version: str) -> dict[str, Any]:
        """What the board's timers do every five minutes, and at night. Until its new build, or the
        one that it fell back to, is ready. Seconds of installing and of darkness.
        """
        board = self.boards[kiosk]
        await self.wanted(kiosk, version)
        began = time.monotonic()
        what = f"{kiosk}: {version} is not installed"
        await asyncio.to_thread(until, lambda: followed(board, version), what)
        installed = time.monotonic()
        before = len(board.boots)
        board.run("systemctl start --no-block madoguchi-restart.service")
        await asyncio.to_thread(until, lambda: len(board.boots) > before, f"{kiosk}: no restart")
        await asyncio.to_thread(until, lambda: passed(board), f"{kiosk}: no start passed its gate")
        await self.ready(kiosk)
        return {
            "install_s": round(installed - began, 1),
            "restart_to_ready_s": round(time.monotonic() - installed, 1),
        }

    async def wanted(self, kiosk: str, version: str) -> None:
        board = self.boards[kiosk]
        words = f'kiosk status --config {CONFIG} --json | grep -q \'"wanted": *"{version}"\''
        await asyncio.to_thread(until, lambda: board.says(words), f"{kiosk}: was not told")

    async def told(self, kiosk: str, holds: Any, what: str) -> dict[str, Any]:
        """Until the city has heard it. Asked by plain SQL."""
        await asyncio.to_thread(
            until, lambda: holds(judge.fleet(self.city)[kiosk]), f"{kiosk}: {what}"
        )
        return judge.fleet(self.city)[kiosk]

    # -- the story

    async def all_serve(self) -> None:
        for kiosk in KIOSKS:
            await self.provision(kiosk)
        for kiosk in KIOSKS:
            seen = await self.told(kiosk, is_ready, "not in the view")
            self.must(f"{kiosk}: cases", seen["cases"] == 0)
            self.must(f"{kiosk}: version", seen["update"]["version"] == self.first)
        view = await self.town.word("fleet")
        self.say("the fleet serves", view=view.splitlines())

    async def refuse_bundles(self) -> None:
        board = self.boards["kiosk-1"]
        for name, word in (("stranger", "signature"), ("other-board", "ompatible")):
            shutil.copy(self.bundles / f"{name}.raucb", self.stick / "bundles")
            try:
                await asyncio.to_thread(board.run, f"rauc install /mnt/bundles/{name}.raucb")
            except BoardError as error:
                self.must(f"{name}: refused for another reason: {error}", word in str(error))
                self.say(f"refused: {name}", said=str(error).rsplit("LastError: ", 1)[-1][:200])
                continue
            raise Wrong(f"{name}.raucb was installed")

    async def good_build(self) -> None:
        version = self.version(1)
        await self.roll_out(version, "good.raucb")
        await self.refused_while_served("kiosk-1", version)
        for ring, kiosks in enumerate(RINGS):
            for kiosk in RINGS[1] if ring == 0 else ():
                told = judge.fleet(self.city)[kiosk]["update"]
                self.must(f"{kiosk}: told too early", not told.get("staged"))
            for kiosk in kiosks:
                took = await self.follow(kiosk, version)
                await self.serve(kiosk, TRUST)
                await asyncio.to_thread(
                    self.boards[kiosk].run, "systemctl start madoguchi-trial.service"
                )
                await self.told(kiosk, trusts(version), "does not trust the good build")
                self.say(f"{kiosk} updated", ring=ring + 1, **took)
        await asyncio.to_thread(
            until, lambda: judge.rollout(self.city)["state"] == "done", "the rollout does not end"
        )
        self.say("good build", rollout=judge.rollout(self.city)["state"])

    async def refused_while_served(self, kiosk: str, version: str) -> None:
        await self.wanted(kiosk, version)
        hold = Hold()
        visit = asyncio.create_task(self.serve(kiosk, 1, hold))
        await asyncio.wait_for(hold.there.wait(), 300)
        try:
            await asyncio.to_thread(self.boards[kiosk].run, FOLLOW)
            raise Wrong("installed while somebody was served")
        except BoardError as error:
            self.must(str(error), "being-served" in str(error))
        hold.go.set()
        await visit
        self.say("not while somebody is served")

    async def dead_build(self) -> None:
        """It never comes up: three starts, and the old one is back by itself."""
        version, kiosk = self.version(2), RINGS[0][0]
        seen = judge.fleet(self.city)
        await self.roll_out(version, "dead.raucb")
        board = self.boards[kiosk]
        before = judge.refused_roots(board.boots)
        took = await self.follow(kiosk, version)
        self.must("three starts", judge.refused_roots(board.boots) - before == 3)
        await self.fell_back(kiosk, version, "dead build", took, seen)

    async def sick_build(self) -> None:
        """It is healthy, and its process dies when the first resident is served."""
        version, kiosk = self.version(3), RINGS[0][0]
        before = judge.fleet(self.city)
        await self.roll_out(version, "sick.raucb")
        board = self.boards[kiosk]
        took = await self.follow(kiosk, version)
        self.must("it is healthy", judge.started(board.boots)[-1] == version)
        began, boots = time.monotonic(), len(board.boots)
        residents = await self.come_in_vain(kiosk, lambda: fell(board, boots))
        await asyncio.to_thread(until, lambda: passed(board), "the old build did not pass its gate")
        await asyncio.to_thread(
            board.run, f"kiosk cases close --config {CONFIG} --all --note rehearsal --fee returned"
        )
        await self.ready(kiosk)
        took["dies_to_old_build_s"] = round(time.monotonic() - began, 1)
        took["residents"] = residents
        await self.fell_back(kiosk, version, "sick build", took, before)

    async def come_in_vain(self, kiosk: str, ends: Callable[[], bool]) -> int:
        """Residents who try, one after the other, until it `ends`: how many. None gets paper."""
        bench = self.town.stands[kiosk].bench
        came, end = 0, time.monotonic() + HANG_S
        while not ends():
            came += 1
            visit = asyncio.create_task(self.serve(kiosk, 1))
            while not visit.done() and not ends():
                await asyncio.sleep(0.5)
            visit.cancel()
            [left] = await asyncio.gather(visit, return_exceptions=True)
            expected = isinstance(left, asyncio.CancelledError | JourneyFailed)
            self.must("the sick build served somebody", expected)
            bench.remove_card()
            self.must("the sick build printed", not bench.take_sheets())
            self.must(f"{kiosk}: it does not fall back", time.monotonic() < end)
        return came

    async def fell_back(
        self, kiosk: str, version: str, what: str, took: Any, before: dict[str, Any]
    ) -> None:
        """Every board runs what it ran `before`, and the city has stopped the rollout."""
        seen = await self.told(
            kiosk, lambda one: one["update"].get("fell_back") == version, "the city does not know"
        )
        was = {name: one["update"]["version"] for name, one in before.items()}
        self.must("the build before runs", seen["update"]["version"] == was[kiosk])
        now = judge.rollout(self.city)
        self.must(f"stopped: {now}", now["state"] == "stopped")
        for other in set(was) - {kiosk}:
            told = judge.fleet(self.city)[other]["update"]
            untouched = told["version"] == was[other] and not told.get("staged")
            self.must(f"{other} has it", untouched)
        view = await self.town.word("fleet", code=1)
        await self.serve(kiosk, 1)
        self.say(
            what, why=seen["update"]["why"], rollout=now["why"], view=view.splitlines(), **took
        )

    # -- one board, by itself

    async def faults(self) -> None:
        self.say("faults", **await site_faults.walk(self.boards["kiosk-2"]))

    async def erasure(self) -> None:
        found = await board_checks.erasure(self.town, self.boards["kiosk-2"])
        self.say("erasure", **found)
        self.must("something of a person stays, or the search is blind", found["clean"])

    async def figures(self) -> None:
        self.say("figures", **await board_checks.figures(self.boards["kiosk-2"]))

    async def soak(self) -> None:
        board = self.boards["kiosk-2"]
        found = await board_checks.soak(self.town, board, self.residents)
        self.say("soak", **found)
        self.must("something grows with the residents", found["within_limits"])

    async def attested(self) -> None:
        """What is not as it was signed, and a build that the city does not know."""
        board = self.boards[ATTESTED]
        found = {one.item: await attested.change(board, one, self.city) for one in attested.CHANGES}
        build = attested.told(board)["build"]
        await self.town.word("builds", "accept", STRANGE)
        known = f"{ATTESTED}: a build that the city does not know serves"
        await asyncio.to_thread(until, lambda: self.refused_by_city(ATTESTED), known, 300)
        view = await self.town.word("fleet", code=1)
        await self.town.word("builds", "accept", build)
        await self.ready(ATTESTED)
        await self.serve(ATTESTED, 1)
        for named in (build, STRANGE):
            await self.town.word("builds", "forget", named)
        self.say("attested", **found, unknown_build=view.splitlines())

    def refused_by_city(self, kiosk: str) -> bool:
        here = attested.told(self.boards[kiosk])["state"] == "out-of-service"
        return here and judge.fleet(self.city)[kiosk]["availability"] == "out-of-service"

    def last_look(self) -> None:
        """The boards are off: what their disks say."""
        for kiosk, board in self.boards.items():
            kernels = judge.kernels(board.disk.loops["esp"])
            notes = judge.notes(board.disk.loops["data"])
            rejected = [self.version(2), self.version(3)] if kiosk == "kiosk-1" else []
            found = {
                "trusted": notes["floor"],
                "on_trial": notes["on_trial"],
                "staged": notes["staged"],
                "rejected": sorted(notes["rejected"]),
                "starts left": kernels[self.version(1)][1],
            }
            expected = {
                "trusted": self.version(1),
                "on_trial": "",
                "staged": "",
                "rejected": rejected,
                "starts left": "",
            }
            for line in judge.wrong(found, expected):
                raise Wrong(f"{kiosk}: {line}")
        self.say(
            "disks", kernels={k: judge.kernels(b.disk.loops["esp"]) for k, b in self.boards.items()}
        )
        self.say("papers", sheets=self.sheets, orders=judge.orders(self.city))


def is_ready(one: dict[str, Any]) -> bool:
    return one["availability"] == "ready" and one["update"] is not None


def trusts(version: str) -> Callable[[dict[str, Any]], bool]:
    def holds(one: dict[str, Any]) -> bool:
        told = one["update"]
        return bool(told["version"] == version and not told.get("on_trial"))

    return holds


def followed(board: Board, version: str) -> bool:
    """One turn of the timer. Nothing is installed at a moment when the city has not answered."""
    board.says(FOLLOW)
    return board.says(f'kiosk update status | grep -q \'"staged": "{version}"\'')


def passed(board: Board) -> bool:
    return board.says("systemctl is-active madoguchi-gate && systemctl is-active madoguchi-kiosk")


def fell(board: Board, boots: int) -> bool:
    """The trial's own timer looks each minute."""
    return any(boot.get("root") == "whole" for boot in board.boots[boots:])
