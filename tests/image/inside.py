"""What only a booted board can tell of itself. Runs in it, as root, with Debian's Python alone.

python3 inside.py SECONDS      prints one JSON object; it counts wake-ups for SECONDS
"""

import errno
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

OURS = ("madoguchi-kiosk", "madoguchi-panel", "madoguchi-metrics")
UNITS = (*OURS, "pcscd", "seatd")
BESIDE = ("systemd-resolved", "systemd-timesyncd")  # Debian's own, to compare
CGROUPS = Path("/sys/fs/cgroup")
ELSEWHERE = ("10.0.2.3", 53)  # answers on QEMU's network, and is not the city
FREE_PORT = 8099
LOOPBACK, OUT = "send to the loopback", "send to {}:{}".format(*ELSEWHERE)


def said(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip()


def cgroup(unit: str) -> Path:
    """Where its program is, which another one could have moved out of its unit."""
    pid = said("systemctl", "show", unit, "-p", "MainPID", "--value")
    try:
        place = Path("/proc", pid, "cgroup").read_text().strip().rpartition(":")[2]
    except OSError:
        place = f"/system.slice/{unit}.service"
    return CGROUPS / place.lstrip("/")


def processes(unit: str) -> list[Path]:
    files = cgroup(unit).rglob("cgroup.procs")
    return [Path("/proc", pid) for file in files for pid in file.read_text().split()]


def number(process: Path, file: str, name: str) -> int:
    try:
        found = re.search(rf"^{name}:\s+(\d+)", (process / file).read_text(), re.M)
    except OSError:  # it has ended
        return 0
    return int(found[1]) if found else 0


def memory_mib(unit: str) -> float:
    """Its share of all that is in memory (PSS)."""
    kib = sum(number(process, "smaps_rollup", "Pss") for process in processes(unit))
    return round(kib / 1024, 1)


def wakes(unit: str) -> int:
    """How often its threads were woken since they began."""
    threads = [thread for process in processes(unit) for thread in (process / "task").iterdir()]
    return sum(number(thread, "status", "voluntary_ctxt_switches") for thread in threads)


def exposure(unit: str) -> str:
    found = re.search(r"Overall exposure.*?: ([\d.]+)", said("systemd-analyze", "security", unit))
    return found[1] if found else "not there"


def bind(port: int) -> None:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", port))


def send(address: tuple[str, int]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.sendto(bytes(12), address)


def tried(unit: str, action: Callable[..., None], *arguments: object) -> str:
    """What becomes of it in a process that belongs to the unit; without one, to none of ours."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            if unit:
                (cgroup(unit) / "cgroup.procs").write_text(str(os.getpid()))
            action(*arguments)
            word = "allowed"
        except OSError as error:
            word = errno.errorcode.get(error.errno or 0, str(error))
        os.write(writer, word.encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(reader, 100).decode()


def limits(unit: str) -> dict[str, str]:
    return {
        f"bind {FREE_PORT}": tried(unit, bind, FREE_PORT),
        LOOPBACK: tried(unit, send, ("127.0.0.1", FREE_PORT)),
        OUT: tried(unit, send, ELSEWHERE),
    }


def main() -> None:
    seconds = float(sys.argv[1])
    before = {unit: wakes(unit) for unit in UNITS}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    found = {
        "boot": said("systemd-analyze", "time").splitlines(),
        "slowest": said("systemd-analyze", "blame", "--no-pager").splitlines()[:12],
        "chain": said(
            "systemd-analyze", "critical-chain", "--no-pager", "madoguchi-panel.service"
        ).splitlines()[4:],
        "exposure": {unit: exposure(unit) for unit in (*UNITS, *BESIDE)},
        "pss_mib": {unit: memory_mib(unit) for unit in UNITS},
        "wakes_per_s": {
            unit: round((wakes(unit) - count) / passed, 1) for unit, count in before.items()
        },
        "limits": {unit or "no unit": limits(unit) for unit in ("", *OURS)},
        "failed": said("systemctl", "--failed", "--no-legend", "--no-pager").splitlines(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
