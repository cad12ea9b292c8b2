"""Strangers: many connections at once from many loopback addresses, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from tests.support.service import HANG_SECONDS

HOST = "127.0.0.1"
STRANGERS = tuple(f"127.0.0.{number}" for number in range(2, 251))
"""Those of strangers; the camera has another one."""

_PAUSE_SECONDS = 0.1
"""Between two connections of a stranger, so that the generator takes little of the machine."""

PATIENCE_SECONDS = 75.0
"""When a client hangs up."""

_SMALL_BUFFER = 4096
_SPARE_DESCRIPTORS = 200


class Wire:
    """One connection of a stranger."""

    def __init__(self, connection: socket.socket, reached: Callable[[], None]) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._reached = reached

    async def send(self, data: bytes | memoryview) -> None:
        await self._loop.sock_sendall(self._socket, data)

    async def post(self, request: bytes) -> int | None:
        """The status of the answer; None where the connection was closed without one. It may come before the end."""
        self._reached()
        sending = asyncio.ensure_future(self.send(request))
        try:
            return await self.status()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def status(self) -> int | None:
        """The status of the next answer, whose body is left where it is."""
        data = b""
        while b"\r\n" not in data and (chunk := await self._loop.sock_recv(self._socket, 65536)):
            data += chunk
        words = data.split(None, 2)
        return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/1") else None

    async def until_closed(self) -> None:
        """The attack is in place; hold the connection for as long as the service does."""
        self._reached()
        while await self._loop.sock_recv(self._socket, 65536):
            pass

    async def drip(self, data: bytes, *, every: float) -> None:
        """The attack is in place; send byte by byte until the service closes the connection."""
        self._reached()
        closed = asyncio.ensure_future(self.until_closed())
        try:
            for number in range(len(data)):
                done, _ = await asyncio.wait([closed], timeout=every)
                if done:
                    return
                await self.send(data[number : number + 1])
            await closed
        finally:
            closed.cancel()
            await asyncio.gather(closed, return_exceptions=True)

    async def never_read(self) -> None:
        """The attack is in place; leave what comes unread until the service resets the connection."""
        self._reached()
        while not self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):  # noqa: ASYNC110
            await asyncio.sleep(0.5)


def post(port: int, request: bytes, address: str, *, patience: float = PATIENCE_SECONDS) -> int | None:
    """The status of one request from this address, without a crowd; None where none came in time."""

    async def answered() -> int | None:
        with contextlib.suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(patience), connected(port, address) as connection:
                return await Wire(connection, lambda: None).post(request)
        return None

    return asyncio.run(answered())


@contextlib.asynccontextmanager
async def connected(port: int, address: str) -> AsyncIterator[socket.socket]:
    """A connection from this address that reads little ahead."""
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        connection.bind((address, 0))
        await asyncio.get_running_loop().sock_connect(connection, (HOST, port))
        yield connection


Attack = Callable[[Wire], Awaitable[int | None]]
"""What a stranger does with one connection; the status where that is an answer."""


class Crowd:
    """Strangers that repeat an attack, each from its address, until the crowd is sent away or the rounds are over."""

    def __init__(
        self, port: int, attack: Attack, *, strangers: int, addresses: Sequence[str] = STRANGERS, rounds: int
    ) -> None:
        self.answers: Counter[int | None] = Counter()
        """How the connections ended: by a status, or None for closed or refused ones."""

        self._port = port
        self._attack = attack
        self._addresses = [addresses[number % len(addresses)] for number in range(strangers)]
        self._rounds = rounds
        self._waiting = strangers
        self._in_place = threading.Event()
        self._over = threading.Event()

    @contextlib.contextmanager
    def around(self) -> Iterator[Crowd]:
        """The block runs while the attack does: it begins when every stranger has begun."""
        _raise_file_limit(len(self._addresses))
        if not self._addresses:
            self._in_place.set()
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="crowd", daemon=True)
        thread.start()
        running = asyncio.run_coroutine_threadsafe(self._run(), loop)
        try:
            assert self._in_place.wait(HANG_SECONDS), f"{self._waiting} strangers never began"
            yield self
        finally:
            loop.call_soon_threadsafe(running.cancel)
            assert self._over.wait(HANG_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def finish(self, seconds: float = 300) -> None:
        """Wait for the last round of every stranger."""
        assert self._over.wait(seconds), "the strangers were never answered"

    async def _run(self) -> None:
        try:
            await asyncio.gather(*(self._stranger(address) for address in self._addresses))
        finally:
            self._over.set()

    async def _stranger(self, address: str) -> None:
        begun = False

        def reached() -> None:
            nonlocal begun
            if not begun:
                begun = True
                self._waiting -= 1
                if not self._waiting:
                    self._in_place.set()

        for _ in range(self._rounds):
            status = None
            with contextlib.suppress(OSError):
                async with connected(self._port, address) as connection:
                    status = await self._attack(Wire(connection, reached))
            self.answers[status] += 1
            reached()  # a stranger who was refused has begun as well
            await asyncio.sleep(_PAUSE_SECONDS)


def _raise_file_limit(connections: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_DESCRIPTORS
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
