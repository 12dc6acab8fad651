"""What the documentation must not forget, and where it points."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from city.config import Config as CityConfig
from firmware.link import messages
from firmware.link.client import LineReason
from firmware.service.config import Config as KioskConfig
from firmware.sheets.fault import SheetReason
from firmware.texts.texts import Texts
from firmware.tools import diagnose
from hal.panel import web

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def structs(kind: object) -> list[type[msgspec.Struct]]:
    """The section types in a field's type, unions and tuples included."""
    if get_origin(kind) in (Union, UnionType, tuple):
        return [found for part in get_args(kind) for found in structs(part)]
    return [kind] if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else []


def keys(section: type[msgspec.Struct]) -> set[str]:
    """Every key that may stand in this table, those of tables in it included."""
    hints = get_type_hints(section)
    inner = [found for kind in hints.values() for found in structs(kind)]
    driver = section.__struct_config__.tag_field
    return (
        set(section.__struct_encode_fields__)
        | ({driver} if driver else set())
        | {key for part in inner for key in keys(part)}
    )


def sections() -> list[tuple[str, str, set[str]]]:
    """(half of the page, table's name, its keys)."""
    found = []
    for half, config in (("kiosk", KioskConfig), ("city", CityConfig)):
        for name, kind in get_type_hints(config).items():
            found.append((half, name, set().union(*(keys(part) for part in structs(kind)))))
    return found


def documented(half: str) -> dict[str, set[str]]:
    """Table's name to the keys its rows begin with."""
    kiosk, city = page("configuration.md").split("## The city")
    told: dict[str, set[str]] = {}
    for part in re.split(r"^### ", kiosk if half == "kiosk" else city, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        rows = [
            line.split("|")[1] for line in body.splitlines() if line.startswith(("| `", "| ... `"))
        ]
        for name in re.findall(r"\[(\w+)\]", head):
            told[name] = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    return told


@pytest.mark.parametrize(("half", "name", "wanted"), sections())
def test_every_key_is_documented_and_no_other(half: str, name: str, wanted: set[str]) -> None:
    assert documented(half)[name] == wanted


def test_no_section_is_made_up() -> None:
    for half in ("kiosk", "city"):
        assert set(documented(half)) == {name for part, name, _ in sections() if part == half}


def test_the_index_names_every_page() -> None:
    listed = set(re.findall(r"^\| \[([\w-]+\.md)\]", page("README.md"), re.M))
    assert listed == {path.name for path in PAGES} - {"README.md"}


def anchors(path: Path) -> set[str]:
    """What a link may name behind `#`: the headings of a page, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.M)
    return {
        re.sub(r"[^\w -]", "", heading.lower().strip()).replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("path", [*PAGES, *ROOT.glob("*.md")], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", path.read_text("utf-8")):
        if "://" not in target:
            page = path.parent / target if target else path
            assert page.exists(), target
            assert not anchor or anchor in anchors(page), f"{target}#{anchor}"


@pytest.mark.parametrize("path", [*PAGES, *ROOT.glob("*.md")], ids=lambda path: path.name)
def test_lines_fit(path: Path) -> None:
    """Those of tables need not, nor those that a program writes."""
    text = path.read_text("utf-8")
    if "Written by `python -m" not in text:
        lines = text.splitlines()
        assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []


def known(name: str) -> bool:
    """A path of the project, from its root or from the room it is told of."""
    rooms = ("", "firmware", "firmware/service", "hal", "docs", "hal/sim")
    return any(any(ROOT.glob(f"{room}/{name}".lstrip("/"))) for room in rooms)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_that_are_named_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    rooms = "firmware|hal|city|madoguchi|systemd|locks|flow|service|sheets|link"
    for name in re.findall(rf"`((?:{rooms})/[\w./-]+\.\w+)`", text):
        assert known(name), name


def test_every_refusal_is_explained() -> None:
    told = set(re.findall(r"`([a-z0-9-]+)`", page("domain.md")))
    between_machines = set(
        re.findall(r"^\| `([a-z0-9-]+)` \| \d{3} \|", page("line-messages.md"), re.M)
    )
    assert {code.value for code in messages.RefusalCode} <= told | between_machines
    shown = {key.split(".")[1] for key in Texts.load("ja").known if key.startswith("refusal.")}
    assert shown <= told


def test_every_property_has_its_row() -> None:
    assert re.findall(r"^\| (I\d+) \|", page("domain.md"), re.M) == [f"I{n}" for n in range(1, 11)]


def test_every_message_is_in_the_protocol() -> None:
    text = page("line.md")
    asked = (
        "Hello",
        "SessionRequest",
        "OrderRequest",
        "ReleaseRequest",
        "Outcome",
        "CancelRequest",
        "RenewRequest",
    )
    answers = (
        "Terms",
        "SessionAnswer",
        "OrderAnswer",
        "ReleaseAnswer",
        "RenewAnswer",
        "Done",
        "Manifest",
        "Refusal",
    )
    for name in (*asked, *answers):
        assert hasattr(messages, name)
        assert f"`{name}`" in text


def test_every_reason_that_the_protocol_names_exists() -> None:
    table = page("line.md").split("| somebody | caught by | reason |")[1].split("\n\n")[0]
    named = {
        name
        for row in table.splitlines()[2:]
        for name in re.findall(r"`([a-z-]+)`", row.split("|")[3])
    }
    codes = {
        code.value for kind in (messages.RefusalCode, LineReason, SheetReason) for code in kind
    }
    assert len(named) > 40
    assert named <= codes


def test_every_dependency_is_accounted_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for group in project["optional-dependencies"].values() for one in group),
    ]
    text = page("dependencies.md")
    for requirement in wanted:
        name = re.split(r"[<>=\[]", requirement)[0]
        assert re.search(rf"\b{re.escape(name)}\b", text), name


def test_every_check_is_explained() -> None:
    told = set(re.findall(r"`([a-z-]+)`", page("operations.md")))
    assert {check.name for check in diagnose.CHECKS} | {"configuration"} <= told


def test_the_panels_paths() -> None:
    assert all(
        f"`{path}`" in page("panel-and-voice.md") for path in (web.PAGE, web.WIRE, web.ALIVE)
    )
