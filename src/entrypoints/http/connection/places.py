"""Who may connect: bounded places in total and per address, with a reserve for addresses that authenticated."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import NamedTuple, Protocol

from ....core.domain.accounts import host_part
from ....core.domain.connections import ConnectionEnd
from ....core.ports.telemetry import Telemetry
from ....core.services.support.null_telemetry import NULL_TELEMETRY
from .ends import ConnectionEnds
from .limits import ConnectionLimits

OWN_ADDRESSES = ("127.0.0.1", "::1")
"""This machine to itself: a proxy that is not configured, health checks."""


class Connection(Protocol):
    """A connection as the server sees it from outside."""

    def cut(self) -> None:
        """Close it at once."""
        ...

    def check(self, now: float) -> None:
        """Apply its timeouts."""
        ...


class _Place(NamedTuple):
    host: str
    address: str
    is_shared: bool


class Places:
    """The connections of a server.

    A new connection takes the place of the one that has waited longest for a request, if all are taken: a client that
    connects and sends nothing keeps no other out. It is refused only while requests are in progress on all of them.

    `known`: addresses that authenticated lately; they may use the reserve and have no bound of their own. The same
    holds for `shared`, addresses that stand for many clients: trusted proxies, and this machine's own.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        *,
        known: Container[str] = frozenset(),
        shared: Container[str] = frozenset(),
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self.limits = limits
        self._known = known
        self._shared = shared
        self._telemetry = telemetry
        self._shown: int | None = None
        self._ends = ConnectionEnds(telemetry)
        self._places: dict[Connection, _Place] = {}
        self._counts: dict[str, int] = {}
        self._waiting: dict[Connection, None] = {}
        """Without a request in progress, the longest first; of addresses without a privilege."""
        self._waiting_known: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._places)

    @property
    def waiting(self) -> int:
        """How many connections have no request in progress."""
        return len(self._waiting) + len(self._waiting_known)

    def enter(self, connection: Connection, address: str, now: float) -> ConnectionEnd | None:
        """Give a new connection a place, where it waits for a request; the reason if there is none."""
        place = _Place(host_part(address), address, address in self._shared)
        host, privileged = place.host, self._is_privileged(place)
        if not privileged and self._counts.get(host, 0) >= self.limits.per_address:
            replaced = next((other for other in self._waiting if self._places[other].host == host), None)
            if replaced is None:
                return self.ended(ConnectionEnd.TOO_MANY_OF_ADDRESS, now)
            self._replace(replaced, now)
        if len(self._places) >= self.limits.total - (0 if privileged else self.limits.reserve):
            replaced = next(iter(self._waiting), None)
            if replaced is None and privileged:
                replaced = next(iter(self._waiting_known), None)
            if replaced is None:
                return self.ended(ConnectionEnd.TOO_MANY, now)
            self._replace(replaced, now)
        self._places[connection] = place
        self._counts[host] = self._counts.get(host, 0) + 1
        (self._waiting_known if privileged else self._waiting)[connection] = None
        return None

    def works(self, connection: Connection) -> None:
        """A request is in progress on the connection."""
        self._waiting.pop(connection, None)
        self._waiting_known.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """The connection waits for its next request."""
        if (place := self._places.get(connection)) is not None:
            self.works(connection)
            (self._waiting_known if self._is_privileged(place) else self._waiting)[connection] = None

    def leave(self, connection: Connection) -> None:
        """The connection has ended, or is about to."""
        place = self._places.pop(connection, None)
        if place is None:
            return
        self.works(connection)
        self._counts[place.host] -= 1
        if not self._counts[place.host]:
            del self._counts[place.host]

    def ended(self, reason: ConnectionEnd, now: float) -> ConnectionEnd:
        """Count a connection that the server ended."""
        self._ends.note(reason, now)
        return reason

    def check(self, now: float) -> None:
        """Apply the timeouts of all connections."""
        for connection in [*self._places]:
            connection.check(now)
        self._ends.log_due(now)
        if self._shown != len(self._places):
            self._shown = len(self._places)
            self._telemetry.connections_open(self._shown, limit=self.limits.total)

    def _replace(self, connection: Connection, now: float) -> None:
        self.leave(connection)
        self.ended(ConnectionEnd.REPLACED, now)
        connection.cut()

    def _is_privileged(self, place: _Place) -> bool:
        return place.is_shared or place.address in self._known


class PlaceChecks:
    """The regular `check` of a server's places. It is a timer, not a task: it never waits for anything."""

    def __init__(self, places: Places) -> None:
        limits = places.limits
        shortest = min(limits.head_timeout, limits.idle_timeout, limits.send_timeout).total_seconds()
        self._interval = min(shortest / 4, 1.0)
        self._places = places
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()

        def check() -> None:
            self._timer = loop.call_later(self._interval, check)
            self._places.check(loop.time())

        self._timer = loop.call_later(self._interval, check)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
