"""How often somebody may ask: token buckets, one for all and one for each address, in bounded
memory.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MOST_ADDRESSES: Final = (
    10_000  # remembered at once; the one that has been silent longest is forgotten
)
IPV6_PREFIX: Final = 64  # what one subscriber is given


@dataclass(frozen=True)
class Limit:
    burst: float  # requests at once
    a_second: float  # requests, for ever


class Bucket:
    def __init__(self, limit: Limit, now: float) -> None:
        self._limit = limit
        self._tokens = limit.burst
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until the next request would be let through: 0 when it is now."""
        self._tokens = min(
            self._limit.burst, self._tokens + (now - self._at) * self._limit.a_second
        )
        self._at = now
        return max(0.0, (1 - self._tokens) / self._limit.a_second)

    def take(self) -> None:
        self._tokens -= 1


class Limiter:
    """One kind of request. `clock`: seconds that never go back."""

    def __init__(self, each: Limit, everybody: Limit, clock: Callable[[], float]) -> None:
        self._each = each
        self._clock = clock
        self._everybody = Bucket(everybody, clock())
        self._addresses: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        """Addresses remembered."""
        return len(self._addresses)

    def refused_s(self, address: str) -> int:
        """0: counted and let through. Otherwise refused, and whole seconds until it is worth asking
        again.
        """
        now = self._clock()
        mine = self._bucket(address, now)
        wait = max(mine.wait(now), self._everybody.wait(now))
        if wait > 0:
            return math.ceil(wait)
        mine.take()
        self._everybody.take()
        return 0

    def _bucket(self, address: str, now: float) -> Bucket:
        bucket = self._addresses.pop(address, None) or Bucket(self._each, now)
        self._addresses[address] = bucket
        if len(self._addresses) > MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        return bucket


def subscriber(address: str) -> str:
    """Whom an address is counted as: itself, or its network in IPv6; "" for what is no address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
