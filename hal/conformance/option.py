"""What pytest loads wherever `madoguchi` is installed: the option `--bench`, and nothing else.

Where the option is given, it loads the plugin.
"""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGIN = "hal.conformance.plugin"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bench", type=Path, metavar="FILE", help="the bench whose drivers are tried (TOML)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--bench") is not None:
        config.pluginmanager.import_plugin(PLUGIN)
