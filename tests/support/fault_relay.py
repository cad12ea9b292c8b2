"""A TCP relay before a PostgreSQL server that fails as a test says: cut, delayed, frozen, lost or refused connections,
and statements that are executed while their reply never arrives."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from tests.support.ports import bound_to
from tests.support.service import HANG_SECONDS

_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102
_CHUNK = 64 * 1024
_PLACE = {"user", "password", "dbname", "host", "hostaddr", "port"}
_T = TypeVar("_T")


class Direction(enum.Enum):
    """Where bytes travel."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


BOTH = tuple(Direction)


class FaultRelay:
    """Passes connections on to host and port of `target`, a libpq URL, on a loopback port of its own.

    Every method may be called from any thread while the relay runs; a change holds from the moment it returns. `port`
    is the port to listen at; 0 lets the system choose.
    """

    def __init__(self, target: str, *, port: int = 0) -> None:
        self._target = {name: str(value) for name, value in conninfo_to_dict(target).items() if value is not None}
        self._port = port
        self._place: socket.socket | None = None
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0
        """Connections accepted since the start, refused ones not counted."""

        self.replies_cut = 0
        """Statements whose reply was cut by `cut_replies`."""

        self.most_open = 0
        """The most connections that were open at once."""

        self._moving = dict.fromkeys(BOTH, True)
        self._lost = dict.fromkeys(BOTH, False)
        self._delay = dict.fromkeys(BOTH, 0.0)
        self._changed = asyncio.Event()
        self._rejection: tuple[str, str] | None = None
        self._pattern = b""
        self._cuts_left = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultRelay]:
        """Accept connections, on an event loop of its own in another thread, until the end of the block."""
        thread = threading.Thread(target=self._loop.run_forever, name="fault relay", daemon=True)
        thread.start()
        self._call(self._listen)
        try:
            yield self
        finally:
            self._call(self._close)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    @property
    def port(self) -> int:
        """The port that the relay accepts connections at, also while it refuses them."""
        return self._port

    def url(self, database: str | None = None) -> str:
        """The target's URL by way of the relay, with another database where one is named."""
        rest = {name: value for name, value in self._target.items() if name not in _PLACE}
        user = ":".join(quote(self._target[name], safe="") for name in ("user", "password") if name in self._target)
        name = quote(database or self._target.get("dbname", "postgres"), safe="")
        place = f"{user}@127.0.0.1:{self._port}" if user else f"127.0.0.1:{self._port}"
        return f"postgresql://{place}/{name}" + (f"?{urlencode(rest)}" if rest else "")

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return len(self._links)

    def cut(self) -> None:
        """Break every connection of this moment with a reset; new ones work."""
        self._call(self._cut)

    def refuse(self) -> None:
        """Close the listening socket and break every connection: the operating system refuses new ones."""

        async def refuse() -> None:
            if self._server is not None:
                self._server.close()
                self._server = None
            await self._cut()

        self._call(refuse)

    def reject(self, sqlstate: str, message: str, *, cut: bool = True) -> None:
        """Answer each new connection with this error and close it, as PostgreSQL does when it starts up or is full.

        Connections of this moment are broken unless `cut` is false.
        """

        async def reject() -> None:
            self._rejection = (sqlstate, message)
            if cut:
                await self._cut()

        self._call(reject)

    def freeze(self, *directions: Direction) -> None:
        """Stay silent: accept connections and bytes, pass nothing on. `restore` passes on what was held."""
        self._set(self._moving, directions, False)

    def swallow(self, *directions: Direction) -> None:
        """Throw bytes away. A connection that lost any stays silent for ever, also after `restore`."""
        self._set(self._lost, directions, True)

    def delay(self, seconds: float, *directions: Direction) -> None:
        """Pass each piece on so many seconds after it came."""
        self._set(self._delay, directions, seconds)

    def cut_replies(self, pattern: bytes, *, times: int = 1) -> None:
        """Let the next statements whose SQL contains `pattern` be executed and committed, and break the connection in
        place of their reply. Prepared statements are recognised when they are executed again."""

        async def arm() -> None:
            self._pattern, self._cuts_left = pattern, times

        self._call(arm)

    def restore(self) -> None:
        """Pass everything on again. Lost bytes stay lost."""

        async def restore() -> None:
            for direction in BOTH:
                self._moving[direction], self._lost[direction], self._delay[direction] = True, False, 0.0
            self._rejection, self._cuts_left = None, 0
            self._wake()
            await self._listen()

        self._call(restore)

    def _set(self, faults: dict[Direction, _T], directions: tuple[Direction, ...], value: _T) -> None:
        async def change() -> None:
            for direction in directions or BOTH:
                faults[direction] = value
            self._wake()

        self._call(change)

    def _call(self, change: Callable[[], Awaitable[Any]]) -> None:
        async def run() -> None:
            await change()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(HANG_SECONDS)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _listen(self) -> None:
        if self._place is None:  # never listens, so that no other process gets the port while this one refuses
            self._place = bound_to(self._port)
            self._port = self._place.getsockname()[1]
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, sock=bound_to(self._port))

    async def _cut(self) -> None:
        for link in list(self._links):
            link.cut()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._place is not None:
            self._place.close()
        await self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        self.most_open = max(self.most_open, len(self._links))
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._relay(link, reader, writer)
        finally:
            self._links.discard(link)
            link.cut()

    async def _relay(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start = await self._start_packet(reader, writer)
        if not await self._passes(link, Direction.TO_SERVER):
            return await _stay_silent(reader)
        if self._rejection is not None:
            writer.write(_error_response(*self._rejection))
            await writer.drain()
            writer.close()
            return None
        try:
            behind, ahead = await self._connect()
        except OSError:
            return None  # the server is down: the client is disconnected
        link.add(ahead)
        ahead.write(start)
        requests = asyncio.ensure_future(self._pass_requests(link, reader, ahead))
        requests.add_done_callback(lambda done: None if done.cancelled() or done.exception() is None else link.cut())
        try:
            await self._pass_replies(link, behind, writer)
        finally:
            requests.cancel()
            await asyncio.gather(requests, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._target.get("host", "127.0.0.1"), self._target.get("port", "5432")
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def _start_packet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """The first packet that asks for more than encryption, which is declined."""
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!ii", head)
            if code not in (_SSL_REQUEST, _GSS_REQUEST):
                return head + await reader.readexactly(length - 8)
            writer.write(b"N")

    async def _passes(self, link: _Link, direction: Direction) -> bool:
        """Wait for as long as this direction is frozen; whether bytes of this connection arrive at all."""
        if self._delay[direction]:
            await asyncio.sleep(self._delay[direction])
        while not self._moving[direction]:
            await self._changed.wait()
        if self._lost[direction]:
            link.silent = True
        return not link.silent

    async def _pass_requests(self, link: _Link, reader: asyncio.StreamReader, ahead: asyncio.StreamWriter) -> None:
        statements = _Statements()
        while chunk := await reader.read(_CHUNK):
            if not await self._passes(link, Direction.TO_SERVER):
                continue
            if statements.executed(chunk, self._pattern) and self._cuts_left > 0:
                self._cuts_left -= 1
                link.doomed = True
            ahead.write(chunk)
            await ahead.drain()
        ahead.write_eof()

    async def _pass_replies(self, link: _Link, behind: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        messages = _Messages()
        while chunk := await behind.read(_CHUNK):
            if not await self._passes(link, Direction.TO_CLIENT):
                continue
            ends = [body[:1] for kind, body in messages.feed(chunk) if kind == b"Z"]
            # Answers inside of a transaction are passed on: the client waits for them before it commits.
            if link.doomed and b"I" in ends:
                self.replies_cut += 1
                return link.cut()
            writer.write(chunk)
            await writer.drain()
        return None


class _Link:
    """One connection: its sockets, and what was decided about it."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self._writers = list(writers)
        self.silent = False
        self.doomed = False

    def add(self, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class _Messages:
    """Splits a stream into PostgreSQL's messages: a byte for the kind, four for the length, the body."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        data, start = self._rest + chunk, 0
        while len(data) - start >= 5:
            (length,) = struct.unpack_from("!i", data, start + 1)
            if len(data) - start < 1 + length:
                break
            yield data[start : start + 1], data[start + 5 : start + 1 + length]
            start += 1 + length
        self._rest = data[start:]


class _Statements:
    """The statements of a connection: which are executed, prepared ones included."""

    def __init__(self) -> None:
        self._messages = _Messages()
        self._prepared: dict[bytes, bytes] = {}

    def executed(self, chunk: bytes, pattern: bytes) -> bool:
        """Whether these bytes of the client complete a request to execute a statement with `pattern` in it."""
        found = False
        for kind, body in self._messages.feed(chunk):
            if kind == b"P":
                name, _, rest = body.partition(b"\0")
                self._prepared[name] = rest.partition(b"\0")[0]
            elif kind == b"B":
                statement = self._prepared.get(body.split(b"\0", 2)[1], b"")
                found = found or pattern in statement
            elif kind == b"Q":
                found = found or pattern in body
        return found


def _error_response(sqlstate: str, message: str) -> bytes:
    fields = b"".join(
        kind + value.encode() + b"\0"
        for kind, value in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", sqlstate), (b"M", message))
    )
    return b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0"


async def _stay_silent(reader: asyncio.StreamReader) -> None:
    while await reader.read(_CHUNK):
        pass
