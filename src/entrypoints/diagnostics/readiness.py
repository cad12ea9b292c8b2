"""What must work before the service takes photos, as named checks that `/readyz` and `doctor` run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from ...core.domain.errors import WorkerMissing
from ...core.ports.workers import WorkerRegistry

Check = Callable[[], Awaitable[None]]
"""Returns when the part works; raises a PhotoChangerError that says what is wrong."""


class Readiness(msgspec.Struct, frozen=True):
    """The checks by the name of the part: database, schema, store, worker."""

    checks: Mapping[str, Check]


async def require_worker(registry: WorkerRegistry, *, host: str, pid: int) -> None:
    """WorkerMissing unless the worker of this process has told of itself lately; QueueUnavailable."""
    for worker in await registry.all():
        if (worker.report.host, worker.report.pid) == (host, pid) and not worker.silent:
            return
    raise WorkerMissing("The worker process is running, but it has not told of itself lately.")


async def require_any_worker(registry: WorkerRegistry) -> None:
    """WorkerMissing unless some worker on any host has told of itself lately; QueueUnavailable."""
    workers = await registry.all()
    if not any(not worker.silent for worker in workers):
        lost = f"; {len(workers)} of them fell silent" if workers else ""
        raise WorkerMissing(f"No worker runs here, and none elsewhere has told of itself lately{lost}.")
