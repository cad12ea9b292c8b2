"""An address that is there before the service behind it: what public links begin with, for services on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Relay:
    """Hands every connection on to `target`, once that is set."""

    def __init__(self) -> None:
        self.url = ""
        self.target = ""
        self._serving: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refuses = False
        self._accepts_only = False

    def refuse(self) -> None:
        """Break every connection, and every new one, until `restore`."""
        assert self._loop is not None

        async def refuse() -> None:
            self._refuses = True
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(refuse(), self._loop).result(30)

    def accept_only(self) -> None:
        """Break every connection, and hand no byte of new ones on until `restore`."""
        self.refuse()
        self._accepts_only = True

    def restore(self) -> None:
        """Hand connections on again."""
        self._refuses = self._accepts_only = False

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses and not self._accepts_only:
            writer.close()
            return
        task = asyncio.ensure_future(asyncio.sleep(3600) if self._accepts_only else self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        # Also where it was cancelled before its first step.
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0), loop).result(30)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
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
