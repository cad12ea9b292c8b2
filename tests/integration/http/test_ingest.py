"""A photo goes in and the same connection brings the picture, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import io
from email import message_from_bytes, policy
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.domain.job import JobState
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.slots.slot import FailureAnswer, ResponseMode, RouteEntry
from photochanger.core.ports.job_queue import JobQueue
from photochanger.core.ports.provider import ProviderRequest, Rejected
from PIL import Image

from tests.support import photos
from tests.support.http_server import END, PASSWORD, PICTURE, Gate, Service, part, serving, until
from tests.support.service import LONG_WINDOW

pytestmark = pytest.mark.anyio


async def no_payloads(service: Service) -> None:
    """Return once the worker has deleted the photos, which it does while the answer is sent."""

    async def deleted() -> bool:
        return await service.files(MediaKind.PAYLOADS) == []

    await until(deleted)


async def test_a_photo_goes_in_and_a_picture_comes_out(service: Service) -> None:
    answer = await service.ingest()
    assert answer.status_code == 200, answer.text
    assert answer.content == PICTURE
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(PICTURE))
    assert answer.headers["x-photochanger-outcome"] == "success"
    assert answer.headers["cache-control"] == "no-store"
    link = answer.headers["link"]
    assert link.startswith("<http://127.0.0.1")
    assert link.endswith('>; rel="alternate"')
    assert (await service.client.get(link[1 : link.index(">")])).content == PICTURE


async def test_nothing_temporary_is_left_when_the_answer_is_there(service: Service) -> None:
    answer = await service.ingest()
    assert answer.status_code == 200
    await no_payloads(service)
    assert len(await service.files(MediaKind.RESULTS)) == 1


async def test_fields_come_in_any_order_and_become_metadata(service: Service) -> None:
    photo = part("fileToUpload", photos.jpeg(), filename="a.jpg")
    fields = part("hash", "not-a-checksum") + part("guest", "Zoë") + part("time", "12:30")
    for body in (photo + fields + part("password", PASSWORD), fields + photo + part("password", PASSWORD)):
        answer = await service.post_form("slot-001", body + END)
        assert answer.status_code == 200, answer.text
        job = await service.job(answer.headers["x-job-id"])
        assert job.metadata == {"hash": "not-a-checksum", "guest": "Zoë", "time": "12:30"}


async def test_the_file_may_be_in_a_field_named_file(service: Service) -> None:
    body = part("password", PASSWORD) + part("file", photos.png(), filename="a.png") + END
    assert (await service.post_form("slot-001", body)).status_code == 200


@pytest.mark.parametrize("kept", [False, True])
async def test_a_transparent_photo_becomes_a_transparent_picture_where_the_slot_says_so(
    service: Service, kept: bool
) -> None:
    cutout = Image.new("RGBA", (80, 60), (200, 30, 30, 0))
    cutout.paste((30, 30, 200, 255), (20, 0, 60, 60))
    await service.change_slot("slot-002", entries=(RouteEntry("local", "enhance"),), keep_transparency=kept)
    answer = await service.ingest("slot-002", photos.encoded(cutout, "PNG"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ("image/png" if kept else "image/jpeg")
    with Image.open(io.BytesIO(answer.content)) as picture:
        corner = picture.convert("RGBA").getpixel((3, 30))
    assert corner[3] == 0 if kept else min(corner) > 240


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a\0b.jpg", "x" * 300 + ".jpg", "ä/\\:*?.jpg", ""])
async def test_the_name_of_the_file_never_matters(service: Service, name: str) -> None:
    body = part("password", PASSWORD) + part("fileToUpload", photos.jpeg(64, 48), filename=name) + END
    answer = await service.post_form("slot-001", body)
    assert answer.status_code == 200, answer.text
    await no_payloads(service)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "heic"])
async def test_every_accepted_type_is_taken_whatever_the_form_calls_it(service: Service, kind: str) -> None:
    photo = {"jpeg": photos.jpeg, "png": photos.png, "webp": photos.webp, "heic": photos.heic}[kind]()
    assert (await service.ingest(photo=photo)).status_code == 200


async def test_respond_async_promises_the_picture_at_once(service: Service) -> None:
    gate = Gate()
    service.provider.script = gate
    answer = await service.ingest(headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    told = answer.json()
    assert told["status_url"] == answer.headers["location"]
    await gate.held(1)
    status = (await service.client.get(answer.headers["location"])).json()
    assert status["state"] == "processing"
    assert status["result"] is None
    gate.opened.set()
    job = await service.opened.jobs.wait(UUID(status["job_id"]))
    assert job.state is JobState.SUCCEEDED
    status = (await service.client.get(answer.headers["location"])).json()
    assert status["state"] == "succeeded"
    assert status["result"]["sha256"] == hashlib.sha256(PICTURE).hexdigest()
    assert status["result"]["url"] == told["result_url"]
    assert (await service.client.get(told["result_url"])).content == PICTURE


async def test_wait_n_ends_in_a_promise_when_the_picture_takes_longer(service: Service) -> None:
    service.provider.script = Gate()
    answer = await service.ingest(headers={"Prefer": "wait=0, handling=lenient"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0"


async def test_wait_n_brings_the_picture_when_it_is_ready_in_time(service: Service) -> None:
    answer = await service.ingest(headers={"Prefer": "respond-async, wait=1800"})
    assert answer.status_code == 200
    assert answer.content == PICTURE


@pytest.mark.parametrize("prefer", ["wait=", "wait=x", "wait=-1", "wait=99999999", "return=minimal", ";;,,="])
async def test_a_preference_that_is_not_understood_is_ignored(service: Service, prefer: str) -> None:
    assert (await service.ingest(headers={"Prefer": prefer})).status_code == 200


async def test_waiting_beyond_the_window_ends_with_the_window(service: Service) -> None:
    service.provider.script = gate = Gate()
    waiting = asyncio.create_task(service.ingest(headers={"Prefer": "wait=86400"}))
    await gate.held(1)
    service.clock.pass_by(LONG_WINDOW)
    assert (await waiting).status_code == 504


async def test_the_same_key_gives_the_same_job_and_one_call_of_the_provider(service: Service) -> None:
    first = await service.ingest(headers={"Idempotency-Key": "order-1"})
    second = await service.ingest(headers={"Idempotency-Key": "order-1"})
    other = await service.ingest("slot-002", headers={"Idempotency-Key": "order-1"})
    assert first.headers["x-job-id"] == second.headers["x-job-id"] != other.headers["x-job-id"]
    assert second.content == PICTURE
    assert service.provider.calls == 2
    await no_payloads(service)


async def test_the_same_key_joins_the_wait_for_a_running_job(service: Service) -> None:
    gate = Gate()
    service.provider.script = gate
    sending = [asyncio.create_task(service.ingest(headers={"Idempotency-Key": "k"})) for _ in range(3)]
    await gate.held(1)
    gate.opened.set()
    answers = await asyncio.gather(*sending)
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.headers["x-job-id"] for answer in answers}) == 1
    assert service.provider.calls == 1


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "tab\tinside"])
async def test_a_key_that_cannot_be_used_is_refused(service: Service, key: str) -> None:
    answer = await service.ingest(headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"


async def test_response_mode_multipart_brings_the_job_and_the_picture(service: Service) -> None:
    await service.change_slot("slot-001", response_mode=ResponseMode.MULTIPART)
    answer = await service.ingest()
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    head = b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n"
    message = message_from_bytes(head + answer.content, policy=policy.HTTP)
    told, picture = message.iter_parts()
    assert told.get_content_type() == "application/json"
    assert picture.get_content_type() == "image/jpeg"
    assert picture.get_payload(decode=True) == PICTURE


async def test_no_picture_within_the_window_is_a_504_that_names_the_job(service: Service) -> None:
    service.provider.script = gate = Gate()
    waiting = asyncio.create_task(service.ingest())
    await gate.held(1)
    service.clock.pass_by(LONG_WINDOW)
    answer = await waiting
    told = answer.json()
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["code"] == "sync_timeout"
    assert told["job_id"] == answer.headers["x-job-id"]
    assert told["expires_at"]
    assert (await service.job(told["job_id"])).state is JobState.TIMED_OUT
    await no_payloads(service)


async def test_a_route_that_gives_up_is_a_502(service: Service) -> None:
    service.provider.script = refuse
    answer = await service.ingest()
    assert answer.status_code == 502
    assert answer.json()["code"] == "provider_failed"


async def test_the_failure_answer_original_is_a_200_that_says_fallback(service: Service) -> None:
    await service.change_slot("slot-001", failure_answer=FailureAnswer.ORIGINAL)
    service.provider.script = refuse
    answer = await service.ingest()
    assert answer.status_code == 200
    assert answer.headers["x-photochanger-outcome"] == "fallback"
    assert photos.pixels(answer.content).size == (160, 120)


async def test_text_that_the_provider_labels_as_a_picture_is_never_the_answer(service: Service) -> None:
    async def text_twice(request: ProviderRequest) -> bytes:
        if service.provider.calls > 2:
            raise Rejected("no more")
        return photos.TEXT_AS_JPG

    service.provider.script = text_twice
    assert (await service.ingest()).status_code == 502
    assert service.provider.calls == 3
    assert await service.files(MediaKind.RESULTS) == []


async def test_a_cancelled_job_is_a_409(service: Service) -> None:
    gate = Gate()
    service.provider.script = gate
    waiting = asyncio.create_task(service.ingest())
    await gate.held(1)
    await service.opened.jobs.cancel((await service.only_job()).id)
    answer = await waiting
    assert answer.status_code == 409
    assert answer.json()["code"] == "job_cancelled"


async def test_a_queue_that_stays_away_is_a_503_with_retry_after_at_the_end_of_the_window(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def away(*_: object, **__: object) -> None:
        asked.set()
        raise QueueUnavailable("The queue cannot be reached.")

    monkeypatch.setattr(await service.opened.container.get(JobQueue), "enqueue", away)
    waiting = asyncio.create_task(service.ingest())
    await asked.wait()
    service.clock.pass_by(LONG_WINDOW)
    answer = await waiting
    assert answer.status_code == 503
    assert answer.json()["code"] == "queue_unavailable"
    assert int(answer.headers["retry-after"]) > 0


async def test_a_media_root_that_cannot_be_written_is_a_503(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        partial = tmp_path / "media" / ".partial"
        partial.rmdir()
        partial.write_text("a file where a folder should be")
        answer = await service.ingest()
        assert answer.status_code == 503
        assert answer.json()["code"] == "storage_unavailable"
        assert await service.files(MediaKind.PAYLOADS) == []
        partial.unlink()
        partial.mkdir()
        assert (await service.ingest()).status_code == 200


async def test_two_hundred_at_once_of_which_sixty_four_work_and_nobody_hangs(tmp_path: Path) -> None:
    async with serving(tmp_path, workers=64, max_active_jobs=64) as service:
        gate = Gate()
        service.provider.script = gate
        photo = photos.jpeg(64, 48)
        refused: list[httpx.Response] = []
        all_refused = asyncio.Event()

        async def send() -> httpx.Response:
            answer = await service.ingest(photo=photo)
            if answer.status_code == 429:
                refused.append(answer)
                if len(refused) == 136:
                    all_refused.set()
            return answer

        sending = [asyncio.create_task(send()) for _ in range(200)]
        await gate.held(64)
        await all_refused.wait()
        gate.opened.set()
        answers = await asyncio.gather(*sending)
        assert sum(answer.status_code == 200 and answer.content == PICTURE for answer in answers) == 64
        assert all(answer.json()["code"] == "queue_full" for answer in refused)
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert service.provider.calls == 64
        await no_payloads(service)


async def refuse(request: ProviderRequest) -> bytes:
    raise Rejected("This provider does not do this.")
