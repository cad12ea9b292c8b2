"""Who is woken by the end of a job: the process that holds it, or all where more than one may wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from photochanger.core.domain.job import Claim, Job

from tests.support.builders import new_job, outcome_failed, outcome_succeeded
from tests.support.postgres_backend import open_backend
from tests.support.queue_steps import LEASE, MANY

pytestmark = pytest.mark.anyio

LONG = timedelta(minutes=2)
BROADCAST = "photochanger_finalized"


@asynccontextmanager
async def hosts(url: str) -> AsyncIterator[tuple[SimpleNamespace, SimpleNamespace, Bystander]]:
    """A process with requests, a worker, and one that has nothing to do with their jobs."""
    async with (
        open_backend(url) as camera,
        open_backend(url) as worker,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        await connection.execute(f"listen {BROADCAST}")
        yield camera, worker, Bystander(connection)


class Bystander:
    """What every process hears of the ends of jobs."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def next_ends(self) -> set[UUID]:
        async for notice in self._connection.notifies(stop_after=1):
            return {UUID(id) for id in notice.payload.split(",")}
        raise AssertionError("the connection was lost")


async def claimed(camera: SimpleNamespace, worker: SimpleNamespace, **fields: Any) -> Claim:
    """A job of the camera's process, taken by the worker."""
    await camera.queue.enqueue(new_job(**fields), max_active=MANY)
    (claim,) = await worker.queue.acquire("worker", n=1, lease=LEASE)
    return claim


async def ended(worker: SimpleNamespace, claim: Claim) -> None:
    assert await worker.queue.mark_finalized(claim.job.id, outcome_succeeded(claim.job), claim=claim)


async def test_a_picture_wakes_the_process_that_holds_its_job_and_no_other(postgres_url: str) -> None:
    async with hosts(postgres_url) as (camera, worker, bystander):
        claim = await claimed(camera, worker, held_by=camera.signals.process)
        with camera.signals.finalized(claim.job.id) as end, camera.signals.any_change() as change:
            await ended(worker, claim)
            assert await end.wait(LONG)
            assert await change.wait(LONG)
        for_all = await claimed(camera, worker)
        await ended(worker, for_all)
        assert await bystander.next_ends() == {for_all.job.id}, "that of the held job was sent before"


@pytest.mark.parametrize("fields", [{}, {"idempotency_key": "a-key"}], ids=["no client", "may be joined"])
async def test_a_picture_that_any_process_may_wait_for_wakes_all(postgres_url: str, fields: dict[str, Any]) -> None:
    async with hosts(postgres_url) as (camera, worker, bystander):
        holder = {"held_by": camera.signals.process} if fields else {}
        claim = await claimed(camera, worker, **fields, **holder)
        with camera.signals.finalized(claim.job.id) as one, worker.signals.finalized(claim.job.id) as other:
            await ended(worker, claim)
            assert await one.wait(LONG)
            assert await other.wait(LONG)
        assert await bystander.next_ends() == {claim.job.id}


@pytest.mark.parametrize("by_its_worker", [True, False])
async def test_an_end_without_a_picture_wakes_all(postgres_url: str, by_its_worker: bool) -> None:
    async with hosts(postgres_url) as (camera, worker, bystander):
        claim = await claimed(camera, worker, held_by=camera.signals.process)
        claim_of_end = claim if by_its_worker else None
        with worker.signals.finalized(claim.job.id) as end:
            await camera.queue.mark_finalized(claim.job.id, outcome_failed(claim.job), claim=claim_of_end)
            assert await end.wait(LONG)
        assert await bystander.next_ends() == {claim.job.id}


async def test_a_photo_that_is_sent_again_to_another_process_has_its_picture_there(postgres_url: str) -> None:
    async with hosts(postgres_url) as (camera, worker, _):
        claim = await claimed(camera, worker, held_by=camera.signals.process)
        await camera.queue.abandon(claim.job.id)
        again = new_job(photo=claim.job.spec.photo, held_by=worker.signals.process)
        joined: Job = await worker.queue.enqueue(again, max_active=MANY)
        assert joined.id == claim.job.id
        with worker.signals.finalized(claim.job.id) as end:
            await ended(camera, claim)
            assert await end.wait(LONG)


async def test_many_pictures_at_once_reach_each_its_own_process(postgres_url: str) -> None:
    async with hosts(postgres_url) as (camera, worker, _):
        holders = [camera, worker] * 20
        jobs = [new_job(held_by=holder.signals.process) for holder in holders]
        for job in jobs:
            await camera.queue.enqueue(job, max_active=MANY)
        claims = {claim.job.id: claim for claim in await worker.queue.acquire("worker", n=MANY, lease=LEASE)}

        async def picture(holder: SimpleNamespace, job_id: UUID) -> bool:
            with holder.signals.finalized(job_id) as end:
                await ended(worker, claims[job_id])
                woken: bool = await end.wait(LONG)
                return woken

        assert all(await asyncio.gather(*(picture(holder, job.id) for holder, job in zip(holders, jobs, strict=True))))
