"""Whether anybody works, by what the workers tell of themselves: for `/readyz` and `doctor`."""

from __future__ import annotations

from ..core.errors import WorkerMissing
from ..core.ports.workers import WorkerRegistry


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
