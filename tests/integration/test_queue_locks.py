"""No lock of the queue is held while a commit waits for the disk.

The calls have connections of their own, without the time limits of the service.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from uuid import UUID

import msgspec
import psycopg
import pytest
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.adapters.postgres.jobs import queue_sql
from photochanger.adapters.postgres.jobs.rows import enqueue_item, finalize_item
from photochanger.core.domain.job import Job, JobSpec

from tests.support.builders import new_job, outcome_succeeded
from tests.support.held_disk import GLOBAL_LOCKS, held_disk
from tests.support.queue_steps import LEASE
from tests.support.service import eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer.start(tmp_path_factory.mktemp("server") / "postgres") as server:
        yield server


def batch(*jobs: JobSpec, max_active: int = 10) -> str:
    return msgspec.json.encode([enqueue_item(job, max_active) for job in jobs]).decode()


def verdicts(url: str, jobs: str) -> list[str]:
    """What becomes of jobs that are not stored: a wait for the disk is left out where nothing is written."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(queue_sql.ENQUEUE, {"batch": jobs}).fetchone()
    assert row is not None
    return [verdict for verdict, *_ in row[0]]


def test_an_enqueue_that_waits_for_the_disk_keeps_no_other_one_waiting(server: EmbeddedServer) -> None:
    with held_disk(server, "enqueueing") as disk:
        for _ in range(3):
            disk.durable(queue_sql.ENQUEUE, batch=batch(new_job(), max_active=3))
        assert disk.read(GLOBAL_LOCKS) == []
        assert disk.read("select count(*) from photochanger.jobs") == [3], "they are seen by those who count"
        assert verdicts(disk.url, batch(new_job(), max_active=3)) == ["full"]


def test_jobs_are_taken_while_nothing_reaches_the_disk(server: EmbeddedServer) -> None:
    with held_disk(server, "acquiring") as disk:
        disk.durable(queue_sql.ENQUEUE, batch=batch(new_job(), new_job()))
        limits = {"worker": "one", "n": 1, "lease": LEASE, "running": [], "limits": '{"local": 1}'}
        urgent = {"local": [], "needs": "{}", "longest": 0.0, "finishing": 0.1, "fresh": 0.85}
        with psycopg.connect(disk.url, autocommit=True) as worker:
            taken = worker.execute(
                queue_sql.ACQUIRE, {"worker": "one", "n": 1, "lease": LEASE, "running": []}
            ).fetchall()
            assert len(taken) == 1
            worker.execute(queue_sql.ACQUIRE_WITHIN_LIMITS, limits)
            worker.execute(queue_sql.ACQUIRE_URGENT, limits | urgent)
            worker.execute("select photochanger.wake_workers(2)")
            worker.execute("call photochanger.announce_idle('photochanger_process_x', 1, null, null)")
            worker.execute("select pg_notify('photochanger_finalized', 'x')")


def test_the_end_of_a_job_waits_for_the_disk_and_no_one_waits_for_it(server: EmbeddedServer) -> None:
    with held_disk(server, "finalizing") as disk:
        jobs = [new_job(), new_job()]
        disk.durable(queue_sql.ENQUEUE, batch=batch(*jobs))
        with psycopg.connect(disk.url, autocommit=True) as worker:
            assert (
                len(
                    worker.execute(
                        queue_sql.ACQUIRE, {"worker": "one", "n": 2, "lease": LEASE, "running": []}
                    ).fetchall()
                )
                == 2
            )
        for job in jobs:
            disk.durable(queue_sql.FINALIZE, batch=end(job))
        assert disk.read(GLOBAL_LOCKS) == []
        assert disk.read("select count(*) from photochanger.jobs where finalized_at is null") == [2]
    with psycopg.connect(disk.url) as reader:
        assert reader.execute("select count(*) from photochanger.jobs where state = 'succeeded'").fetchone() == (2,)


def end(job: JobSpec) -> str:
    item = finalize_item(outcome_succeeded(Job(spec=job))) | {
        "number": 0,
        "id": job.id,
        "attempt": 1,
        "worker": "one",
        "counted_as": "success",
        "audit": None,
        "attempts": [],
    }
    return msgspec.json.encode([item]).decode()


@pytest.mark.parametrize("by", ["the process", "the server"])
def test_the_bound_is_exact_where_a_caller_dies_before_its_job_is_on_the_disk(server: EmbeddedServer, by: str) -> None:
    with held_disk(server, by.replace(" ", "_")) as disk:
        job = new_job()
        call = disk.durable(queue_sql.ENQUEUE, batch=batch(job, max_active=1))
        if by == "the process":
            with socket.socket(fileno=os.dup(call.fileno())) as its:
                its.shutdown(socket.SHUT_RDWR)
        else:
            (pid,) = disk.waiting()
            disk.read(f"select pg_terminate_backend({pid})")
            eventually(lambda: disk.waiting() == [])
        assert verdicts(disk.url, batch(new_job(), max_active=1)) == ["full"], "its job is there, and counts"
        disk.durable(queue_sql.ENQUEUE, batch=batch(job, max_active=1))
        assert disk.read("select id from photochanger.jobs") == [UUID(str(job.id))], "a repeat finds it"
    with psycopg.connect(disk.url, autocommit=True) as connection:
        connection.execute("update photochanger.jobs set expires_at = now()")
    assert verdicts(disk.url, batch(new_job(), max_active=1)) == ["stored"], "its place is free at its deadline"
