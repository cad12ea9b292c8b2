"""Events over HTTP: what happens to jobs while it happens, and what was missed."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
import yaml
from photochanger.core.domain.accounts import COMMAND_LINE, TOKEN_LIFE, Identity
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.ports.clock import Clock
from photochanger.core.ports.repositories.job_log import JobLog
from photochanger.core.services.auth.admins import AdminService
from photochanger.core.services.jobs.event_stream import EventStream
from photochanger.entrypoints.http.api import events as events_module
from photochanger.entrypoints.http.ops.contract_file import contract_path

from tests.support.administration import ADMIN, Administrator, described, listening
from tests.support.contract_rules import misfit
from tests.support.http_server import Gate, Service
from tests.support.service import HANG_SECONDS

pytestmark = pytest.mark.anyio


async def until(stream: Any, event: str, /, **fields: Any) -> dict[str, Any]:
    """The next message of this kind whose data has these fields."""
    async with asyncio.timeout(HANG_SECONDS):
        async for message in stream:
            if message.get("event") == event:
                data: dict[str, Any] = json.loads(message["data"])
                if all(data[name] == value for name, value in fields.items()):
                    return data | {"_id": message.get("id")}
    raise AssertionError("the stream ended")


async def until_each(stream: Any, *wanted: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The next message of each of these kinds with these fields, whichever comes first."""
    found: dict[int, dict[str, Any]] = {}
    async with asyncio.timeout(HANG_SECONDS):
        async for message in stream:
            for number, (event, fields) in enumerate(wanted):
                if number not in found and message.get("event") == event:
                    data: dict[str, Any] = json.loads(message["data"])
                    if all(data[name] == value for name, value in fields.items()):
                        found[number] = data
            if len(found) == len(wanted):
                return [found[number] for number in range(len(wanted))]
    raise AssertionError("the stream ended")


async def test_a_job_is_followed_from_its_photo_to_its_end(service: Service, admin: Administrator) -> None:
    gate = Gate()
    service.provider.script = gate
    async with listening(admin) as stream:
        depth = await until(stream, "queue")
        assert depth["active"] == 0
        waiting = asyncio.ensure_future(service.ingest())
        # The depth of the queue is read beside the events of jobs, and may be ahead of them.
        received, taken, _ = await until_each(
            stream, ("job", {"state": "pending"}), ("job", {"state": "processing"}), ("queue", {"processing": 1})
        )
        assert (received["slot_id"], received["source"], received["event"]) == ("slot-001", "ingest", "received")
        assert taken["job_id"] == received["job_id"]
        assert taken["event_id"] > received["event_id"]
        gate.opened.set()
        ended, _ = await until_each(stream, ("job", {"state": "succeeded"}), ("queue", {"active": 0}))
        assert ended["job_id"] == (await waiting).headers["x-job-id"]


