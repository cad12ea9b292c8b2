"""An address that is there before the service behind it: what public links begin with, for services on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.support.service import HANG_SECONDS


class Relay:
    """Hands every connection on to `target`, once that is set."""

    def __init__(self) -> None:
        self.url = ""
        self.target = ""
        self._serving: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refuses = False
        self._passes_on = asyncio.Event()
        self._passes_on.set()

    def refuse(self) -> None:
        """Break every connection, and every new one, until `restore`."""

        async def refuse() -> None:
            self._refuses = True
            await self._cut()

        self._call(refuse)

    def accept_only(self) -> None:
        """Break every connection, and hand no byte of new ones on until `restore`."""

        async def accept_only() -> None:
            self._passes_on.clear()
            await self._cut()

        self._call(accept_only)

    def restore(self) -> None:
        """Hand connections on again, also those that were accepted meanwhile: a browser may keep one for later."""

        async def restore() -> None:
            self._refuses = False
            self._passes_on.set()

        self._call(restore)

    def _call(self, change: Callable[[], Coroutine[Any, Any, None]]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(change(), self._loop).result(HANG_SECONDS)

    async def _cut(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.close()
            return
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        # Also where it was cancelled before its first step.
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passes_on.wait()
        target = urlsplit(self.target)
        behind, ahead = await asyncio.open_connection(target.hostname, target.port)
        try:
            await asyncio.gather(_pass_on(reader, ahead), _pass_on(behind, writer))
        finally:
            ahead.close()

    @contextlib.contextmanager
    def running(self) -> Iterator[Relay]:
        """Listening on a free port, on an event loop of its own in another thread."""
        loop = asyncio.new_event_loop()
        self._loop = loop
        thread = threading.Thread(target=loop.run_forever, name="relay", daemon=True)
        thread.start()

        async def stop() -> None:
            server.close()
            await self._cut()

        starting = asyncio.start_server(self._accept, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(starting, loop).result(HANG_SECONDS)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self._call(stop)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(64 * 1024):
            writer.write(chunk)
            await writer.drain()
        if not writer.is_closing():
            writer.write_eof()
