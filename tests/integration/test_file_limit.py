"""The limit on open files: raised at the start, and survived when it is reached nevertheless."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

SOFT, HARD = 128, 200

_SERVER = """
import asyncio
from datetime import timedelta

import uvloop
from photochanger.entrypoints.process.file_limit import attainable_file_limit, file_limit, raise_file_limit
from photochanger.entrypoints.http.connection.limits import ConnectionLimits
from photochanger.entrypoints.http.connection.places import Places
from photochanger.entrypoints.http.server import make_server


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def main():
    before = file_limit(), attainable_file_limit()
    print(*before, raise_file_limit(), file_limit())
    unbounded = ConnectionLimits(total=10_000, per_address=10_000, reserve=0)
    server = make_server(app, linger=timedelta(0), places=Places(unbounded))
    listening = server.config.bind_socket()
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    await server.serve(sockets=[listening])


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


@contextmanager
def server() -> Iterator[tuple[list[int], int]]:
    """The limits that a process reports before and after raising them, and the port of its server."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, HARD)),
    )
    try:
        assert process.stdout is not None
        limits = [int(limit) for limit in process.stdout.readline().split()]
        yield limits, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def is_answered(client: socket.socket) -> bool:
    try:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        while not received.endswith(b"ok") and (data := client.recv(4096)):
            received += data
    except OSError:
        return False
    return received.endswith(b"ok")


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[list[int], int]]:
    with server() as started:
        yield started


def test_the_soft_limit_is_raised_to_the_hard_one(running: tuple[list[int], int]) -> None:
    limits, _ = running
    assert limits == [SOFT, HARD, HARD, HARD]


def test_a_server_without_free_descriptors_recovers(running: tuple[list[int], int]) -> None:
    _, port = running
    for _ in range(2):
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(HARD + 60)
            ]
            answered = [is_answered(client) for client in clients]
            assert answered.count(True) > SOFT
            assert answered.count(False) >= 60  # closed at once
        client = None
        while client is None:  # until the server has noticed that the others are gone
            client = socket.create_connection(("127.0.0.1", port), timeout=60)
            with client:
                client = client if is_answered(client) else None
