"""Commands of an owner to its fork server: five bytes each, a connection with `FORK`."""

from __future__ import annotations

import socket

FORK = b"F"
KILL = b"K"

_COMMAND_BYTES = 5


def command(what: bytes, number: int) -> bytes:
    """A command for the child of this number."""
    return what + number.to_bytes(_COMMAND_BYTES - 1, "big")


def received_command(control: socket.socket) -> tuple[bytes, int, list[int]] | None:
    """Read a command with its open files; None at the end of the stream."""
    data, files, _, _ = socket.recv_fds(control, _COMMAND_BYTES, 1)
    while data and len(data) < _COMMAND_BYTES:
        if not (more := control.recv(_COMMAND_BYTES - len(data))):
            return None
        data += more
    return (data[:1], int.from_bytes(data[1:], "big"), files) if data else None
