"""Two PostgreSQL servers, the second one a standby of the first by streaming replication: the first
dies as a machine dies, and the second takes over.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import postgres_server
import psycopg

from testbed.load import postgres
from testbed.load.postgres import Postgres

WITHIN_S = 30.0


@dataclass
class Pair:
    """`url` names both servers: who connects comes to the one that takes writes."""

    first: Postgres
    second: Postgres

    def url(self, database: str) -> str:
        hosts = f"{self.first.folder},{self.second.folder}"
        return (
            f"postgresql+psycopg://madoguchi@/{database}?host={hosts}"
            "&target_session_attrs=read-write"
        )

    def wait_for_each_other(self) -> None:
        """From now on a COMMIT is answered when the standby has it on its disk, too."""
        self.first.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.first.run("SELECT pg_reload_conf()")
        deadline = time.monotonic() + WITHIN_S
        while not self.asked("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"):
            assert time.monotonic() < deadline, "the standby did not come"
            time.sleep(0.02)

    def asked(self, question: str) -> int:
        """One number, of the first server."""
        with psycopg.connect(
            host=str(self.first.folder), dbname="postgres", user="madoguchi"
        ) as connection:
            [found] = connection.execute(question).fetchone() or (0,)  # type: ignore[arg-type]
        return int(found)

    def stop_receiving(self) -> None:
        """The standby gets nothing more, and nobody hears of it."""
        self.second.run("ALTER SYSTEM SET primary_conninfo = ''")
        self.second.run("SELECT pg_reload_conf()")
        deadline = time.monotonic() + WITHIN_S
        while self.asked("SELECT count(*) FROM pg_stat_replication"):
            assert time.monotonic() < deadline, "the standby does not stop"
            time.sleep(0.02)

    def kill_first(self) -> None:
        """All of its processes at once, as with the machine's power."""
        main = self.first.process.pid
        os.kill(main, signal.SIGSTOP)  # it starts none anew
        for pid in (*_children(main), main):
            os.kill(pid, signal.SIGKILL)
        self.first.process.wait()

    def promote(self) -> None:
        self.second.run("SELECT pg_promote(wait_seconds => 30)")


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(pid) for pid in found.split()]


@contextmanager
def running() -> Iterator[Pair]:
    """Skips the test when PostgreSQL is not installed."""
    with postgres_server.running() as first:
        folder = Path(tempfile.mkdtemp(prefix="pg-"))
        user = postgres._user()
        try:
            if user:
                os.chown(folder, user.pw_uid, user.pw_gid)
            copy = [postgres._program("pg_basebackup"), "-D", folder / "data", "-R"]
            subprocess.run(
                [*copy, "-h", first.folder, "-U", "madoguchi", "--checkpoint=fast", "--no-sync"],
                check=True,
                capture_output=True,
                **postgres._as(user),
            )
            again = {"wal_retrieve_retry_interval": "200ms"}  # a lost primary is noticed soon
            settings = {**postgres.SETTINGS, **postgres_server.HASTE, **again}
            second = Postgres(folder, postgres._serve(folder, user, settings))
            try:
                yield Pair(first, second)
            finally:
                postgres.stop(second.process)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
