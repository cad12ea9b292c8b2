"""Refused and cut connections: counted in the metrics, logged at most once a minute for each reason."""

from __future__ import annotations

import logging
from collections import Counter

from ....core.domain.connections import ConnectionEnd
from ....core.ports.telemetry import Telemetry

_log = logging.getLogger("photochanger.http")

LOG_SECONDS = 60.0


class ConnectionEnds:
    """Counts the connections that the server ended. `now` is monotonic, in seconds."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._unlogged: Counter[ConnectionEnd] = Counter()
        self._logged_at: dict[ConnectionEnd, float] = {}

    def note(self, reason: ConnectionEnd, now: float) -> None:
        """Count one; the first of a minute is logged at once."""
        self._telemetry.connection_ended(reason)
        self._unlogged[reason] += 1
        self._log_due(reason, now)

    def log_due(self, now: float) -> None:
        """Log what came after the last line, where that line is a minute old."""
        for reason in [*self._unlogged]:
            self._log_due(reason, now)

    def _log_due(self, reason: ConnectionEnd, now: float) -> None:
        logged_at = self._logged_at.get(reason)
        if logged_at is None or now - logged_at >= LOG_SECONDS:
            self._logged_at[reason] = now
            _log.warning("connections ended by the server: %s (%d)", reason.value, self._unlogged.pop(reason))
