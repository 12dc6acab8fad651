"""The screen that needs no part of the kiosk: what is drawn, and what it starts again."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from out_of_service import PATH, screen
from PIL import Image, ImageChops

from docs.generate.out_of_service import OUT, picture


def drawn(folder: Path, width: int, height: int, bits: int, spare: int = 0) -> Image.Image:
    """What a frame buffer of this size shows. `spare`: bytes at the end of each of its lines."""
    size = bits // 8
    stride = width * size + spare
    for name, value in (
        ("virtual_size", f"{width},{height}"),
        ("bits_per_pixel", bits),
        ("stride", stride),
    ):
        (folder / name).write_text(f"{value}\n")
    device = folder / "fb0"
    device.write_bytes(b"\x55" * stride * height)
    screen.draw(OUT.read_bytes(), device, folder)
    data = device.read_bytes()
    assert len(data) == stride * height
    lines = (data[y * stride : y * stride + width * size] for y in range(height))
    return Image.frombytes("L", (width, height), b"".join(line[::size] for line in lines))


def test_the_picture_is_what_the_texts_say() -> None:
    with Image.open(OUT) as kept:
        assert ImageChops.difference(kept.convert("L"), picture().convert("L")).getbbox() is None


@pytest.mark.parametrize(
    ("width", "height", "bits", "scale"),
    [(1920, 1080, 32, 2), (1080, 1920, 32, 1), (800, 480, 16, 1)],
)
def test_it_stands_in_the_middle(
    width: int, height: int, bits: int, scale: int, tmp_path: Path
) -> None:
    shown = drawn(tmp_path, width, height, bits, spare=64)
    large = picture().convert("L").resize((800 * scale, 440 * scale), Image.Resampling.NEAREST)
    wanted = Image.new("L", (width, height), 255)
    wanted.paste(large, ((width - large.width) // 2, (height - large.height) // 2))
    assert ImageChops.difference(shown, wanted).getbbox() is None


def test_a_smaller_screen_shows_the_middle(tmp_path: Path) -> None:
    shown = drawn(tmp_path, 640, 400, 32)
    wanted = picture().convert("L").crop((80, 20, 720, 420))
    assert ImageChops.difference(shown, wanted).getbbox() is None


def test_without_a_screen_the_kiosk_is_started_again_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[tuple[str, ...]] = []
    for name in ("DEVICE", "FACTS", "CONSOLE"):
        monkeypatch.setattr(screen, name, tmp_path / "none" / name)
    monkeypatch.setattr(screen, "AGAIN_S", 0.0)
    monkeypatch.setattr(screen, "systemctl", lambda *words: said.append(words))
    for action in screen.ACTIONS.values():
        action()
    again = [("reset-failed", *screen.UNITS), ("--no-block", "start", *screen.UNITS)]
    stopped = [screen.AGAIN, *screen.UNITS, screen.AGAIN]
    assert said == [*again, *(("stop", unit) for unit in stopped), *again]
    assert screen.AGAIN.partition("@")[2] in [f"{action}.service" for action in screen.ACTIONS]


@pytest.mark.parametrize("told", [None, "", "{}", '{"report": {"availability": "ready"}}'])
def test_systemd_is_asked_where_the_kiosk_has_said_nothing(
    told: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As with a key of the line that systemd cannot hand over: there was no process."""
    monkeypatch.setattr(screen, "STATUS", tmp_path / "status.json")
    if told is not None:
        (tmp_path / "status.json").write_text(told)
    monkeypatch.setattr(screen, "unit", lambda: "start.unit: Result=exit-code ExecMainStatus=243")
    assert screen.cause() == "start.unit: Result=exit-code ExecMainStatus=243"


def test_it_needs_nothing_but_python() -> None:
    for node in ast.walk(ast.parse(PATH.read_text())):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        assert all(name.partition(".")[0] in sys.stdlib_module_names for name in names)
    command = [sys.executable, "-I", str(PATH), "no-such-action"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 1
