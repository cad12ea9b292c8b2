"""The ASGI app, mounted into another app or run on its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from ...core.services.jobs.event_stream import EventStream
from ...core.services.support.concurrency import Supervisor
from ..config import Settings
from ..http.app import create_http_app
from ..metrics.collector import MetricsCollector
from .app import PhotoChanger


class MountableApp:
    """An ASGI app that opens PhotoChanger for the length of its lifespan.

    Run on its own, the ASGI server drives that lifespan. Mounted into another app, enter `app.lifespan()` in the
    lifespan of that app: hosts do not pass theirs on to mounted apps.
    """

    def __init__(self, settings: Settings, adapters: Mapping[Any, object] | None) -> None:
        self._settings = settings
        self._adapters = adapters
        self._http: Any = None
        self._opened: PhotoChanger | None = None

    @property
    def opened(self) -> PhotoChanger:
        """The PhotoChanger of this app; RuntimeError outside of its lifespan."""
        if self._opened is None:
            raise RuntimeError("PhotoChanger is not open: enter `app.lifespan()` in the host's lifespan")
        return self._opened

    def lifespan(self) -> AbstractAsyncContextManager[PhotoChanger]:
        """Open PhotoChanger for the length of the block."""
        return self._lifespan()

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[PhotoChanger]:
        async with PhotoChanger.open(self._settings, adapters=self._adapters) as opened:
            self._opened = opened
            metrics = await opened.container.get(MetricsCollector)
            events = await opened.container.get(EventStream)
            self._http = await create_http_app(opened.container)
            try:
                async with metrics.kept_up(await opened.container.get(Supervisor)):
                    yield opened
            finally:
                self._opened = self._http = None
                await events.close()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif self._http is None:
            raise RuntimeError("PhotoChanger is not open: enter `app.lifespan()` in the host's lifespan")
        else:
            await self._http(scope, receive, send)

    async def _run_lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            async with self._lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            kind = "startup" if self._opened is None else "shutdown"
            await send({"type": f"lifespan.{kind}.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})


def create_app(settings: Settings | None = None, *, adapters: Mapping[Any, object] | None = None) -> MountableApp:
    """The whole HTTP API as an ASGI app. `adapters` as in `PhotoChanger.open`."""
    return MountableApp(settings or Settings(), adapters)
