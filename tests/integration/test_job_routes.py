"""The routes of jobs: one that many jobs have is stored once, stays while a job has it, and goes when none does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import psycopg
import pytest
from alembic import command
from alembic.config import Config
from photochanger.adapters.postgres import migrate
from photochanger.adapters.postgres.jobs import queue_sql
from photochanger.adapters.postgres.jobs.rows import enqueue_item
from photochanger.adapters.postgres.stats import sql as stats_sql
from photochanger.core.domain.job import JobSpec
from photochanger.core.domain.slots.slot import Route, RouteEntry
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from tests.support.builders import new_job, outcome_succeeded
from tests.support.postgres_backend import open_backend
from tests.support.queue_steps import LEASE
from tests.support.service import eventually, rows

pytestmark = pytest.mark.anyio

STORED = "select route from photochanger.job_routes order by used_at"
WAITING = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


def with_prompt(prompt: str) -> Route:
    return Route(entries=(RouteEntry("gemini", "image_edit", {"prompt": prompt}), RouteEntry("local", "enhance")))


@pytest.fixture
async def backend(postgres_url: str) -> AsyncIterator[SimpleNamespace]:
    async with open_backend(postgres_url) as backend:
        yield backend


async def enqueued(backend: SimpleNamespace, prompt: str, **fields: Any) -> JobSpec:
    job = new_job(route=with_prompt(prompt), **fields)
    await backend.queue.enqueue(job, max_active=100)
    return job


async def test_jobs_with_the_same_route_share_one_row(backend: SimpleNamespace, postgres_url: str) -> None:
    jobs = [await enqueued(backend, prompt) for prompt in ("oil", "oil", "ink", "oil")]
    assert len(rows(postgres_url, STORED)) == 2
    claims = await backend.queue.acquire("a-worker", n=4, lease=LEASE)
    assert {claim.job.id: claim.job.spec.route for claim in claims} == {job.id: job.route for job in jobs}


async def test_a_route_is_deleted_once_no_job_can_have_it(backend: SimpleNamespace, postgres_url: str) -> None:
    now = datetime.now(UTC)
    for days, prompt in ((40, "oil"), (20, "ink"), (0, "chalk")):
        at = now - timedelta(days=days)
        job = await enqueued(backend, prompt, created_at=at)
        assert await backend.queue.mark_finalized(job.id, outcome_succeeded(job, finalized_at=at), claim=None)
        used = "update photochanger.job_routes set used_at = %s where route::text ~ %s returning 1"
        rows(postgres_url, used, at, prompt)
    rows(postgres_url, "update photochanger.jobs set result_purged_at = now() returning 1")

    async def left(before: datetime) -> list[str]:
        """The prompts of the routes that are left once jobs that ended before this moment are deleted."""
        while await backend.jobs.prune(before=before, limit=1):
            """The next one."""
        return [route["entries"][0]["settings"]["prompt"] for (route,) in rows(postgres_url, STORED)]

    assert await left(now - timedelta(days=50)) == ["oil", "ink", "chalk"]
    assert await left(now - timedelta(days=30)) == ["ink", "chalk"]
    assert await left(now - timedelta(days=10)) == ["chalk"]


def batch(*prompts: str) -> dict[str, str]:
    items = [enqueue_item(new_job(route=with_prompt(prompt)), 1000) for prompt in prompts]
    return {"batch": msgspec.json.encode(items).decode()}


def prune() -> dict[str, Any]:
    """Parameters of a pruning of everything that is two days old."""
    return {"before": datetime.now(UTC), "limit": 10}


@pytest.fixture
def forgotten(postgres_url: str) -> str:
    """A database with a route that was last used long ago, and a job since then of another one."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(queue_sql.ENQUEUE, batch("oil", "ink"))
        connection.execute(
            "update photochanger.job_routes set used_at = now() - interval '9 d' where route::text ~ 'oil'"
        )
        connection.execute(
            "delete from photochanger.jobs using photochanger.job_routes"
            " where job_routes.id = route_id and used_at < now() - interval '1 d'"
        )
    return postgres_url


def test_a_route_that_is_used_again_outlives_a_pruning_that_comes_second(forgotten: str) -> None:
    with (
        psycopg.connect(forgotten) as enqueueing,
        psycopg.connect(forgotten) as pruning,
        ThreadPoolExecutor() as threads,
    ):
        enqueueing.execute("select * from photochanger.store_jobs(%(batch)s::jsonb)", batch("oil"))
        pruned = threads.submit(pruning.execute, stats_sql.PRUNE, prune())
        eventually(lambda: rows(forgotten, WAITING))
        enqueueing.commit()
        pruned.result(60)
        pruning.commit()
    assert len(rows(forgotten, STORED)) == 2


def test_a_route_that_is_used_again_is_stored_again_after_a_pruning_that_came_first(forgotten: str) -> None:
    with (
        psycopg.connect(forgotten) as enqueueing,
        psycopg.connect(forgotten) as pruning,
        ThreadPoolExecutor() as threads,
    ):
        pruning.execute(stats_sql.PRUNE, prune())
        store = "select * from photochanger.store_jobs(%(batch)s::jsonb)"
        stored = threads.submit(enqueueing.execute, store, batch("oil"))
        eventually(lambda: rows(forgotten, WAITING))
        pruning.commit()
        stored.result(60)
        enqueueing.commit()
    missing = "select from photochanger.jobs where route_id not in (select id from photochanger.job_routes)"
    assert rows(forgotten, missing) == []
    assert len(rows(forgotten, STORED)) == 2


def test_batches_with_the_same_new_routes_do_not_block_each_other(postgres_url: str) -> None:
    def store(order: int) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            for number in range(40):
                prompts = [f"{number} {name}" for name in "abcdef"]
                connection.execute(queue_sql.ENQUEUE, batch(*prompts[::order]))

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(store, order) for order in (1, -1, 1, -1)]:
            done.result(120)
    assert rows(postgres_url, "select count(*) from photochanger.job_routes") == [(240,)]


def test_jobs_keep_their_routes_when_the_schema_changes(postgres_url: str) -> None:
    async def jobs_of(ids: list[Any]) -> dict[Any, JobSpec]:
        async with open_backend(postgres_url) as backend:
            return {id: (await backend.jobs.get(id)).spec for id in ids}

    async def enqueue() -> list[JobSpec]:
        async with open_backend(postgres_url) as backend:
            return [await enqueued(backend, prompt) for prompt in ("oil", "ink", "oil")]

    expected = {job.id: job for job in asyncio.run(enqueue())}
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    with engine.connect() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(inspect.getfile(migrate)).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        command.downgrade(config, "0014")
        connection.commit()
    prompts = rows(postgres_url, "select route #>> '{entries,0,settings,prompt}' from photochanger.jobs order by id")
    assert [*prompts] == [("oil",), ("ink",), ("oil",)]
    migrate(postgres_url)
    assert len(rows(postgres_url, STORED)) == 2
    assert asyncio.run(jobs_of([*expected])) == expected
