"""Whether a client still reads: what it acknowledges, not only what the kernel buffers for it."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

_BYTES_ACKED = struct.Struct("=Q")
_BYTES_ACKED_AT = 120
"""`tcpi_bytes_acked` in `struct tcp_info` of Linux 4.1 and later."""


class SendProgress:
    """Finds a client that stops reading, also one that the kernel takes megabytes for without telling.

    A slow client is none of those: it must accept `least` bytes in `period` seconds, or all that is left.
    """

    def __init__(self, transport: asyncio.Transport, *, period: float, least: int) -> None:
        self._transport = transport
        self._period = period
        self._least = least
        self._since: float | None = None
        self._buffered = 0
        self._acknowledged = 0

    def has_stopped(self, now: float) -> bool:
        """Whether data has waited for a whole period without enough progress."""
        buffered = self._transport.get_write_buffer_size()
        if not buffered:
            self._since = None
            return False
        if self._since is None:
            self._begin(now, buffered)
            return False
        if now - self._since < self._period:
            return False
        acknowledged = _bytes_acked(self._transport.get_extra_info("socket"))
        progress = max(self._buffered - buffered, acknowledged - self._acknowledged)
        self._begin(now, buffered)
        return progress < self._least

    def _begin(self, now: float, buffered: int) -> None:
        self._since = now
        self._buffered = buffered
        self._acknowledged = _bytes_acked(self._transport.get_extra_info("socket"))


def _bytes_acked(sock: Any) -> int:
    """Bytes that the client's kernel has acknowledged; 0 where the system does not say."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None or sock is None:
        return 0
    try:
        info: bytes = sock.getsockopt(socket.IPPROTO_TCP, option, _BYTES_ACKED_AT + _BYTES_ACKED.size)
    except OSError:  # a Unix socket, or one that was just closed
        return 0
    if len(info) < _BYTES_ACKED_AT + _BYTES_ACKED.size:
        return 0
    acked: int = _BYTES_ACKED.unpack_from(info, _BYTES_ACKED_AT)[0]
    return acked
