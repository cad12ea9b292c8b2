"""A client hangs up and sends the same photo at once: one job, whichever of its two requests is first at each step."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from photochanger.core.domain.media import MediaKind
from photochanger.core.ports.job_queue import JobQueue
from photochanger.core.ports.media_store import MediaStore

from tests.support import photos
from tests.support.http_server import PICTURE, Gate, Service, form, head, until

pytestmark = pytest.mark.anyio

BODY = form(photos.jpeg(200, 150))
SLOT = "slot-001"


class Held:
    """The first call of an adapter's method, held until the test lets it go on; the others pass."""

    def __init__(self, adapter: Any, name: str) -> None:
        self.calls = self.ended = 0
        self.opened = asyncio.Event()
        self._method = getattr(adapter, name)
        setattr(adapter, name, self._call)

    async def _call(self, *args: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == 1:
            await self.opened.wait()
        try:
            return await self._method(*args, **options)
        finally:
            self.ended += 1

    async def reached(self, calls: int = 1) -> None:
        async def called() -> bool:
            return self.calls >= calls

        await until(called)


async def send(service: Service) -> asyncio.StreamWriter:
    _, writer = await service.connect()
    writer.write(head(SLOT, len(BODY)) + BODY)
    await writer.drain()
    return writer


async def stored_twice(service: Service) -> None:
    """Both photos have arrived, and the second request got as far as it can."""

    async def stored() -> bool:
        return len(await service.files(MediaKind.PAYLOADS)) == 2

    await until(stored)
    for _ in range(300):
        await asyncio.sleep(0)


async def finish(service: Service, gate: Gate, resend: asyncio.Task[Any]) -> None:
    """The resend gets the picture of the only job."""
    gate.opened.set()
    answer = await resend
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["x-job-id"] == str((await service.only_job()).id)
    assert service.provider.calls == 1

    async def nothing_left() -> bool:
        return await service.files(MediaKind.PAYLOADS) == []

    await until(nothing_left)


@pytest.fixture
def gate(service: Service) -> Gate:
    service.provider.script = gate = Gate()
    return gate


async def test_the_disconnect_is_still_being_noted_when_the_photo_comes_again(service: Service, gate: Gate) -> None:
    abandon = Held(await service.opened.container.get(JobQueue), "abandon")
    first = await send(service)
    await gate.held(1)
    first.close()
    resend = asyncio.create_task(service.post_form(SLOT, BODY))
    await abandon.reached()
    await stored_twice(service)
    abandon.opened.set()
    await finish(service, gate, resend)


async def test_the_job_ends_while_the_disconnect_is_still_being_noted(service: Service, gate: Gate) -> None:
    abandon = Held(await service.opened.container.get(JobQueue), "abandon")
    first = await send(service)
    await gate.held(1)
    first.close()
    resend = asyncio.create_task(service.post_form(SLOT, BODY))
    await abandon.reached()
    await stored_twice(service)
    gate.opened.set()
    await abandon.reached(2)
    abandon.opened.set()
    await finish(service, gate, resend)


async def test_the_client_hangs_up_in_the_middle_of_its_picture(service: Service) -> None:
    picture = photos.noise(1200, 1000)  # larger than what kernels take for a client that does not read
    service.provider.script = gate = Gate(picture)
    abandon = Held(await service.opened.container.get(JobQueue), "abandon")
    abandon.opened.set()
    gate.opened.set()
    reader, first = await service.connect()
    first.write(head(SLOT, len(BODY)) + BODY)
    await reader.readuntil(b"\r\n\r\n")
    first.transport.abort()

    async def noted() -> bool:
        return abandon.ended >= 1

    await until(noted)
    answer = await service.post_form(SLOT, BODY)
    assert answer.status_code == 200
    assert answer.headers["x-job-id"] == str((await service.only_job()).id)
    assert service.provider.calls == 1


async def test_the_client_hangs_up_before_its_photo_has_become_a_job(service: Service, gate: Gate) -> None:
    enqueue = Held(await service.opened.container.get(JobQueue), "enqueue")
    first = await send(service)
    await enqueue.reached()
    first.close()
    resend = asyncio.create_task(service.post_form(SLOT, BODY))
    await stored_twice(service)
    enqueue.opened.set()
    await finish(service, gate, resend)


async def test_the_photo_that_comes_again_is_first_in_the_queue(service: Service, gate: Gate) -> None:
    put = Held(await service.opened.container.get(MediaStore), "put")
    first = await send(service)
    await put.reached()
    first.close()
    resend = asyncio.create_task(service.post_form(SLOT, BODY))
    await gate.held(1)
    put.opened.set()

    async def discarded() -> bool:  # the first photo was stored, and has joined the job of the second
        return put.ended == 2 and len(await service.files(MediaKind.PAYLOADS)) == 1

    await until(discarded)
    await finish(service, gate, resend)


async def test_a_client_that_only_shuts_down_its_sending_side_gets_the_picture_too(
    service: Service, gate: Gate
) -> None:
    put = Held(await service.opened.container.get(MediaStore), "put")
    reader, writer = await service.connect()
    writer.write(head(SLOT, len(BODY)) + BODY)
    writer.write_eof()
    await put.reached()
    other = asyncio.create_task(service.post_form(SLOT, BODY))
    await gate.held(1)
    put.opened.set()
    gate.opened.set()
    assert (await reader.read()).endswith(PICTURE)
    assert (await other).content == PICTURE
    writer.close()


async def test_the_same_photo_of_clients_that_both_wait_is_two_jobs(service: Service, gate: Gate) -> None:
    both = [asyncio.create_task(service.post_form(SLOT, BODY)) for _ in range(2)]
    await gate.held(2)
    gate.opened.set()
    answers = await asyncio.gather(*both)
    assert len({answer.headers["x-job-id"] for answer in answers}) == service.provider.calls == 2


async def test_a_first_request_that_fails_does_not_hold_up_the_second(service: Service, gate: Gate) -> None:
    queue = await service.opened.container.get(JobQueue)
    enqueue, store = Held(queue, "enqueue"), queue.enqueue

    async def fail_first(*args: Any, **options: Any) -> Any:
        if enqueue.calls:
            return await store(*args, **options)
        await store(*args, **options | {"max_active": 0})
        raise AssertionError("a queue without room refuses")

    queue.enqueue = fail_first
    first = await send(service)
    await enqueue.reached()
    first.close()
    resend = asyncio.create_task(service.post_form(SLOT, BODY))
    enqueue.opened.set()
    await finish(service, gate, resend)


@pytest.mark.parametrize("answer_ends", ["Connection: close", "keep-alive"])
async def test_the_same_photo_again_after_its_picture_was_answered_is_two_jobs(
    service: Service, answer_ends: str
) -> None:
    headers = {"Connection": "close"} if answer_ends == "Connection: close" else {}
    first, second = [await service.post_form(SLOT, BODY, headers=headers) for _ in range(2)]
    assert first.status_code == second.status_code == 200
    assert first.headers["x-job-id"] != second.headers["x-job-id"]
    assert service.provider.calls == 2
