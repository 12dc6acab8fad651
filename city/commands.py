"""The words of the city's commands: the module whose `main(argv)` each is (or module:function), and
what it does.
"""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("city",): ("city.cli", "the city's gateway, and what its operator does"),
}
