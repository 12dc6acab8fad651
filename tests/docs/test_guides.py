"""The guides as HTML: links lead somewhere, and each command in them is one, with its options."""

from __future__ import annotations

import contextlib
import re
import shlex
from html.parser import HTMLParser
from itertools import takewhile
from pathlib import Path

import pypdfium2
import pytest

from docs.generate import guides_html, guides_pdf
from docs.generate.guides_html import LinkError, commands
from docs.generate.guides_pdf import PdfError
from firmware.tools.cli import commands as known
from firmware.tools.cli import main

GUIDES = sorted(guides_html.DOCS.glob("manual/*.md"))
ENGLISH = [page for page in GUIDES if page.name.endswith(".en.md")]
# Programs of Debian that the guides name.
OTHERS = {"systemctl", "journalctl", "timedatectl"}


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            if name == "id" and value:
                self.ids.add(value)


def read(page: Path) -> Links:
    found = Links()
    found.feed(page.read_text("utf-8"))
    return found


def test_every_link_in_the_html_leads_somewhere(tmp_path: Path) -> None:
    pages = {page: read(page) for page in guides_html.write(tmp_path)}
    assert len(pages) > 40
    for page, found in pages.items():
        for link in found.links:
            if guides_html.ELSEWHERE.match(link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), (page.name, link)
            assert not anchor or anchor in pages[target].ids, (page.name, link)


@pytest.mark.browser
def test_a_guide_is_printed_with_its_pages_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "<html lang='ja'><head><title>手引き</title></head><body>"
    (tmp_path / "manual").mkdir()
    page = tmp_path / "manual/short.ja.html"
    page.write_text(f"{text}<p style='break-after:page'>一枚目</p><p>二枚目</p></body></html>")
    [made] = guides_pdf.write(tmp_path)
    with contextlib.closing(pypdfium2.PdfDocument(made)) as pdf:
        words = [sheet.get_textpage().get_text_bounded() for sheet in pdf]
    assert ["一枚目" in words[0], "二枚目" in words[1], len(words)] == [True, True, 2]
    assert [f"{number} / 2" in found for number, found in enumerate(words, 1)] == [True, True]
    assert all("手引き" in found for found in words)
    assert [file.name for file in page.parent.glob("*.print.html")] == []
    monkeypatch.setattr(guides_pdf, "CHROMIUM", "no-such-browser")
    with pytest.raises(PdfError, match="apt install"):
        guides_pdf.write(tmp_path)


@pytest.mark.parametrize("link", ["nowhere.md", "hal.md#nothing", "#nothing"])
def test_a_link_that_leads_nowhere_is_found(
    link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n[there]({link})\n")
    (tmp_path / "hal.md").write_text("# Drivers\n")
    monkeypatch.setattr(guides_html, "sources", lambda: [page])
    monkeypatch.setattr(guides_html, "ROOT", tmp_path)
    with pytest.raises(LinkError, match=re.escape(link)):
        guides_html.check()


def asked(line: str) -> list[list[str]]:
    """The programs of one line, with their words."""
    words = shlex.split(line, comments=True)
    found: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", ";"):
            found.append([])
        elif word.endswith(";"):
            found[-1].append(word[:-1])
            found.append([])
        else:
            found[-1].append(word)
    return [each for each in found if each]


@pytest.mark.parametrize("guide", ENGLISH, ids=lambda page: page.name)
def test_every_command_is_one_and_has_its_options(
    guide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for program, *words in (each for line in commands(guide) for each in asked(line)):
        if program in OTHERS:
            continue
        assert program == "kiosk", program
        depth = next(n for n in (3, 2, 1) if tuple(words[:n]) in known())
        action = list(takewhile(lambda word: word.isalpha() and word.islower(), words[depth:]))
        with pytest.raises(SystemExit) as ended:
            main([*words[:depth], *action, "--help"])
        assert ended.value.code == 0, words
        told = capsys.readouterr().out
        for option in (word for word in words if word.startswith("--")):
            assert option in told, (words, option)


def test_both_languages_ask_for_the_same() -> None:
    for guide in GUIDES:
        other = guide.with_name(guide.name.replace(".en.", ".ja."))
        programs = [asked(line) for line in commands(guide)]
        theirs = [asked(line) for line in commands(other)]
        assert [shape(each) for each in programs] == [shape(each) for each in theirs], guide.name


def shape(programs: list[list[str]]) -> list[list[str]]:
    """Without what is written in a person's words."""
    return [[word for word in words if " " not in word and word.isascii()] for words in programs]
