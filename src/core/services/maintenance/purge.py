"""Purges that an administrator asks for: one at a time, behind the answer."""

from __future__ import annotations

import asyncio
import enum
import logging

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...domain.errors import PhotoChangerError
from ...ports.audit_log import AuditLog
from ...ports.clock import Clock
from .sweeper import Sweeper

_log = logging.getLogger("photochanger.sweeper")


class PurgeScope(enum.StrEnum):
    """What a purge looks at."""

    FULL = "full"
    MEDIA_OBJECTS = "media_objects"


class PurgeService:
    """Begins sweeps. They remove only what has expired or belongs to nothing."""

    def __init__(self, sweeper: Sweeper, audit: AuditLog, clock: Clock) -> None:
        self._sweeper = sweeper
        self._audit = audit
        self._clock = clock
        self._running: dict[PurgeScope, asyncio.Task[None]] = {}

    async def begin(self, scope: PurgeScope, *, by: Actor) -> None:
        """Begin a purge, unless one of this scope is under way already: that one does it. QueueUnavailable."""
        await self._audit.append(audit_entry(AuditAction.PURGED, by, now=self._clock.now(), scope=str(scope)))
        running = self._running.get(scope)
        if running is None or running.done():
            self._running[scope] = asyncio.create_task(self._purge(scope))

    async def idle(self) -> None:
        """Return once no purge is under way."""
        await asyncio.gather(*self._running.values())

    async def close(self) -> None:
        """Stop those that are under way; the sweeper does the rest in its own time."""
        for running in self._running.values():
            running.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _purge(self, scope: PurgeScope) -> None:
        try:
            if scope is PurgeScope.MEDIA_OBJECTS:
                report = await self._sweeper.sweep_media_objects()
            else:
                report = await self._sweeper.sweep_expired() + await self._sweeper.sweep_orphans()
        except PhotoChangerError as error:
            _log.warning("a purge was cut short: %s", error.detail)
        except Exception:  # nobody waits for this task who could be told
            _log.exception("a purge was cut short")
        else:
            _log.info("purged: %s", report)
