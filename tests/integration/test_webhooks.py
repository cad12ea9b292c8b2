"""Webhooks of a real service: receivers that stumble, hosts that may not be asked, workers that are killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from photochanger.adapters.postgres import (
    Database,
    PostgresJobRepository,
    PostgresSlotRepository,
    PostgresWebhookOutbox,
    PostgresWebhookRepository,
)
from photochanger.adapters.security import AesSecretBox
from photochanger.adapters.system_clock import SystemClock
from photochanger.adapters.webhooks import HttpWebhookSender
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.domain.webhook import Delivery, DeliveryState
from photochanger.core.services.webhooks.delivery import DeliveryOptions, WebhookDelivery
from photochanger.core.services.webhooks.service import WebhookService

from tests.support import photos
from tests.support.builders import new_job, outcome_succeeded, webhook
from tests.support.postgres_backend import open_backend
from tests.support.service import Service, eventually, rows, serving
from tests.support.standins.server import Answer, Held, Received, StandInServer

T = TypeVar("T")

SECRET_KEY = "a secret of this service that is long enough"
LOOPBACK = ["127.0.0.1"]
DOCS = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
MAX_CONCURRENCY = timedelta(0)


class Receiver(StandInServer):
    """Takes every call."""

    def answer(self, request: Received) -> Answer:
        return Answer(204)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running_in_thread() as running:
        yield running


@asynccontextmanager
async def administered(database: Database) -> Any:
    """The service of webhooks over a database."""
    sender = HttpWebhookSender(LOOPBACK)
    yield WebhookService(
        PostgresWebhookRepository(database),
        PostgresWebhookOutbox(database),
        PostgresSlotRepository(database),
        AesSecretBox(lambda: SECRET_KEY),
        sender,
        SystemClock(),
    )
    await sender.close()


def administer(url: str, work: Callable[[WebhookService], Awaitable[T]]) -> T:
    """What an administrator does with webhooks."""

    async def run() -> T:
        async with Database(url) as database, administered(database) as webhooks:
            return await work(webhooks)

    return asyncio.run(run())


def set_webhook(url: str, receiver: Receiver) -> str:
    """Tell the receiver of slot-001's jobs from now on; the secret."""

    async def put(webhooks: WebhookService) -> str:
        _, secret = await webhooks.put("slot-001", f"{receiver.url}/ended?key=hush", by=COMMAND_LINE)
        assert secret is not None
        return secret

    return administer(url, put)


def only(url: str) -> Delivery:
    (delivery,) = administer(url, lambda webhooks: webhooks.deliveries()).items
    return delivery


def let_pauses_be_over(url: str, *, attempts: int | None = None) -> None:
    """What waits for its next try or for the end of a lease is due now; `attempts`: only after that many."""
    due = "update photochanger.webhook_deliveries set next_at = now() where attempts = coalesce(%s, attempts)"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(due, (attempts,))


def sent(service: Service) -> str:
    answer = service.send(photos.jpeg(640, 480))
    assert answer.status_code == 200, answer.text
    return answer.headers["x-job-id"]


def code_in_docs(language: str) -> str:
    """How the documentation tells receivers to verify a call."""
    found = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert found is not None
    return found[1]


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    names: dict[str, Any] = {}
    exec(code_in_docs("python"), names)
    return bool(names["is_genuine"](secret, headers, body))


def is_genuine_by_hand(secret: str, headers: Mapping[str, str], body: bytes, folder: Path) -> bool:
    (folder / "body.json").write_bytes(body)
    given = {
        "SECRET": secret,
        "WEBHOOK_ID": headers["webhook-id"],
        "WEBHOOK_TIMESTAMP": headers["webhook-timestamp"],
        "WEBHOOK_SIGNATURE": headers["webhook-signature"],
    }
    done = subprocess.run(
        ["sh", "-c", code_in_docs("sh")], cwd=folder, env=os.environ | given, capture_output=True, text=True
    )
    return done.stdout == "genuine\n"


def test_a_receiver_that_stumbles_is_told_again_and_can_prove_who_called(
    tmp_path: Path, postgres_url: str, receiver: Receiver
) -> None:
    settings = {"database_url": postgres_url, "secret_key": SECRET_KEY, "private_hosts": "127.0.0.1"}
    held = Held()
    receiver.script(Answer(500, b"a stack trace of somebody else"), held)
    with serving(tmp_path, public_base_url="https://booth.example", **settings) as service:
        secret = set_webhook(postgres_url, receiver)
        job_id = sent(service)
        first = eventually(lambda: next((one for one in [only(postgres_url)] if one.last_status), None))
        assert (first.state, first.last_error) == (DeliveryState.PENDING, "The receiver answered 500.")
        let_pauses_be_over(postgres_url, attempts=1)  # it may be over by itself, and the second call under way
        held.release()
        eventually(lambda: only(postgres_url).state is DeliveryState.DELIVERED)
        assert service.stop() == 0
        log = service.log.read_text()
    failed, repeated = receiver.received
    assert failed.body == repeated.body
    assert failed.headers["webhook-id"] == repeated.headers["webhook-id"] == str(first.id)
    for call in (failed, repeated):
        assert (call.method, call.path, call.query) == ("POST", "/ended", {"key": "hush"})
        assert is_genuine(secret, call.headers, call.body)
        assert is_genuine_by_hand(secret, call.headers, call.body, tmp_path)
        assert not is_genuine(secret, call.headers, call.body.replace(b"succeeded", b"cancelled"))
        assert not is_genuine_by_hand(secret, call.headers, call.body + b" ", tmp_path)
        assert not is_genuine(secret, {**call.headers, "webhook-timestamp": str(int(time.time()) - 3600)}, call.body)
    data = json.loads(repeated.body)["data"]
    assert (data["job_id"], data["state"], data["source"]) == (job_id, "succeeded", "ingest")
    assert data["result"]["url"] == f"https://booth.example/public/results/{job_id}"
    assert set(data) == set(re.findall(r'"(\w+)":', DOCS.split('"data":{')[1].split('"result"')[0])) | {"result"}
    assert "hush" not in log
    assert secret not in log
    assert "Traceback" not in log


