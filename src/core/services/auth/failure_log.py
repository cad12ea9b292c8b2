"""Wrong passwords in the audit log, without letting anonymous requests fill it."""

from __future__ import annotations

import logging
from datetime import timedelta

from ...domain.accounts import Actor, site_part
from ...domain.audit import AuditAction, audit_entry
from ...domain.errors import PhotoChangerError
from ...ports.clock import Clock
from ...ports.repositories.audit_log import AuditLog
from ..support.concurrency import BackgroundTasks

_log = logging.getLogger("photochanger.failed_passwords")

PERIOD = timedelta(minutes=1)
MAX_ENTRIES = 10
"""Entries of an action per period with an address; what exceeds them is one entry with the number of attempts."""


class FailureLog:
    """Records wrong passwords: in each period the first one of an address and account at once, the others as a sum."""

    def __init__(self, audit: AuditLog, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._tasks = BackgroundTasks()
        self._recorded: set[tuple[AuditAction, str, str | None]] = set()
        self._further: dict[tuple[AuditAction, str], int] = {}

    async def record(self, action: AuditAction, by: Actor, target: str | None = None) -> None:
        """Record a wrong password, `target` names the existing account that it was for. QueueUnavailable."""
        if not self._tasks:
            self._tasks.start(self._end_period(), name="sum of failed passwords")
        key = (action, site_part(by.address or ""), target)
        if key in self._recorded or sum(recorded is action for recorded, *_ in self._recorded) >= MAX_ENTRIES:
            kind = (action, by.name)
            self._further[kind] = self._further.get(kind, 0) + 1
            return
        self._recorded.add(key)
        await self._audit.append(audit_entry(action, by, now=self._clock.now(), target=target))

    async def close(self) -> None:
        """Write the sums, and stop."""
        await self._tasks.cancel()
        await self._write_sums()

    async def _end_period(self) -> None:
        await self._clock.sleep(PERIOD)
        await self._write_sums()

    async def _write_sums(self) -> None:
        further, self._further = self._further, {}
        self._recorded.clear()
        for (action, name), attempts in further.items():
            entry = audit_entry(action, Actor(name), now=self._clock.now(), attempts=attempts)
            try:
                await self._audit.append(entry)
            except PhotoChangerError as error:
                _log.warning("%d further failed passwords are not in the audit log: %s", attempts, error.detail)
