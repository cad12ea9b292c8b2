"""Wake-ups for other processes, sent after the commit of what they report.

PostgreSQL takes a lock of the whole server for a NOTIFY and holds it until its transaction has ended: in a transaction
that waits for the disk, all others would wait as well. So wake-ups are sent in transactions of their own, which write
nothing that must reach the disk. Those that arrive while some are under way go together.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from ..batching import Batcher
from ..database import Database

_log = logging.getLogger("photochanger.signals")

WORK_CHANNEL = "photochanger_work"
"""What hosts of the version before send to all workers."""

FINALIZED_CHANNEL = "photochanger_finalized"
"""For all processes: ends that more than one of them may wait for."""

_NOTIFY = """
select pg_notify(channel, ids) from unnest(%(channels)s::text[], %(ids)s::text[]) as wake_up (channel, ids)
"""
_WAKE_WORKERS = "select set_config('synchronous_commit', 'off', true), photochanger.wake_workers(%(jobs)s)"

Connection = psycopg.AsyncConnection[Any]


def channel_of(process: UUID) -> str:
    """The channel that only this process listens to."""
    return f"photochanger_process_{process.hex}"


class _End(NamedTuple):
    """The end of a job, and the channel of those that wait for it."""

    job_id: UUID
    channel: str


class WakeUps:
    """Sends wake-ups without a wait for them. They are hints: one that is lost is made up for by polling."""

    def __init__(self, database: Database) -> None:
        self._finalized: Batcher[_End, None] = database.batcher(_notify)
        self._work: Batcher[int, None] = database.batcher(_wake_workers)

    def finalized(self, job_ids: Iterable[UUID]) -> None:
        """Wake all who wait for these jobs."""
        for job_id in job_ids:
            self._post(_End(job_id, FINALIZED_CHANNEL))

    def finalized_for(self, holder: UUID, job_id: UUID) -> None:
        """Wake those in this process who wait for the job."""
        self._post(_End(job_id, channel_of(holder)))

    def _post(self, end: _End) -> None:
        self._finalized.post(end).add_done_callback(_log_failure)

    def work(self, jobs: int = 1) -> None:
        """Wake one idle worker for each of this number of jobs, or all idle workers where they are fewer."""
        self._work.post(jobs).add_done_callback(_log_failure)


def _log_failure(sent: asyncio.Future[None]) -> None:
    if not sent.cancelled() and (error := sent.exception()) is not None:
        _log.warning("wake-up not sent; other processes poll: %s", error)


async def _notify(connection: Connection, batch: Sequence[_End]) -> list[None]:
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for end in dict.fromkeys(batch):
        ids[end.channel].append(str(end.job_id))
    payloads = [",".join(of_channel) for of_channel in ids.values()]
    await connection.execute(_NOTIFY, {"channels": list(ids), "ids": payloads})
    return [None] * len(batch)


async def _wake_workers(connection: Connection, batch: Sequence[int]) -> list[None]:
    await connection.execute(_WAKE_WORKERS, {"jobs": sum(batch)})
    return [None] * len(batch)
