"""The search of the erasure check finds what is there, wherever it is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.erasure import controls
from testbed.erasure.people import ENCODINGS, Needle, _needles
from testbed.erasure.search import OVERLAP, PIECE, family, search_files, written_since

TEXTS = {
    "name": "榛檜楓柊　蓮菫葵茜",
    "address": "椿萩梓楠桂",
    "birth date": "昭和33年2月17日",
    "card subject": "0f1e2d3c4b5a69788796a5b4",
    "document text": "柏欅椛藍菖",
}
NEEDLES = tuple(_needles("somebody", TEXTS, "7391"))


def test_every_kind_of_needle_in_every_encoding() -> None:
    assert {needle.what for needle in NEEDLES} == {*TEXTS, "PIN"}
    for what in TEXTS:
        assert {n.encoding for n in NEEDLES if n.what == what} == set(ENCODINGS)
    assert len({needle.content for needle in NEEDLES}) == len(NEEDLES)
    assert all("榛" not in repr(needle) for needle in NEEDLES)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into another's memory")
def test_what_is_planted_is_found() -> None:
    assert controls.missed(NEEDLES) == {way: [] for way in controls.WAYS}


def test_a_search_that_is_blind_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Needle("nobody", "name", "utf-8", b"never planted")
    monkeypatch.setattr(controls, "_searched", lambda way, _: search_files(way, [], [other]))
    assert controls.missed([other]) == {way: [other.name] for way in controls.WAYS}


@pytest.mark.parametrize("at", [0, PIECE - 5, PIECE, 2 * PIECE - 1])
def test_a_needle_across_two_pieces_of_a_file_is_found(tmp_path: Path, at: int) -> None:
    needle = NEEDLES[0]
    assert max(len(one.content) for one in NEEDLES) < OVERLAP
    path = tmp_path / "kept"
    path.write_bytes(bytes(at) + needle.content + bytes(PIECE))
    assert [hit.needle for hit in search_files("x", [path], NEEDLES).hits] == [needle]


def test_the_name_of_a_file_is_searched_too(tmp_path: Path) -> None:
    path = tmp_path / f"{TEXTS['name']}.pdf"
    path.touch()
    [hit] = search_files("x", [path], NEEDLES).hits
    assert TEXTS["name"] not in hit.where


def test_what_was_written_since(tmp_path: Path) -> None:
    old, new, city = tmp_path / "old", tmp_path / "new", tmp_path / "city"
    old.touch()
    began = time.time() + 1
    city.mkdir()
    for path in (new, city / "inner", tmp_path / "city.log"):
        path.touch()
        os.utime(path, (began + 1, began + 1))
    found = set(written_since([tmp_path], began, [city, tmp_path / "city.log"]))
    assert found == {new}


def test_a_family_is_all_that_came_of_a_process() -> None:
    words = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", words], stdin=subprocess.PIPE) as process:
        end = time.monotonic() + 60
        while len(family(process.pid)) != 2:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert process.stdin
        process.stdin.close()
    assert family(process.pid) == []
