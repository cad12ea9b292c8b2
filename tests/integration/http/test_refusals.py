"""Everything that cannot be taken: each is refused with its own code, and nothing of it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from photochanger.core.domain.media import MediaKind

from tests.support import photos
from tests.support.http_server import END, FORM, PASSWORD, Gate, Service, form, part, serving

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert told["status"] == status
    assert told["type"] == f"urn:photochanger:problem:{code}"
    assert told["title"]
    assert told["detail"]


async def assert_nothing_stays(service: Service) -> None:
    assert await service.files(MediaKind.PAYLOADS) == []
    assert service.provider.calls == 0


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (lambda: photos.TEXT_AS_JPG, 415, "unsupported_media_type"),
        (lambda: b"short", 415, "unsupported_media_type"),
        (lambda: b"", 422, "undecodable_image"),
        (lambda: photos.jpeg()[:40], 422, "undecodable_image"),
        (photos.one_colour_png, 413, "image_too_large"),
        (lambda: photos.animated("WEBP", frames=100), 413, "image_too_large"),
    ],
    ids=["text", "five-bytes", "nothing", "head-of-a-jpeg", "400-megapixels", "hundred-frames"],
)
async def test_what_is_no_acceptable_picture_is_refused(service: Service, photo, status: int, code: str) -> None:  # type: ignore[no-untyped-def]
    assert_problem(await service.ingest(photo=photo()), status, code)
    await assert_nothing_stays(service)


async def test_a_truncated_jpeg_is_found_out_before_a_provider_sees_it(service: Service) -> None:
    answer = await service.ingest(photo=photos.truncated(photos.jpeg()))
    assert_problem(answer, 422, "undecodable_image")
    await assert_nothing_stays(service)


async def test_a_short_animation_counts_as_its_first_frame(service: Service) -> None:
    assert (await service.ingest(photo=photos.animated("WEBP", frames=3))).status_code == 200


async def test_65_mib_are_too_much(service: Service) -> None:
    photo = photos.jpeg(64, 48) + bytes(65 * MIB)
    assert_problem(await service.ingest(photo=photo), 413, "payload_too_large")
    await assert_nothing_stays(service)


async def test_a_photo_over_the_bound_is_cut_off_also_when_no_length_was_told(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield part("password", PASSWORD)
        yield part("fileToUpload", photos.jpeg(64, 48), filename="a.jpg")[:-2]
        for _ in range(40):
            yield bytes(100_000)
        yield b"\r\n" + END

    async with serving(tmp_path, max_upload_bytes=MIB) as service:
        answer = await service.client.post("/ingest/slot-001", content=chunks(), headers={"Content-Type": FORM})
        assert_problem(answer, 413, "payload_too_large")
        await assert_nothing_stays(service)


async def test_a_missing_file_is_named(service: Service) -> None:
    answer = await service.post_form("slot-001", part("password", PASSWORD) + part("guest", "Ada") + END)
    assert_problem(answer, 400, "missing_field")
    assert answer.json()["errors"][0]["field"] == "fileToUpload"


async def test_a_file_field_without_a_file_is_a_missing_file(service: Service) -> None:
    body = part("password", PASSWORD) + part("fileToUpload", b"", filename="") + END
    assert_problem(await service.post_form("slot-001", body), 400, "missing_field")
    await assert_nothing_stays(service)


async def test_a_file_under_another_name_is_told_with_that_name(service: Service) -> None:
    body = part("password", PASSWORD) + part("picture", photos.jpeg(), filename="a.jpg") + END
    answer = await service.post_form("slot-001", body)
    assert_problem(answer, 400, "missing_field")
    assert "'picture'" in answer.json()["detail"]


@pytest.mark.parametrize("second", ["fileToUpload", "file"])
async def test_two_files_are_one_too_many(service: Service, second: str) -> None:
    body = form(photos.jpeg())[: -len(END)] + part(second, photos.png(), filename="b.png") + END
    assert_problem(await service.post_form("slot-001", body), 400, "invalid_multipart")
    await assert_nothing_stays(service)


async def test_a_missing_password_after_the_file_loses_the_stored_photo(service: Service) -> None:
    answer = await service.post_form("slot-001", part("fileToUpload", photos.jpeg(), filename="a.jpg") + END)
    assert_problem(answer, 400, "missing_field")
    await assert_nothing_stays(service)


async def test_a_wrong_password_after_the_file_loses_the_stored_photo(service: Service) -> None:
    body = part("fileToUpload", photos.jpeg(), filename="a.jpg") + part("password", "wrong") + END
    assert_problem(await service.post_form("slot-001", body), 401, "invalid_password")
    await assert_nothing_stays(service)


async def test_a_long_text_field_is_refused(service: Service) -> None:
    assert_problem(
        await service.post_form("slot-001", form(photos.jpeg(64, 48), guest="x" * 9000)), 400, "invalid_multipart"
    )


async def test_too_many_fields_are_refused(service: Service) -> None:
    fields = {f"field_{number}": "x" for number in range(100)}
    answer = await service.post_form("slot-001", form(photos.jpeg(64, 48), **fields))
    assert_problem(answer, 400, "invalid_multipart")
    await assert_nothing_stays(service)


async def test_a_nul_character_in_a_field_is_refused(service: Service) -> None:
    answer = await service.post_form("slot-001", form(photos.jpeg(64, 48), guest="a\0b"))
    assert_problem(answer, 400, "invalid_multipart")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"password": "open sesame"}', "application/json"),
        (form(b"x"), "multipart/form-data"),
        (form(b"x"), "multipart/form-data; boundary="),
        (form(b"x"), "multipart/form-data; boundary=another"),
        (form(b"x"), "multipart/form-data; boundary=\xe4\xf6\xfc"),
        (form(b"x"), ""),
        (b"", FORM),
        (b"no multipart at all", FORM),
        (END, FORM + "x"),
        (b"password=open+sesame", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_that_is_no_whole_form_is_refused(service: Service, body: bytes, content_type: str) -> None:
    sent = {"Content-Type": content_type.encode("latin-1")}
    answer = await service.client.post("/ingest/slot-001", content=body, headers=sent)  # type: ignore[arg-type]
    assert answer.status_code in (400, 415)
    assert answer.json()["code"] in ("invalid_multipart", "unsupported_media_type")
    await assert_nothing_stays(service)


async def test_a_form_without_its_end_is_an_interrupted_upload(service: Service) -> None:
    assert_problem(await service.post_form("slot-001", form(photos.jpeg(64, 48))[:-10]), 408, "upload_interrupted")
    await assert_nothing_stays(service)


@pytest.mark.parametrize(
    "slot_id", ["slot-016", "slot-abc", "slot-000", "SLOT-001", "slot-1", "%2e%2e", "slot-001%00", "x" * 500]
)
async def test_a_slot_that_is_none_is_a_404(service: Service, slot_id: str) -> None:
    assert_problem(await service.ingest(slot_id), 404, "slot_not_found")
    await assert_nothing_stays(service)


async def test_a_slot_that_is_switched_off_is_a_404_of_its_own(service: Service) -> None:
    assert_problem(await service.ingest("slot-015"), 404, "slot_disabled")


async def test_twenty_wrong_passwords_in_a_row_are_throttled(service: Service) -> None:
    service.clock.stop()  # what is counted by the minute is counted in one
    answers = [
        await service.post_form("slot-001", form(photos.jpeg(64, 48), password=f"guess-{number}"))
        for number in range(20)
    ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 10
    assert_problem(answers[-1], 429, "too_many_attempts")
    assert 0 < int(answers[-1].headers["retry-after"]) == answers[-1].json()["retry_after"] <= 60
    await assert_nothing_stays(service)
    assert (await service.ingest()).status_code == 200


async def test_a_full_queue_says_when_to_come_back(tmp_path: Path) -> None:
    async with serving(tmp_path, max_active_jobs=1) as service:
        service.provider.script = Gate()
        assert (await service.ingest(headers={"Prefer": "respond-async"})).status_code == 202
        answer = await service.ingest(photo=photos.png())
        assert_problem(answer, 429, "queue_full")
        assert int(answer.headers["retry-after"]) == answer.json()["retry_after"] > 0


async def test_no_answer_and_no_log_holds_the_password(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    secret = "a-guess-that-nobody-may-read"
    answer = await service.post_form("slot-001", form(photos.jpeg(64, 48), password=secret))
    assert answer.status_code == 401
    assert secret not in answer.text
    assert secret not in caplog.text
