"""The listening socket: not for children, listening when the service is ready, a port in use is one line."""

from __future__ import annotations

import asyncio
import socket

import pytest
from photochanger.core.domain.errors import ConfigurationError
from photochanger.entrypoints.http.listening import bound_socket, listen


def test_it_is_not_inheritable_and_refuses_connections_until_it_listens() -> None:
    with bound_socket("127.0.0.1", 0) as bound:
        address = bound.getsockname()
        assert not bound.get_inheritable()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        assert listen(bound) == f"http://127.0.0.1:{address[1]}"
        socket.create_connection(address).close()
        assert not bound.get_inheritable()


def test_an_ipv6_address_is_in_brackets() -> None:
    try:
        bound = bound_socket("::1", 0)
    except ConfigurationError:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert listen(bound) == f"http://[::1]:{bound.getsockname()[1]}"


def test_a_port_in_use_is_refused_before_and_after_it_was_bound() -> None:
    with bound_socket("127.0.0.1", 0) as late, bound_socket("127.0.0.1", late.getsockname()[1]) as other:
        port = late.getsockname()[1]
        listen(other)
        with pytest.raises(ConfigurationError, match=f"PHOTOCHANGER_PORT: cannot be used: 127.0.0.1, port {port}"):
            listen(late)
        with pytest.raises(ConfigurationError, match="Address already in use"):
            bound_socket("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be used: 192\.0\.2\.1, port 8000"):
        bound_socket("192.0.2.1", 8000)


@pytest.mark.anyio
async def test_small_answers_are_sent_at_once() -> None:
    """Otherwise the body of an answer waits until its head is acknowledged, which takes 40 ms."""
    accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        accepted.set_result(bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        writer.close()

    bound = bound_socket("127.0.0.1", 0)
    async with await asyncio.start_server(look, sock=bound):
        _, writer = await asyncio.open_connection(*bound.getsockname())
        assert await accepted
        writer.close()
