"""Whether a text shows a PIN. Its four digits also stand by chance in a fingerprint, an address of
memory or a time: there they are part of a longer number.
"""

from __future__ import annotations

import re
from typing import Final

NUMBER: Final = re.compile(r"[0-9A-Fa-fx.]+")


def shows(pin: str, text: str) -> bool:
    """Whether `pin` stands in `text` by itself."""
    return pin in NUMBER.findall(text)
