"""Purges requested by an administrator: at most one per scope, in the background."""

from __future__ import annotations

import asyncio
import enum
import logging

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...domain.errors import PhotoChangerError
from ...ports.clock import Clock
from ...ports.repositories.audit_log import AuditLog
from ..support.concurrency import BackgroundTasks
from .sweeper import Sweeper

_log = logging.getLogger("photochanger.sweeper")


class PurgeScope(enum.StrEnum):
    """What a purge covers."""

    FULL = "full"
    MEDIA_OBJECTS = "media_objects"


class PurgeService:
    """Starts sweeps outside of their schedule. They delete only what has expired or has no owner."""

    def __init__(self, sweeper: Sweeper, audit: AuditLog, clock: Clock) -> None:
        self._sweeper = sweeper
        self._audit = audit
        self._clock = clock
        self._tasks = BackgroundTasks()
        self._running: dict[PurgeScope, asyncio.Task[None]] = {}

    async def begin(self, scope: PurgeScope, *, by: Actor) -> None:
        """Start a purge, unless one of this scope is running. QueueUnavailable."""
        await self._audit.append(audit_entry(AuditAction.PURGED, by, now=self._clock.now(), scope=str(scope)))
        running = self._running.get(scope)
        if running is None or running.done():
            self._running[scope] = self._tasks.start(self._purge(scope), name=f"purge of scope {scope}")

    async def idle(self) -> None:
        """Return once no purge is running."""
        await self._tasks.close()

    async def close(self) -> None:
        """Cancel running purges; the sweeper does the rest later."""
        await self._tasks.cancel()

    async def _purge(self, scope: PurgeScope) -> None:
        try:
            if scope is PurgeScope.MEDIA_OBJECTS:
                report = await self._sweeper.sweep_media_objects()
            else:
                report = await self._sweeper.sweep_expired()
                report.update(await self._sweeper.sweep_orphans())
        except PhotoChangerError as error:
            _log.warning("purge aborted: %s", error.detail)
        else:
            _log.info("purge done: %s", dict(+report))
