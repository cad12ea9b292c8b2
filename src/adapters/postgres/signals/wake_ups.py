"""Wake-ups for other processes, sent after the commit of what they report.

PostgreSQL takes a lock of the whole server for a NOTIFY and holds it until its transaction has ended: in a transaction
that waits for the disk, all others would wait as well. So wake-ups are sent in transactions of their own, which write
nothing that must reach the disk. Those that arrive while some are under way go together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import psycopg

from ..batching import Batcher
from ..database import Database

_log = logging.getLogger("photochanger.signals")

WORK_CHANNEL = "photochanger_work"
"""What hosts of the version before send to all workers."""

FINALIZED_CHANNEL = "photochanger_finalized"

_NOTIFY = f"select pg_notify('{FINALIZED_CHANNEL}', %(ids)s)"
_WAKE_WORKERS = "select set_config('synchronous_commit', 'off', true), photochanger.wake_workers(%(jobs)s)"

Connection = psycopg.AsyncConnection[Any]


class WakeUps:
    """Sends wake-ups without a wait for them. They are hints: one that is lost is made up for by polling."""

    def __init__(self, database: Database) -> None:
        self._finalized: Batcher[UUID, None] = database.batcher(_notify)
        self._work: Batcher[int, None] = database.batcher(_wake_workers)

    def finalized(self, job_ids: Iterable[UUID]) -> None:
        """Wake all who wait for these jobs."""
        for job_id in job_ids:
            self._finalized.post(job_id).add_done_callback(_log_failure)

    def work(self, jobs: int = 1) -> None:
        """Wake one idle worker for each of this number of jobs, or all idle workers where they are fewer."""
        self._work.post(jobs).add_done_callback(_log_failure)


def _log_failure(sent: asyncio.Future[None]) -> None:
    if not sent.cancelled() and (error := sent.exception()) is not None:
        _log.warning("wake-up not sent; other processes poll: %s", error)


async def _notify(connection: Connection, batch: Sequence[UUID]) -> list[None]:
    await connection.execute(_NOTIFY, {"ids": ",".join(map(str, dict.fromkeys(batch)))})
    return [None] * len(batch)


async def _wake_workers(connection: Connection, batch: Sequence[int]) -> list[None]:
    await connection.execute(_WAKE_WORKERS, {"jobs": sum(batch)})
    return [None] * len(batch)
