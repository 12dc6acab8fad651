"""Nothing keeps a PIN: after VERIFY no memory of the process holds the command that carried it."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hal.sim.card.pki import load_card, make_card, make_card_ca
from hal.sim.card.wire import CardProgram

PIN = "4071"
VERIFY = bytes(
    [0x00, 0x20, 0x00, 0x98, 4]
)  # the command's head: four digits alone are everywhere in a process
# What the kiosk does with a PIN, in a process of its own: the digits come one by one, as from the
# panel.
COUNTER = """
import socket, sys, time
from pathlib import Path
from firmware.link.clock import board_time
from firmware.service.card_desk import CardDesk, load_trust
from firmware.service.vault import Vault
from hal.card.contract import CardPresence
from hal.card.vpcd import SocketReader

listener = socket.create_server(("127.0.0.1", 0))
reader = SocketReader(listener)
reader.start(lambda _: None)
print(listener.getsockname()[1], flush=True)
while reader.status().presence is not CardPresence.PRESENT:
    time.sleep(0.002)
desk, vault = CardDesk(reader, load_trust((Path(sys.argv[1]),)), True, board_time), Vault("5" * 32)
desk.read(1, reader.status().stay)
desk.read_ahead(1)
digits = [int(digit) for digit in sys.stdin.readline().split()]
apdu = [0, 0x20, 0, 0x98, 4] + [48 + digit for digit in digits]
careless = bytes(apdu) if sys.argv[2] == "careless" else b""
for digit in digits:
    vault.pin.add(digit)
print(type(desk.authenticate(1, vault, "kiosk-1", bytes(32))).__name__, flush=True)
sys.stdin.read()
"""


def memory(pid: int) -> bytes:
    """Everything the process can write to."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", 0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if span:
                start, end = int(span[1], 16), int(span[2], 16)
                mem.seek(start)
                try:
                    found.append(mem.read(end - start))
                except OSError:  # a mapping of the kernel's own
                    continue
    return b"\0".join(found)


@pytest.mark.parametrize("way", ["careful", "careless"])
def test_after_verify_the_pin_is_nowhere(tmp_path: Path, way: str) -> None:
    """The careless process shows that the search finds what is there."""
    now, day = datetime.now(UTC), timedelta(days=1)
    ca = make_card_ca(tmp_path / "ca")
    make_card(tmp_path / "card", ca, "T0001234567890A", PIN, now - day, now + day)
    words = [sys.executable, "-c", COUNTER, str(tmp_path / "ca" / "ca.der"), way]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        program = CardProgram(
            load_card(tmp_path / "card"), ("127.0.0.1", int(process.stdout.readline()))
        )
        program.insert()
        process.stdin.write(" ".join(PIN).encode() + b"\n")
        process.stdin.flush()
        answer = process.stdout.readline().decode().strip()
        try:
            left = memory(process.pid)
        except PermissionError:
            pytest.skip("not here: the kernel lets nobody look into another process")
        finally:
            process.stdin.close()
            program.remove()
    assert answer == "CardAuthenticated"
    assert (VERIFY + PIN.encode() in left) is (way == "careless")
