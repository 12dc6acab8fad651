"""The packet filter of the image, tried from outside of a network namespace that has it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FILTER = Path(__file__).parents[2] / "systemd/image/root/etc/nftables.conf"
NEEDS = ("nft", "ip", "unshare", "nsenter", "python3")
# Two namespaces with a wire between them. Ours is the board, where a program listens at 8099.
PLAY = """
import socket, subprocess, sys

def run(*words, **more):
    return subprocess.run(words, check=True, **more)

def reached(address, *through):
    words = (*through, sys.executable, "-c",
        f"import socket; socket.create_connection(({address!r}, 8099))")
    return subprocess.run(words, stderr=subprocess.DEVNULL).returncode == 0

listening = socket.create_server(("", 8099))
outside = subprocess.Popen(
    ("unshare", "-n", "sh", "-c", "echo; exec sleep 600"), stdout=subprocess.PIPE)
outside.stdout.readline()  # it is in its own namespace now
try:
    there = ("nsenter", "-t", str(outside.pid), "-n")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "board", "type", "veth", "peer", "name", "wire", "netns",
        str(outside.pid))
    run("ip", "addr", "add", "10.9.0.1/24", "dev", "board")
    run("ip", "link", "set", "board", "up")
    run(*there, "ip", "addr", "add", "10.9.0.2/24", "dev", "wire")
    run(*there, "ip", "link", "set", "wire", "up")
    print("without", reached("10.9.0.1", *there))
    run("nft", "-f", sys.argv[1])
    print("with", reached("10.9.0.1", *there))
    print("loopback", reached("127.0.0.1"))
    run("nft", "-f", "-", input=b"add rule inet board site tcp dport 8099 accept")
    print("site", reached("10.9.0.1", *there))
finally:
    outside.kill()
"""


def test_a_program_that_listens_is_reached_from_outside_only_where_the_site_says_so() -> None:
    if os.geteuid() != 0 or not all(map(shutil.which, NEEDS)):
        pytest.skip("needs root, nftables and iproute2")
    words = ("unshare", "-n", "python3", "-I", "-c", PLAY, str(FILTER))
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.split() == [
        *("without", "True", "with", "False"),
        *("loopback", "True", "site", "True"),
    ], done.stderr