def test_a_receiver_at_a_private_address_is_not_asked_without_permission(
    tmp_path: Path, postgres_url: str, receiver: Receiver
) -> None:
    with serving(tmp_path, database_url=postgres_url, secret_key=SECRET_KEY) as service:
        set_webhook(postgres_url, receiver)
        sent(service)
        refused = eventually(lambda: next((one for one in [only(postgres_url)] if one.last_error), None))
        assert refused.state is DeliveryState.PENDING
        assert refused.last_status is None
        assert "PHOTOCHANGER_PRIVATE_HOSTS" in (refused.last_error or "")

        def is_dead() -> bool:
            let_pauses_be_over(postgres_url)
            return only(postgres_url).state is DeliveryState.DEAD

        eventually(is_dead)
    assert receiver.connections == 0


def test_a_worker_killed_between_call_and_note_leaves_the_call_to_its_successor(
    tmp_path: Path, postgres_url: str, receiver: Receiver
) -> None:
    settings = {"database_url": postgres_url, "secret_key": SECRET_KEY, "private_hosts": "127.0.0.1"}
    held = Held()
    receiver.script(held)
    with serving(tmp_path, **settings) as service:
        set_webhook(postgres_url, receiver)
        sent(service)
        eventually(lambda: receiver.received)
        for worker in service.workers():
            worker.kill()
        held.release()
        taken = only(postgres_url)
        assert (taken.state, taken.attempts, taken.last_status) == (DeliveryState.PENDING, 1, None)
        let_pauses_be_over(postgres_url)
        eventually(lambda: only(postgres_url).state is DeliveryState.DELIVERED)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_a_job_that_ran_out_of_time_while_no_worker_ran_is_told_of_by_the_next(
    tmp_path: Path, postgres_url: str, receiver: Receiver
) -> None:
    """The sweeper ends what ran out of time in a process without workers; the next worker tells of it."""
    settings = {"database_url": postgres_url, "secret_key": SECRET_KEY, "private_hosts": "127.0.0.1"}
    with serving(tmp_path, "--workers", "0", **settings) as service:
        set_webhook(postgres_url, receiver)
        answer = service.send(photos.jpeg(640, 480), Prefer="respond-async")
        assert answer.status_code == 202
        assert service.stop() == 0
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("update photochanger.jobs set expires_at = now()")
    with serving(tmp_path, **settings):
        eventually(lambda: receiver.received)
    data = json.loads(receiver.received[0].body)["data"]
    assert (data["state"], data["failure_reason"], data["error_code"]) == ("timed_out", "timeout", "sync_timeout")
    assert data["result"] is None


@pytest.mark.anyio
async def test_pauses_are_those_that_the_delivery_was_given(postgres_url: str, receiver: Receiver) -> None:
    receiver.script(Answer(500), Answer(503), Answer(200))
    sender = HttpWebhookSender(LOOPBACK)
    async with Database(postgres_url) as database, administered(database) as webhooks:
        await PostgresSlotRepository(database).add_missing(shipped_slots())
        await webhooks.put("slot-001", receiver.url, by=COMMAND_LINE)
        async with open_backend(postgres_url) as backend:
            job = await backend.queue.enqueue(new_job(), max_active=10)
            await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)
        delivery = WebhookDelivery(
            webhooks=PostgresWebhookRepository(database),
            outbox=PostgresWebhookOutbox(database),
            jobs=PostgresJobRepository(database),
            box=AesSecretBox(lambda: SECRET_KEY),
            sender=sender,
            clock=SystemClock(),
            options=DeliveryOptions(pauses=(MAX_CONCURRENCY, MAX_CONCURRENCY)),
        )
        running = asyncio.create_task(delivery.run())
        ended = "select ended_at from photochanger.webhook_deliveries where ended_at is not null"
        await asyncio.to_thread(eventually, lambda: rows(postgres_url, ended))
        delivery.stop()
        await running
        (delivered,) = (await webhooks.deliveries()).items
    await sender.close()
    assert (delivered.state, delivered.attempts, len(receiver.received)) == (DeliveryState.DELIVERED, 3, 3)


@pytest.mark.anyio
async def test_a_job_that_ends_while_its_webhook_is_being_removed_ends_all_the_same(postgres_url: str) -> None:
    blocked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with open_backend(postgres_url) as backend:
        await backend.slots.add_missing(shipped_slots())
        await backend.webhooks.save(webhook())
        job = await backend.queue.enqueue(new_job(), max_active=10)
        async with await psycopg.AsyncConnection.connect(postgres_url) as removing:
            await removing.execute("delete from photochanger.webhooks")
            ending = asyncio.create_task(backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None))
            await asyncio.to_thread(eventually, lambda: rows(postgres_url, blocked)[0][0])
            await removing.commit()
        assert await ending
        assert (await backend.outbox.find(limit=10)).items == ()
