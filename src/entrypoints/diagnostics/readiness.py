"""What must work before the service takes photos, as named checks for `/readyz` and `doctor`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from ...core.domain.errors import PhotoChangerError, WorkerMissing
from ...core.ports.clock import Clock
from ...core.ports.database import DatabaseStatus
from ...core.ports.media_store import MediaStore
from ...core.ports.workers import WorkerRegistry
from ...core.services.media.disk_space import DiskSpace
from ...core.services.support.refreshing_value import RefreshingValue

_log = logging.getLogger("photochanger.readiness")

_TIMEOUT_SECONDS = 2.0

Check = Callable[[], Awaitable[None]]
"""Returns if the part works; raises a PhotoChangerError that says what is wrong."""


class Part(msgspec.Struct, frozen=True):
    """Whether a part works; `detail` says what is wrong if it does not, `code` the same for other languages."""

    ok: bool
    detail: str
    code: str | None = None


_WORKS = Part(True, "works")


class Readiness:
    """The checks of this process by part: database, schema, store, and what is included.

    Anyone may ask for them: a store that works is tried once a second at most, for each try is three requests to it.
    """

    def __init__(self, database: DatabaseStatus, store: MediaStore, space: DiskSpace, clock: Clock) -> None:
        self._store = RefreshingValue(store.check, clock, what="the check of the media store")
        self._space = space
        self.checks: dict[str, Check] = {
            "database": database.ping,
            "schema": database.require_current_schema,
            "store": self._require_store,
        }

    def include(self, part: str, check: Check) -> None:
        """Add a check that only this process has."""
        self.checks[part] = check

    async def parts(self) -> dict[str, Part]:
        """The state of each part; all are checked concurrently, for two seconds at most."""
        parts = await asyncio.gather(*(_checked(check) for check in self.checks.values()))
        return dict(zip(self.checks, parts, strict=True))

    async def _require_store(self) -> None:
        await self._store.get()
        await self._space.require()


async def require_worker(registry: WorkerRegistry, *, host: str, pid: int) -> None:
    """Return if the worker of this process sends heartbeats; WorkerMissing, QueueUnavailable."""
    for worker in await registry.all():
        if (worker.report.host, worker.report.pid) == (host, pid) and not worker.silent:
            return
    raise WorkerMissing("The worker is running but has missed its heartbeats.")


async def require_any_worker(registry: WorkerRegistry) -> None:
    """Return if any worker on any host sends heartbeats; WorkerMissing, QueueUnavailable."""
    workers = await registry.all()
    if not any(not worker.silent for worker in workers):
        missing = f" {len(workers)} workers have missed their heartbeats." if workers else ""
        raise WorkerMissing(f"No worker heartbeat in the last 15 s; jobs would not be processed.{missing}")


async def _checked(check: Check) -> Part:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await check()
    except PhotoChangerError as error:
        return Part(False, error.detail, error.code)
    except TimeoutError:
        return Part(False, f"no response within {_TIMEOUT_SECONDS:g} s", "no_response")
    except Exception:
        _log.exception("readiness check failed unexpectedly")
        return Part(False, "failed; see the server log", "internal_error")
    return _WORKS
