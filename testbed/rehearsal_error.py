"""What stops a rehearsal before it begins."""

from __future__ import annotations


class RehearsalError(Exception):
    """One line: what is missing or in the way, and what to do."""
