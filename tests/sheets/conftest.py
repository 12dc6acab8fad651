"""Certificates that are right."""

from __future__ import annotations

import pytest
from sheet_cases import HANAKO, TARO, YOSHIDA, Case, case, document


@pytest.fixture(scope="session")
def household() -> Case:
    """Three sheets, ten people."""
    return case(document(names=(TARO, HANAKO, YOSHIDA, *(f"葛\U000e0102城　{n}郎" for n in "二三四五六七八"))))


@pytest.fixture(scope="session")
def single() -> Case:
    return case(document())


@pytest.fixture(scope="session")
def inkan() -> Case:
    return case(document("inkan"))
