"""Ports of loopback that stay a test's own while nothing listens there."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


def bound_to(port: int) -> socket.socket:
    """A socket on this port, 0 for any, that does not listen: the system refuses connections and gives the port to
    nobody, while servers that name it get it, as all of them set SO_REUSEADDR."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


@contextlib.contextmanager
def kept_port() -> Iterator[int]:
    """A port for servers that a test starts there, one after the other."""
    with bound_to(0) as place:
        number: int = place.getsockname()[1]
        yield number
