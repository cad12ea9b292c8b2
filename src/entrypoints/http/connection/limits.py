"""The bounds on connections. Their number follows from the limit on open files."""

from __future__ import annotations

from datetime import timedelta

import msgspec

KEPT_FREE = 128
"""Descriptors that connections leave to the database, logs, pipes and libraries."""

_PER_CONNECTION = 2
"""Descriptors of one connection: its socket, and the file that is received or sent."""

_MIN_TOTAL, _MAX_TOTAL = 16, 2048
_MAX_PER_ADDRESS = 256


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on connections and on what one of them may do.

    Attributes:
        total: connections at the same time.
        per_address: of one address (IPv6: one /64) that has not authenticated lately.
        reserve: part of `total` for addresses that have.
        head_bytes: bytes of a request's line and headers together.
        headers: number of headers of a request.
        pipelined: requests that may wait behind the one that is being answered.
        head_timeout: time for the head of a request, from its first byte, or from the connection's start.
        idle_timeout: time between two requests.
        send_timeout: time in which a client must accept `send_bytes` of a response, or its rest.
    """

    total: int
    per_address: int
    reserve: int
    head_bytes: int = 64 * 1024
    headers: int = 100
    pipelined: int = 8
    head_timeout: timedelta = timedelta(seconds=30)
    idle_timeout: timedelta = timedelta(seconds=15)
    send_timeout: timedelta = timedelta(seconds=30)
    send_bytes: int = 16 * 1024


def limits_for(open_files: int) -> ConnectionLimits:
    """The limits of a process that may open this many files."""
    total = min(max((open_files - KEPT_FREE) // _PER_CONNECTION, _MIN_TOTAL), _MAX_TOTAL)
    share = total // 4
    return ConnectionLimits(total=total, per_address=min(share, _MAX_PER_ADDRESS), reserve=share)
