"""The socket that the service listens on."""

from __future__ import annotations

import socket

from ...core.domain.errors import ConfigurationError
from ..config import PREFIX

_BACKLOG = 2048
"""How many connections may wait to be accepted."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that has this address and does not listen yet. ConfigurationError where that is impossible.

    No child inherits it (uvicorn's `bind_socket` makes it inheritable): a child that outlived this process would keep
    the port, and connections to it would wait for ever.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, because asyncio sets TCP_NODELAY only then: without it the body of an answer waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise _impossible(f"{host}, port {port}", error) from error
    return bound


def listen(bound: socket.socket) -> str:
    """Let connections in, which wait to be accepted. Returns the URL. ConfigurationError where that is impossible."""
    host, port = bound.getsockname()[:2]
    try:
        bound.listen(_BACKLOG)
    except OSError as error:  # another process has started to listen there
        raise _impossible(f"{host}, port {port}", error) from error
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _impossible(where: str, error: OSError) -> ConfigurationError:
    what = f"cannot be used: {where}: {error.strerror or error}."
    return ConfigurationError(PREFIX + "PORT", f"{what} Stop what uses it, or choose another address")
