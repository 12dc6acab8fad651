"""The guides and all pages as HTML, for a laptop without a network: `python -m
docs.generate.guides_html FOLDER`.

Every link in them is checked: a file or heading that is not there ends it with one line.
"""

from __future__ import annotations

import functools
import html
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

DOCS: Final = Path(__file__).parents[1]
ROOT: Final = DOCS.parent
BESIDE: Final = ("*.png", "*.svg", "*.json")  # what pages show or point to
SHELL: Final = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>
body {{ max-width: 52rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.6 sans-serif; }}
table {{ border-collapse: collapse; }} td, th {{ border: 1px solid #999; padding: .2rem .5rem; }}
pre {{ background: #eee; padding: .5rem; overflow: auto; }} img {{ max-width: 100%; }}
</style></head><body>
{body}</body></html>
"""
ELSEWHERE: Final = re.compile(r"[a-z]+:", re.IGNORECASE)


class LinkError(Exception):
    """One line: the page, and the link that leads nowhere."""


def sources() -> Sequence[Path]:
    """Every page, the guides included."""
    return sorted((*DOCS.glob("*.md"), *DOCS.glob("manual/*.md")))


def write(folder: Path) -> Sequence[Path]:
    """The pages that were written. Raises LinkError."""
    check()
    made = {page: _page(page) for page in sources()}
    for page, text in made.items():
        target = _target(folder, page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for kind in BESIDE:
        for file in DOCS.rglob(kind):
            copy = folder / file.relative_to(DOCS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    return [_target(folder, page) for page in made]


def check() -> None:
    """Every link leads somewhere. Raises LinkError."""
    for page in sources():
        for link in _links(_tokens(page)):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if ELSEWHERE.match(link):
                continue
            if not target.exists():
                raise LinkError(f"{page.relative_to(ROOT)}: {link}: no such file")
            if anchor and anchor not in _anchors(target):
                raise LinkError(f"{page.relative_to(ROOT)}: {link}: no such heading")


def commands(page: Path) -> Iterator[str]:
    """The lines of its blocks of shell."""
    for token in _tokens(page):
        if token.type == "fence" and token.info == "sh":
            yield from token.content.splitlines()


def _target(folder: Path, page: Path) -> Path:
    return (folder / page.relative_to(DOCS)).with_suffix(".html")


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable("table")


def _tokens(page: Path) -> list[Token]:
    return _parser().parse(page.read_text("utf-8"))


def _page(page: Path) -> str:
    tokens = _tokens(page)
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _slug(tokens[place + 1].content))
        for inner in token.children or ():
            if inner.type == "link_open":
                inner.attrSet("href", _as_html(str(inner.attrGet("href"))))
    parser = _parser()
    body = parser.renderer.render(tokens, parser.options, {})
    title = next((token.content for token in tokens if token.type == "inline"), page.stem)
    language = "ja" if page.name.endswith(".ja.md") else "en"
    return SHELL.format(language=language, title=html.escape(title), body=body)


def _as_html(link: str) -> str:
    """A page becomes its HTML."""
    path, mark, anchor = link.partition("#")
    if path.endswith(".md") and not ELSEWHERE.match(link):
        return f"{Path(path).with_suffix('.html').as_posix()}{mark}{anchor}"
    return link


def _links(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        for inner in token.children or ():
            if target := inner.attrGet("href") or inner.attrGet("src"):
                yield str(target)


@functools.cache
def _anchors(page: Path) -> set[str]:
    tokens = _tokens(page)
    return {
        _slug(tokens[place + 1].content)
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    }


def _slug(heading: str) -> str:
    """As the forges make it: letters, digits, hyphens; a blank is a hyphen."""
    words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


def main(argv: Sequence[str]) -> int:
    """0; 1 with one line when a link leads nowhere; 2 for wrong usage."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m docs.generate.guides_html FOLDER\n")
        return 2
    try:
        written = write(Path(argv[0]))
    except LinkError as error:
        sys.stderr.write(f"guides: {error}\n")
        return 1
    print(f"{len(written)} pages in {argv[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
