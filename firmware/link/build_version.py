"""Versions of images, which kiosk and city compare in the same way."""

from __future__ import annotations

import msgspec

from firmware.link.messages import BuildVersion


def is_version(text: str) -> bool:
    """Whether it can be a part of a file's name, among others."""
    try:
        msgspec.convert(text, BuildVersion)
    except msgspec.ValidationError:
        return False
    return True


def is_newer(one: str, other: str) -> bool:
    """Whether version `one` comes after `other`; everything comes after ""."""
    return numbers(one) > numbers(other)


def numbers(version: str) -> tuple[int, ...]:
    """For comparing."""
    return tuple(int(part) for part in version.split(".") if part)
