"""A statement is executed and its reply is lost: the service finds out, and the guest gets the picture."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.adapters.postgres.jobs import queue_sql
from photochanger.adapters.postgres.jobs.queue import End, finalize_batch
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.builders import outcome_succeeded
from tests.support.fault_relay import FaultRelay
from tests.support.postgres_backend import open_backend
from tests.support.postgres_server import fresh_database
from tests.support.queue_steps import live_job, take_one
from tests.support.service import Service, eventually, rows, serving, set_slot
from tests.support.standins.server import Answer
from tests.support.standins.studio import StudioStandIn

SLOT, REFUSED_SLOT = "slot-005", "slot-006"
APPEND = b"jsonb_to_recordset($1::jsonb) as entries"
ENQUEUE, ACQUIRE, FINALIZE = b"photochanger.enqueue_jobs(", b"attempt = attempt + 1", b"'counted_as' as counted_as"


class Booth(NamedTuple):
    service: Service
    relay: FaultRelay
    url: str
    media: Path


@pytest.fixture(scope="module")
def booth(postgres_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booth]:
    home = tmp_path_factory.mktemp("booth")
    with (
        fresh_database(postgres_server) as url,
        FaultRelay(url).running() as relay,
        serving(home, database_url=relay.url(), private_hosts="127.0.0.1") as service,
    ):
        set_slot(url, SLOT, Route(entries=(RouteEntry("local", "stylize", {"look": "sketch"}),)))
        yield Booth(service, relay, url, home / "media")


def payloads(booth: Booth) -> list[Path]:
    return list((booth.media / "payloads").iterdir())


@pytest.mark.parametrize("statement", [ENQUEUE, ACQUIRE, FINALIZE])
def test_a_lost_reply_costs_no_picture_and_makes_no_second_job(booth: Booth, statement: bytes) -> None:
    before = booth.relay.replies_cut
    key = f"photo-{statement.hex()}"
    booth.relay.cut_replies(statement, times=1 if statement == ACQUIRE else 3)
    answer = booth.service.send(photos.jpeg(97, 64), SLOT, **{"Idempotency-Key": key})
    assert answer.status_code == 200, answer.text
    assert booth.relay.replies_cut > before
    booth.relay.restore()
    again = booth.service.send(photos.jpeg(97, 64), SLOT, **{"Idempotency-Key": key})
    assert (again.status_code, again.headers["x-job-id"]) == (200, answer.headers["x-job-id"])
    found = rows(booth.url, "select state from photochanger.jobs where idempotency_key = %s", key)
    assert found == [("succeeded",)]
    assert eventually(lambda: not payloads(booth))


def test_a_lost_reply_writes_no_attempt_twice(booth: Booth) -> None:
    """The attempt is noted while its job goes on, and noted again on another connection."""
    with StudioStandIn().running_in_thread() as studio:
        studio.script(Answer(400))
        refused = RouteEntry("http", "image_edit", {"url": f"{studio.url}/edit", "prompt": "Paint it."})
        sketch = RouteEntry("local", "stylize", {"look": "sketch"})
        set_slot(booth.url, REFUSED_SLOT, Route(entries=(refused, sketch)))
        before = booth.relay.replies_cut
        booth.relay.cut_replies(APPEND)
        answer = booth.service.send(photos.jpeg(98, 64), REFUSED_SLOT)
    assert answer.status_code == 200, answer.text
    eventually(lambda: booth.relay.replies_cut > before)
    booth.relay.restore()
    log = "select event, detail ->> 'classification' from photochanger.processing_logs where job_id = %s order by id"
    written = eventually(lambda: ended(rows(booth.url, log, answer.headers["x-job-id"])))
    assert written == [
        ("received", None),
        ("acquired", None),
        ("attempt", "rejected"),
        ("attempt", "picture"),
        ("finalized", None),
    ]


@pytest.mark.anyio
async def test_an_end_that_is_committed_while_it_is_repeated_keeps_its_picture(postgres_url: str) -> None:
    """As where a commit waits for the disk or for a standby longer than its reply is waited for."""
    async with open_backend(postgres_url) as backend, await psycopg.AsyncConnection.connect(postgres_url) as first:
        await live_job(backend)
        claim = await take_one(backend)
        end = End(claim.job.id, outcome_succeeded(claim.job), claim)
        await first.execute(queue_sql.FINALIZE, {"batch": finalize_batch([end])})
        async with asyncio.TaskGroup() as group:
            repeated = group.create_task(backend.queue.mark_finalized(end.job_id, end.outcome, claim=claim))
            blocked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = %s"
            await asyncio.to_thread(eventually, lambda: rows(postgres_url, blocked, "transactionid") == [(1,)])
            await first.commit()
        assert repeated.result(), "it is this end that was recorded"


def ended(written: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """The log of a job that has ended."""
    return written if written[-1][0] == "finalized" else []
