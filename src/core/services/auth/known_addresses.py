"""The network addresses that sent a right password to this process lately: they come first when something is scarce."""

from __future__ import annotations

from datetime import timedelta

from ...domain.accounts import host_part
from ...ports.clock import Clock

MAX_AGE = timedelta(hours=24)
MAX_ADDRESSES = 10_000


class KnownAddresses:
    """Remembers addresses by the part that identifies a host (IPv6: the /64). No I/O."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._noted: dict[str, timedelta] = {}
        """Monotonic times, the oldest at the front."""

    def note(self, address: str) -> None:
        """Remember an address that has just authenticated."""
        key = host_part(address)
        self._noted.pop(key, None)
        self._noted[key] = self._clock.monotonic()
        if len(self._noted) > MAX_ADDRESSES:
            del self._noted[next(iter(self._noted))]

    def __contains__(self, address: str) -> bool:
        noted = self._noted.get(host_part(address))
        return noted is not None and self._clock.monotonic() - noted <= MAX_AGE
