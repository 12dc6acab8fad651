"""A PostgreSQL server of one's own: on a socket in a temporary folder, gone when it is no longer
needed.

Nothing of an installed cluster is touched. The server refuses to run as root: then it runs as
`postgres`, or `nobody`.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

DEBIAN = Path("/usr/lib/postgresql")
START_S = 30.0
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
}


class NoPostgres(Exception):
    """One line: not installed, or it did not start."""


def missing() -> str:
    """Why there can be no server here; "" when there can."""
    return "" if _program("initdb") and _program("postgres") else "postgresql is not installed"


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    folder: Path
    process: subprocess.Popen[bytes]

    def url(self, database: str, user: str = "madoguchi") -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def run(self, statement: str, database: str = "postgres", user: str = "madoguchi") -> None:
        """Outside of any transaction."""
        with psycopg.connect(
            host=str(self.folder), dbname=database, user=user, autocommit=True
        ) as connection:
            connection.execute(sql.SQL(statement))

    def create(self, template: str = "template0") -> str:
        """A new database, empty or a copy; its name."""
        name = f"city_{secrets.token_hex(8)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        return name


@contextmanager
def running(**settings: str) -> Iterator[Postgres]:
    """`settings` over SETTINGS. Raises NoPostgres."""
    if reason := missing():
        raise NoPostgres(reason)
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 bytes
    user = _user()
    try:
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        server = _start(folder, user, {**SETTINGS, **settings})
        try:
            yield Postgres(folder, server)
        finally:
            stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_again(postgres: Postgres, **settings: str) -> Postgres:
    """After its process has ended."""
    return Postgres(postgres.folder, _serve(postgres.folder, _user(), {**SETTINGS, **settings}))


def stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(3)  # SIGQUIT: at once
    server.wait(START_S)


def _start(
    folder: Path, user: pwd.struct_passwd | None, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    data = folder / "data"
    subprocess.run(
        [
            _program("initdb"),
            "-D",
            data,
            "-A",
            "trust",
            "-U",
            "madoguchi",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
        **_as(user),
    )
    return _serve(folder, user, settings)


def _serve(
    folder: Path, user: pwd.struct_passwd | None, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    log = folder / "log"
    with log.open("ab") as output:
        server = subprocess.Popen(
            [_program("postgres"), "-D", folder / "data", "-k", folder, *options],
            stdout=output,
            stderr=output,
            **_as(user),
        )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(
                host=str(folder), dbname="postgres", user="madoguchi", connect_timeout=2
            ).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return server
    server.kill()
    raise NoPostgres(f"PostgreSQL did not start: {log.read_text()[-2000:]}")


def _program(name: str) -> str:
    """Debian keeps the server's programs off the path; the newest version there is."""
    found = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name) or ""


def _user() -> pwd.struct_passwd | None:
    if os.geteuid():
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return (
        {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"} if user else {}
    )
