"""The program of systemd/screen, which belongs to no package: a board runs it by its path."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PATH = Path(__file__).parents[1] / "systemd/screen/screen.py"
_spec = importlib.util.spec_from_file_location("screen", PATH)
assert _spec and _spec.loader
screen = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(screen)
