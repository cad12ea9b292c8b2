"""Deliveries of webhooks: what is sent and how it is signed, when it is tried again, and when it is given up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from photochanger.core.domain.errors import QueueUnavailable, WebhookUnreachable
from photochanger.core.domain.job import Job, JobSource, Outcome
from photochanger.core.domain.webhook import PAUSES, DeliveryState
from photochanger.core.ports.secrets import SecretKeyUnavailable
from photochanger.core.services.webhooks.delivery import LEASE, MAX_CONCURRENCY, POLL, SHARE

from tests.support.builders import outcome_failed, outcome_succeeded
from tests.support.hooks import ADA, URL, Call, Hooks
from tests.support.world import SECOND

pytestmark = pytest.mark.anyio


def is_signed(call: Call, secret: str) -> bool:
    """As a receiver checks it: HMAC-SHA256 over id, timestamp and body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([call.headers["webhook-id"].encode(), call.headers["webhook-timestamp"].encode(), call.body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return call.headers["webhook-signature"] == f"v1,{expected}"


def failed(job: Job) -> Outcome:
    return outcome_failed(job, finalized_at=job.created_at)


async def waiting() -> int:
    """A receiver that never answers."""
    return await asyncio.get_running_loop().create_future()


# What is sent


async def test_the_end_of_a_job_is_delivered_signed_and_recorded() -> None:
    world = Hooks()
    secret = await world.set_up()
    await world.pass_time(timedelta(seconds=1.7))
    job = await world.end_job()
    async with world.delivering():
        await world.called(1)
    (call,) = world.receiver.calls
    delivery = await world.only()
    webhook = await world.service.get("slot-001")
    assert call.url == URL
    assert is_signed(call, secret)
    assert {name: value for name, value in call.headers.items() if name != "webhook-signature"} == {
        "content-type": "application/json",
        "user-agent": "PhotoChanger",
        "webhook-id": str(delivery.id),
        "webhook-timestamp": str(int(world.clock.now().timestamp())),
        "webhook-key-id": webhook.key_id,
    }
    assert job.result is not None
    assert call.message == {
        "type": "job.finalized",
        "timestamp": "2026-01-01T00:00:01.700000Z",
        "data": {
            "job_id": str(job.id),
            "slot_id": "slot-001",
            "source": "ingest",
            "state": "succeeded",
            "failure_reason": None,
            "error_code": None,
            "created_at": "2026-01-01T00:00:01.700000Z",
            "finalized_at": "2026-01-01T00:00:01.700000Z",
            "result": {
                "url": f"https://booth.example/public/results/{job.id}",
                "thumbnail_url": f"https://booth.example/public/results/{job.id}/thumbnail",
                "mime": "image/jpeg",
                "width": 3000,
                "height": 2000,
                "size_bytes": job.result.file.size_bytes,
                "sha256": job.result.file.sha256,
                "expires_at": "2026-01-04T00:00:01.700000Z",
                "outcome": "success",
            },
        },
    }
    assert (delivery.state, delivery.attempts, delivery.last_status) == (DeliveryState.DELIVERED, 1, 204)


async def test_a_failed_job_is_delivered_with_its_reason_and_without_metadata() -> None:
    world = Hooks()
    await world.set_up()
    await world.end_job(failed, source=JobSource.LIBRARY, metadata={"guest": "Grace Hopper"})
    async with world.delivering():
        await world.called(1)
    (call,) = world.receiver.calls
    data = call.message["data"]
    assert (data["state"], data["failure_reason"], data["error_code"]) == (
        "failed",
        "provider_error",
        "provider_failed",
    )
    assert (data["source"], data["result"]) == ("library", None)
    assert b"Hopper" not in call.body


async def test_a_picture_of_the_failure_answer_is_marked_as_fallback() -> None:
    world = Hooks()
    await world.set_up()

    def branded(job: Job) -> Outcome:
        good = outcome_succeeded(job).result
        assert good is not None
        return outcome_failed(job, finalized_at=job.created_at, result=msgspec.structs.replace(good, fallback=True))

    await world.end_job(branded)
    async with world.delivering():
        await world.called(1)
    assert world.receiver.calls[0].message["data"]["result"]["outcome"] == "fallback"


async def test_without_a_public_address_links_are_paths() -> None:
    world = Hooks(public_base_url=None)
    await world.set_up()
    job = await world.end_job()
    async with world.delivering():
        await world.called(1)
    assert world.receiver.calls[0].message["data"]["result"]["url"] == f"/public/results/{job.id}"


async def test_the_secret_that_holds_at_the_time_of_the_call_signs_it() -> None:
    world = Hooks(500)
    old = await world.set_up()
    await world.end_job()
    async with world.delivering():
        await world.called(1)
        _, new = await world.service.rotate_secret("slot-001", by=ADA)
        await world.pass_time(PAUSES[0])
        await world.called(2)
    first, second = world.receiver.calls
    assert is_signed(first, old)
    assert is_signed(second, new)
    assert not is_signed(second, old)


# Again, and when it is given up


async def test_calls_that_fail_are_made_again_after_longer_and_longer_pauses_and_then_given_up() -> None:
    world = Hooks(*[503] * 20)
    await world.set_up()
    await world.end_job()
    for number, pause in enumerate(PAUSES, 1):
        async with world.delivering():
            await world.called(number)
        assert (await world.only()).next_at - world.clock.now() == pause
        await world.pass_time(pause)
    async with world.delivering():
        await world.called(len(PAUSES) + 1)
    assert len(world.receiver.calls) == len(PAUSES) + 1
    assert len({call.headers["webhook-id"] for call in world.receiver.calls}) == 1
    assert len({call.headers["webhook-timestamp"] for call in world.receiver.calls}) == len(PAUSES) + 1
    assert len({call.body for call in world.receiver.calls}) == 1
    delivery = await world.only()
    assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, len(PAUSES) + 1)
    assert (delivery.last_status, delivery.last_error) == (503, "The receiver answered 503.")


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (500, 500, "The receiver answered 500."),
        (404, 404, "The receiver answered 404."),
        (302, 302, "The receiver answered 302: redirects are not followed."),
        (WebhookUnreachable("The host cannot be reached."), None, "The host cannot be reached."),
        (WebhookUnreachable("x" * 500), None, "x" * 200),
        (
            RuntimeError("https://studio.example/?key=hush"),
            None,
            "The call failed with an internal error (RuntimeError).",
        ),
    ],
)
async def test_a_failure_is_recorded_briefly_and_the_next_call_succeeds(
    answer: Any, status: int | None, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = Hooks(answer)
    await world.set_up()
    await world.end_job()
    async with world.delivering():
        await world.called(1)
        noted = await world.only()
        await world.pass_time(PAUSES[0])
        await world.called(2)
    assert (noted.state, noted.last_status, noted.last_error) == (DeliveryState.PENDING, status, error)
    assert noted.next_at - noted.created_at == PAUSES[0]
    assert ((await world.only()).state, (await world.only()).last_error) == (DeliveryState.DELIVERED, None)
    assert "hush" not in caplog.text


async def test_a_receiver_that_is_gone_is_not_asked_again_for_this_job() -> None:
    world = Hooks(410)
    await world.set_up()
    await world.end_job()
    async with world.delivering():
        await world.called(1)
    delivery = await world.only()
    assert (delivery.state, delivery.last_status) == (DeliveryState.DEAD, 410)
    await world.pass_time(timedelta(days=1))
    assert await world.outbox.acquire(n=1, lease=LEASE) == []


async def test_the_delivery_of_a_deleted_job_is_dead() -> None:
    world = Hooks()
    await world.set_up()
    job = await world.end_job()
    del world.jobs.inner._db.jobs[job.id]
    async with world.delivering():
        await world.until(lambda: world.noted)
    delivery = await world.only()
    assert (delivery.state, delivery.last_error) == (DeliveryState.DEAD, "The job has been deleted.")
    assert world.receiver.calls == []


async def test_a_secret_that_cannot_be_opened_waits_for_the_right_key() -> None:
    world = Hooks()
    await world.set_up()
    await world.end_job()
    other = world.other_process(secret="another secret of this service, long enough too")
    async with other.delivering():
        await other.until(lambda: other.noted)
    delivery = await world.only()
    assert delivery.state is DeliveryState.PENDING
    assert delivery.last_error is not None
    assert "PHOTOCHANGER_SECRET_KEY" in delivery.last_error
    assert other.receiver.calls == []
    await world.pass_time(PAUSES[0])
    async with world.delivering():
        await world.called(1)
    assert (await world.only()).state is DeliveryState.DELIVERED


async def test_an_unreadable_secret_key_is_recorded_with_its_message() -> None:
    world = Hooks()
    await world.set_up()
    await world.end_job()
    world.box.faults["open"] = SecretKeyUnavailable("var/secret.key cannot be read.")
    async with world.delivering():
        await world.until(lambda: world.noted)
    assert (await world.only()).last_error == "var/secret.key cannot be read."


# At least once, and not more at once than is good


async def test_an_idle_loop_looks_each_second() -> None:
    world = Hooks()
    await world.set_up()
    async with world.delivering():
        await world.until(lambda: world.outbox.calls.count("acquire") == 1)
        await world.pass_time(timedelta(0))
        await world.end_job()
        await world.pass_time(POLL - timedelta(milliseconds=1))
        assert world.receiver.calls == []
        await world.pass_time(timedelta(milliseconds=1))
        await world.called(1)


async def test_a_receiver_that_hangs_leaves_calls_to_the_others() -> None:
    world = Hooks(*[waiting] * 2 * MAX_CONCURRENCY)
    await world.set_up("slot-001")
    for _ in range(3 * MAX_CONCURRENCY):
        await world.end_job()
    async with world.delivering():
        await world.called_or_waiting(SHARE)
        await world.pass_time(10 * POLL)
        hanging = len(world.receiver.calls)
        assert SHARE <= hanging < 2 * SHARE
        world.receiver.script.clear()
        await world.service.put("slot-002", URL, by=ADA)
        jobs = {(await world.end_job(slot_id="slot-002")).id for _ in range(2 * MAX_CONCURRENCY)}
        await world.pass_time(POLL)
        await world.until(lambda: world.noted == len(jobs))
    delivered = [call.message["data"] for call in world.receiver.calls[hanging:]]
    assert {UUID(data["job_id"]) for data in delivered} == jobs


async def test_calls_at_once_are_bounded_whatever_their_receivers() -> None:
    world = Hooks(*[waiting] * 10 * MAX_CONCURRENCY)
    for number in range(1, 9):
        slot_id = f"slot-{number:03}"
        await world.set_up(slot_id)
        for _ in range(SHARE):
            await world.end_job(slot_id=slot_id)
    async with world.delivering():
        await world.called_or_waiting(MAX_CONCURRENCY)
        await world.pass_time(10 * POLL)
        assert len(world.receiver.calls) == MAX_CONCURRENCY


async def test_a_process_that_dies_between_call_and_note_leaves_the_delivery_to_the_next() -> None:
    world = Hooks(waiting)
    await world.set_up()
    await world.end_job()
    async with world.delivering():
        await world.called_or_waiting(1)
    other = world.other_process()
    async with other.delivering():
        await world.pass_time(LEASE - SECOND)
        assert other.receiver.calls == []
        await world.pass_time(2 * SECOND)
        await other.called(1)
    assert other.receiver.calls[0].headers["webhook-id"] == world.receiver.calls[0].headers["webhook-id"]
    assert ((await world.only()).state, (await world.only()).attempts) == (DeliveryState.DELIVERED, 2)


async def test_two_processes_deliver_each_job_once() -> None:
    one = Hooks()
    await one.set_up()
    jobs = [await one.end_job() for _ in range(40)]
    two = one.other_process()
    async with one.delivering(), two.delivering():
        await one.until(lambda: one.noted + two.noted == 40)
    delivered = [call.message["data"]["job_id"] for call in (*one.receiver.calls, *two.receiver.calls)]
    assert sorted(delivered) == sorted(str(job.id) for job in jobs)


async def test_a_webhook_that_is_removed_while_a_call_waits_its_turn_is_not_called() -> None:
    world = Hooks()
    await world.set_up()
    await world.end_job()
    taken = await world.outbox.inner.acquire(n=1, lease=LEASE)
    await world.service.remove("slot-001", by=ADA)
    await world.delivery._deliver(taken[0])
    assert world.receiver.calls == []


# Outages


@pytest.mark.parametrize("method", ["acquire", "delivered"])
async def test_an_outage_of_the_database_is_waited_out(method: str, caplog: pytest.LogCaptureFixture) -> None:
    world = Hooks()
    await world.set_up()
    await world.end_job()
    world.outbox.faults[method] = QueueUnavailable("The database cannot be reached right now.")
    async with world.delivering() as running:
        await world.until(lambda: method in world.outbox.calls)
        await world.pass_time(POLL)
        assert not running.done()
        assert "The database cannot be reached right now." in caplog.text
        world.outbox.faults.clear()
        in_vain = world.outbox.calls.count("delivered")
        await world.pass_time(LEASE + POLL)
        await world.until(lambda: world.outbox.calls.count("delivered") > in_vain)
    assert (await world.only()).state is DeliveryState.DELIVERED