async def test_events_are_as_the_contract_describes_them(service: Service, admin: Administrator) -> None:
    contract = yaml.safe_load(contract_path().read_text())
    answer = contract["paths"]["/api/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    described = {kind: schema["$ref"].rpartition("/")[2] for kind, schema in answer["x-events"].items()}
    seen = set()
    async with listening(admin, **{"Last-Event-ID": "999999"}) as stream, asyncio.timeout(HANG_SECONDS):
        sending = asyncio.ensure_future(service.ingest())
        async for message in stream:
            if "event" in message:
                data = json.loads(message["data"])
                assert misfit(contract, described[message["event"]], data) is None, message
                seen.add(message["event"])
                if data.get("state") == "succeeded":
                    break
        await sending
    assert seen == set(described)


async def test_one_slot_is_listened_to_alone(service: Service, admin: Administrator) -> None:
    async with listening(admin, "/api/events?slot_id=slot-002") as stream:
        await until(stream, "queue")
        await service.ingest("slot-001")
        await service.ingest("slot-002")
        assert (await until(stream, "job"))["slot_id"] == "slot-002"


async def test_what_was_missed_comes_first(service: Service, admin: Administrator) -> None:
    async with listening(admin) as stream:
        await service.ingest()
        last = await until(stream, "job", state="succeeded")
        last_id = last["_id"] or (await anext(stream)).get("id")
    missed = (await service.ingest()).headers["x-job-id"]
    async with listening(admin, **{"Last-Event-ID": last_id or "0"}) as stream:
        assert (await until(stream, "job", job_id=missed))["event"] == "received"


async def test_an_id_that_was_never_given_is_refused(admin: Administrator) -> None:
    described(await admin("GET", "/api/events", headers={"Last-Event-ID": "yesterday"}), 400, "invalid_request")
    described(await admin("GET", "/api/events?colour=red"), 400, "invalid_request")


async def test_the_stream_begins_anew_where_too_much_was_missed(admin: Administrator) -> None:
    async with listening(admin, **{"Last-Event-ID": "999999"}) as stream:
        await until(stream, "reset")


async def test_a_heartbeat_comes_while_nothing_happens(
    service: Service, admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_SECONDS", 0.01)
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with service.client.stream("GET", "/api/events", headers=headers) as answer, asyncio.timeout(HANG_SECONDS):
        async for line in answer.aiter_lines():
            if line.startswith(":"):
                break


async def test_the_stream_ends_with_its_token(
    service: Service, admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_SECONDS", 0.01)
    clock = await service.opened.container.get(Clock)
    async with listening(admin) as stream:
        await until(stream, "queue")
        over = clock.now() + TOKEN_LIFE
        monkeypatch.setattr(clock, "now", lambda: over)
        async with asyncio.timeout(HANG_SECONDS):
            assert [message async for message in stream if message.get("event") == "job"] == []


@pytest.mark.parametrize("life_sign", ["a heartbeat", "an event"])
async def test_the_stream_ends_when_its_administrator_may_hear_no_more(
    service: Service, admin: Administrator, monkeypatch: pytest.MonkeyPatch, life_sign: str
) -> None:
    monkeypatch.setattr(events_module, "CHECK_SECONDS", 0.0)
    if life_sign == "a heartbeat":
        monkeypatch.setattr(events_module, "HEARTBEAT_SECONDS", 0.01)
    admins = await service.opened.container.get(AdminService)
    async with listening(admin) as stream, asyncio.timeout(HANG_SECONDS):
        await until(stream, "queue")
        await admins.set_password(ADMIN, "another horse battery staple", by=COMMAND_LINE)
        await service.ingest()
        assert [message async for message in stream if message.get("event") == "job"] == []


async def test_the_stream_goes_on_while_nobody_can_tell_whether_its_token_holds(
    service: Service, admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "CHECK_SECONDS", 0.0)
    admins = await service.opened.container.get(AdminService)
    async with listening(admin) as stream:
        await until(stream, "queue")

        async def away(token: str) -> Identity:
            raise QueueUnavailable("The database cannot be reached right now.")

        monkeypatch.setattr(admins, "identify", away)
        await service.ingest()
        await until(stream, "job", state="succeeded")


async def test_a_service_that_stops_or_has_no_database_says_so_at_once(
    service: Service, admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = await service.opened.container.get(EventStream)
    log: Any = await service.opened.container.get(JobLog)

    async def away() -> int:
        raise QueueUnavailable("The database cannot be reached right now.")

    with monkeypatch.context() as outage:
        outage.setattr(log, "last_event", away)
        described(await admin("GET", "/api/events"), 503, "queue_unavailable")
    await feed.close()
    refused = await admin("GET", "/api/events")
    described(refused, 503, "shutting_down")
    assert refused.headers["retry-after"]


async def test_two_hundred_listeners_are_told_and_cost_one_reader(service: Service, admin: Administrator) -> None:
    feed = await service.opened.container.get(EventStream)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(listening(admin)) for _ in range(200)]
        assert feed.subscribers == 200
        job_id = (await service.ingest()).headers["x-job-id"]
        told = await asyncio.gather(*(until(stream, "job", state="succeeded") for stream in streams))
        assert {data["job_id"] for data in told} == {job_id}
    await _gone(feed)


async def test_a_listener_that_hangs_up_is_forgotten(service: Service, admin: Administrator) -> None:
    feed = await service.opened.container.get(EventStream)
    async with listening(admin) as stream:
        await until(stream, "queue")
        assert feed.subscribers == 1
    await _gone(feed)


async def test_a_listener_that_never_reads_is_cut_off_and_the_others_hear_on(
    service: Service, admin: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, listeners, impatient = events_module._write, list[Any](), False

    async def write_with_limit(send: Any, text: str) -> None:
        if send not in listeners:
            listeners.append(send)
        monkeypatch.setattr(events_module, "SEND_SECONDS", 0.1 if impatient and send is listeners[0] else 60.0)
        await write(send, text)

    monkeypatch.setattr(events_module, "_write", write_with_limit)
    feed = await service.opened.container.get(EventStream)
    reader, writer = await service.connect()
    writer.write(
        b"GET /api/events HTTP/1.1\r\nHost: booth\r\nAuthorization: Bearer " + admin.token.encode() + b"\r\n\r\n"
    )
    await writer.drain()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(HANG_SECONDS):
        while not listeners:  # noqa: ASYNC110 - the server does not signal that a response has begun
            await asyncio.sleep(0)
    async with listening(admin) as stream:
        await until(stream, "queue")
        assert feed.subscribers == 2
        impatient = True
        big = "x" * 200_000
        while feed.subscribers == 2:
            await service.log_noise(big)
            await until(stream, "job", event="reference")
        await service.ingest()
        await until(stream, "job", state="succeeded")
    writer.close()
    assert reader


async def _gone(feed: EventStream) -> None:
    """Return once nobody is listening; the server notices a hang-up when the connection says so."""
    async with asyncio.timeout(HANG_SECONDS):
        while feed.subscribers:  # noqa: ASYNC110 - the feed tells nobody that it is deserted
            await asyncio.sleep(0)
