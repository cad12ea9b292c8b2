"""`photochanger send` as a studio runs it: a process of its own, against the live service and against bad ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from photochanger.adapters.memory.jobs.queue import MemoryJobQueue
from photochanger.core.domain.errors import QueueFull, QueueUnavailable
from photochanger.core.domain.job import Job, JobSpec
from photochanger.core.domain.routing.capacity import QueueLoad
from photochanger.core.domain.slots.slot import FailureAnswer, ResponseMode
from photochanger.core.ports.provider import Rejected

from tests.support import photos
from tests.support.http_server import PASSWORD, PICTURE, Gate, Service, serving
from tests.support.ports import kept_port
from tests.support.sender import NULL_TELEMETRY, Studio, answer, answering, finished, held, read_until, url_of

pytestmark = pytest.mark.anyio

PROBLEM = "application/problem+json"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path / "home") as running:
        yield running


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "studio")


async def test_a_photo_comes_back_as_a_picture_in_the_folder(service: Service, studio: Studio) -> None:
    done = await studio.send(studio.photo(), url=url_of(service))
    assert done.code == 0, done.errors
    job = await service.only_job()
    assert studio.pictures() == [f"IMG_0001-{job.id}.jpg"]
    assert photos.load(studio.output / studio.pictures()[0]) == PICTURE
    assert f"{url_of(service)}/public/results/{job.id}" in done.out
    assert "1 of 1 photos came back as pictures" in done.out


async def test_json_tells_what_happened_and_nothing_else(service: Service, studio: Studio) -> None:
    done = await studio.send(studio.photo(), "--json", url=url_of(service))
    (sent,) = done.sent
    job = await service.only_job()
    assert sent["outcome"] == "picture"
    assert sent["status"] == 200
    assert UUID(sent["job_id"]) == job.id
    assert sent["bytes_in"] == len(photos.load(studio.folder / "IMG_0001.JPG"))
    assert sent["bytes_out"] == len(PICTURE)
    assert sent["link"] == f"{url_of(service)}/public/results/{job.id}"
    assert photos.load(studio.folder / sent["file"]) == PICTURE
    assert done.totals["pictures"] == done.totals["photos"] == 1


async def test_what_arrives_is_the_photo_byte_for_byte_with_its_fields(service: Service, studio: Studio) -> None:
    large = photos.jpeg(2400, 1800, quality=97)
    assert len(large) > 1024 * 1024
    fields = ("--field", "guest=Zoë = Ada", "--field", "time=12:30")
    done = await studio.send(studio.photo(data=large), *fields, url=url_of(service))
    assert done.code == 0, done.out
    job = await service.only_job()
    assert job.photo.file.size_bytes == len(large)
    assert job.metadata == {"guest": "Zoë = Ada", "time": "12:30"}


async def test_a_folder_means_the_pictures_in_it(service: Service, studio: Studio) -> None:
    for name in ("day/b.jpg", "day/a.JPEG", "day/c.png", "day/notes.txt"):
        studio.photo(name, photos.png() if name.endswith("png") else None)
    done = await studio.send("day", "--json", url=f"{url_of(service)}/")
    assert done.code == 0, done.errors
    assert [sent["photo"] for sent in done.sent] == ["day/a.JPEG", "day/b.jpg", "day/c.png"]


async def test_the_picture_is_taken_out_of_an_answer_in_parts(service: Service, studio: Studio) -> None:
    await service.change_slot("slot-001", response_mode=ResponseMode.MULTIPART)
    done = await studio.send(studio.photo(), url=url_of(service))
    assert done.code == 0, done.out
    (name,) = studio.pictures()
    assert photos.load(studio.output / name) == PICTURE


async def test_a_picture_of_the_failure_answer_is_called_that(service: Service, studio: Studio) -> None:
    await service.change_slot("slot-001", failure_answer=FailureAnswer.ORIGINAL)
    service.provider.script = refused
    done = await studio.send(studio.photo(), "--json", url=url_of(service))
    assert done.code == 0, done.out
    assert done.sent[0]["outcome"] == "fallback"
    assert done.totals["fallbacks"] == 1


async def test_as_many_photos_as_allowed_are_under_way_at_once(service: Service, studio: Studio) -> None:
    gate = Gate()
    service.provider.script = gate
    names = [studio.photo(f"{letter}.jpg", photos.jpeg(160 + 8 * at, 120)) for at, letter in enumerate("abc")]
    process = await studio.start(*names, "--at-once", "2", "--json", url=url_of(service))
    await held(gate, 2)
    assert len(service.database.jobs) == 2
    gate.opened.set()
    done = await finished(process)
    assert done.code == 0, done.out
    assert done.totals["pictures"] == 3


async def test_a_full_queue_is_asked_again_after_its_pause(
    tmp_path: Path, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    enqueue, refused = MemoryJobQueue.enqueue, list[JobSpec]()

    async def enqueue_or_refuse_once(queue: MemoryJobQueue, job: JobSpec, *, max_active: int, **rest: Any) -> Job:
        """A full queue asks for a short pause; whenever the retry comes, it is taken once there is room."""
        while True:
            try:
                return await enqueue(queue, job, max_active=max_active, **rest)
            except QueueFull:
                if not refused:
                    refused.append(job)
                    raise QueueFull("The queue is full. Retry in 1 s.", retry_after=1) from None
            await asyncio.sleep(0)

    async def no_estimate(queue: MemoryJobQueue) -> QueueLoad:
        """Else an estimate of the load, which may already count the first photo, refuses the second one."""
        raise QueueUnavailable("There is no estimate.")

    monkeypatch.setattr(MemoryJobQueue, "enqueue", enqueue_or_refuse_once)
    monkeypatch.setattr(MemoryJobQueue, "load", no_estimate)
    async with serving(tmp_path / "home", max_active_jobs=1, sync_response=timedelta(hours=1)) as service:
        service.provider.script = gate
        names = [studio.photo("a.jpg"), studio.photo("b.jpg", photos.png())]
        process = await studio.start(*names, "--at-once", "2", url=url_of(service))
        seen = await read_until(process, b"queue_full, retry in")
        gate.opened.set()
        done = await finished(process, seen)
        assert done.code == 0, done.out
        assert len(studio.pictures()) == len(service.database.jobs) == 2
        assert len(refused) == 1


async def test_a_wrong_password_is_tried_once_and_never_shown(service: Service, studio: Studio) -> None:
    names = [studio.photo(f"{at}.jpg") for at in range(12)]
    done = await studio.send(*names, "--at-once", "1", "--json", url=url_of(service), password="not-the-password")
    assert done.code == 1
    assert [sent["code"] for sent in done.sent] == ["invalid_password"] * 12
    assert [sent["outcome"] for sent in done.sent] == ["problem"] + ["not_sent"] * 11
    assert "not-the-password" not in done.out + done.errors
    assert (await service.ingest()).status_code == 200, "the address is locked out"


async def test_an_unknown_slot_is_reported_by_code_and_detail(service: Service, studio: Studio) -> None:
    done = await studio.send(studio.photo(), url=url_of(service), slot="slot-999")
    assert done.code == 1
    assert "404 slot_not_found: There is no slot" in done.out
    assert studio.pictures() == []


async def test_a_text_file_among_photos_leaves_the_photos_alone(service: Service, studio: Studio) -> None:
    names = [studio.photo("a.jpg"), studio.photo("letter.jpg", photos.TEXT_AS_JPG), studio.photo("c.jpg")]
    done = await studio.send(*names, "missing.jpg", "--json", url=url_of(service))
    assert done.code == 1
    assert [sent["code"] for sent in done.sent] == [None, "unsupported_media_type", None, "photo_unreadable"]
    assert len(studio.pictures()) == 2


async def test_each_photo_is_sent_as_often_as_is_asked_and_no_picture_replaces_another(
    service: Service, studio: Studio
) -> None:
    odd = "..[red] ö\n%s.jpg"
    done = await studio.send(studio.photo(odd), "--repeat", "3", "--json", url=url_of(service))
    assert done.code == 0, done.out
    assert len(service.database.jobs) == 3
    assert studio.pictures() == sorted(f"___red__ö__s-{job}.jpg" for job in service.database.jobs)
    assert [sent["photo"] for sent in done.sent] == [f"..[red] ö?%s.jpg #{number}" for number in (1, 2, 3)]


async def test_photos_of_one_name_in_two_folders_are_two_pictures(service: Service, studio: Studio) -> None:
    names = (studio.photo("day/a.jpg"), studio.photo("night/a.jpg", photos.jpeg(200, 120)))
    done = await studio.send(*names, "--json", url=url_of(service))
    assert done.code == 0, done.out
    assert studio.pictures() == sorted(f"a-{job}.jpg" for job in service.database.jobs)
    assert [sent["photo"] for sent in done.sent] == ["day/a.jpg", "night/a.jpg"]


@pytest.mark.parametrize("output", ["letter.txt/pictures", "/proc/self"])
async def test_an_output_folder_that_takes_no_files_costs_no_photo(
    service: Service, studio: Studio, output: str
) -> None:
    studio.photo("letter.txt")
    done = await studio.send(studio.photo(), "--output", output, url=url_of(service))
    assert done.code == 2
    assert done.errors.startswith(f"photochanger: --output: {output} is not writable")
    assert len(done.errors.splitlines()) == 1
    assert service.database.jobs == {}


async def test_the_password_comes_from_a_file(service: Service, studio: Studio) -> None:
    photos.store(studio.folder / "password", f"{PASSWORD}\n".encode())
    arguments = (studio.photo(), "--password-file", "password")
    done = await studio.send(*arguments, url=url_of(service), password="another")
    assert done.code == 0, done.out


async def test_without_a_password_and_a_terminal_nothing_is_sent(service: Service, studio: Studio) -> None:
    done = await studio.send(studio.photo(), url=url_of(service), password=None)
    assert done.code == 2
    assert "PHOTOCHANGER_INGEST_PASSWORD: is not set" in done.errors
    assert service.database.jobs == {}


async def test_on_a_terminal_the_password_is_asked_for_and_rows_move(service: Service, studio: Studio) -> None:
    gate = Gate()
    service.provider.script = gate
    process = await studio.start(studio.photo(), url=url_of(service), password=None, terminal=True)
    assert process.stdin is not None
    await read_until(process, b"Ingest password")
    process.stdin.write(f"{PASSWORD}\n".encode())
    seen = await read_until(process, b"waiting for the picture")
    gate.opened.set()
    done = await finished(process, seen)
    assert done.code == 0, done.out
    assert "1 of 1 photos came back as pictures" in done.out
    assert PASSWORD not in done.out


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"url": "host:8000"}, "--url: must look like"),
        ({"url": "http://user:secret@host"}, "--url: must not contain a user name"),
        ({"slot": "../x"}, "--slot: '../x' is not the id of a slot"),
        ({"field": "guest"}, "--field: must look like name=value"),
        ({"field": "password=secret"}, "--field: password is a reserved field"),
        ({"photo": "empty"}, "PHOTO: empty contains no pictures"),
    ],
)
async def test_an_invalid_call_says_how_to_fix_it(studio: Studio, changed: dict[str, str], expected: str) -> None:
    (studio.folder / "empty").mkdir()
    call = {"photo": studio.photo(), "field": "guest=Ada", "slot": "slot-001", "url": "http://127.0.0.1:9"} | changed
    done = await studio.send(call["photo"], "--field", call["field"], url=call["url"], slot=call["slot"])
    assert done.code == 2
    assert done.errors.startswith(f"photochanger: {expected}")
    assert "secret" not in done.errors


async def refused(request: Any) -> bytes:
    raise Rejected("A safety filter refused the picture.")


async def test_all_tries_of_a_photo_carry_one_key_and_no_other_photo_has_it(studio: Studio) -> None:
    async with answering(answer(503, Retry_After="0"), answer(429, Retry_After="0"), answer(200, PICTURE)) as stub:
        names = (studio.photo("a.jpg"), studio.photo("b.jpg"))
        done = await studio.send(*names, "--at-once", "1", "--json", url=f"{stub.url}/photos/")
        keys = [stub.header(at, "idempotency-key") for at in range(4)]
    assert done.code == 0, done.out
    assert [sent["tries"] for sent in done.sent] == [3, 1]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert all(head.startswith("POST /photos/ingest/slot-001 ") for head in stub.heads)


async def test_a_service_that_never_has_room_is_given_up_after_three_tries(studio: Studio) -> None:
    full = b'{"code": "queue_full", "detail": "No room.", "retry_after": 50}'
    async with answering(answer(429, full, kind=PROBLEM, Retry_After="0")) as stub:
        done = await studio.send(studio.photo(), url=stub.url)
    assert done.code == 1
    assert len(stub.heads) == 3
    assert "429 queue_full: No room. (3 tries)" in done.out


async def test_a_pause_longer_than_any_window_is_not_waited_for(studio: Studio) -> None:
    async with answering(answer(503, Retry_After="3600")) as stub:
        done = await studio.send(studio.photo(), url=stub.url)
    assert done.code == 1
    assert len(stub.heads) == 1
    assert "503 http_503: Service Unavailable." in done.out


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(200, b"<html>", kind="text/html"), "200 not_a_picture: The answer is text/html, not a picture."),
        (answer(308, Location="https://elsewhere/"), "308 http_308: The service has moved to https://else"),
        (answer(502, b"{", kind=PROBLEM), "502 http_502: Bad Gateway."),
        (answer(200, PICTURE)[:-9], "connection_lost: "),
        (b"HELLO\r\n\r\n", "connection_lost: "),
    ],
    ids=["a page", "a redirect", "a broken problem", "half a picture", "no HTTP"],
)
async def test_an_answer_without_a_picture_gives_a_one_line_error(studio: Studio, said: bytes, expected: str) -> None:
    async with answering(said) as stub:
        done = await studio.send(studio.photo(), url=stub.url)
    assert done.code == 1
    assert len([line for line in done.out.splitlines() if line.startswith(f"IMG_0001.JPG: {expected}")]) == 2
    assert studio.pictures() == []


async def test_a_server_that_says_nothing_is_given_up(studio: Studio) -> None:
    async with answering(NULL_TELEMETRY) as stub:
        done = await studio.send(studio.photo(), "--timeout", "5", url=stub.url)  # long enough to connect and send
    assert done.code == 1
    assert "timed_out: No answer within 5 s." in done.out


async def test_an_unreachable_server_gives_a_one_line_error(studio: Studio) -> None:
    with kept_port() as port:  # where nothing listens
        done = await studio.send(studio.photo(), url=f"http://127.0.0.1:{port}")
    assert done.code == 1
    assert "IMG_0001.JPG: unreachable: Connection refused" in done.out
    assert done.errors == ""


async def test_a_server_without_tls_gives_a_one_line_error(service: Service, studio: Studio) -> None:
    done = await studio.send(studio.photo(), url=f"https://127.0.0.1:{service.port}")
    assert done.code == 1
    assert "IMG_0001.JPG: tls_failed: " in done.out
    assert done.errors == ""
