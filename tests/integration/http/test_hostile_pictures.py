"""Hostile pictures on every way into the service: refused from their structure, or harmless."""

from __future__ import annotations

import pytest
from photochanger.core.domain.media import MediaKind
from photochanger.core.ports.provider import ProviderRequest

from tests.support import hostile_pictures as hostile
from tests.support import photos
from tests.support.administration import Administrator, described
from tests.support.http_server import END, PICTURE, Service, part

pytestmark = pytest.mark.anyio

HOSTILE = {
    "scans": (hostile.jpeg_scans(2_000), 422, "undecodable_image"),
    "chunks": (hostile.png_chunks(5_000_000), 422, "undecodable_image"),
    "segments": (hostile.jpeg_with(hostile.segment(0xFE, b"") * 50_000), 422, "undecodable_image"),
    "jpeg-of-65535": (hostile.jpeg_of_size(65_535, 65_535), 413, "image_too_large"),
    "heic-of-100-megapixels": (
        hostile.heic(items={1: b"hvc1"}, sizes={1: (12_000, 9_000)}) + bytes(23_000),
        413,
        "image_too_large",
    ),
    "heic-of-another-codec": (hostile.heic(items={1: b"unci"}, sizes={1: (64, 48)}), 415, "unsupported_media_type"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_way_in_takes_a_hostile_picture(service: Service, admin: Administrator, name: str) -> None:
    data, status, code = HOSTILE[name]
    described(await service.ingest(photo=data), status, code)
    for path in ("/api/slots/slot-001/test-run", "/api/media/register", "/api/template-media/register"):
        described(await admin.upload(path, data), status, code)
    for kind in (MediaKind.PAYLOADS, MediaKind.MEDIA, MediaKind.TEMPLATES):
        assert await service.files(kind) == []
    assert service.provider.calls == 0


async def test_a_stranger_s_hostile_picture_is_refused_before_the_password(service: Service) -> None:
    data, status, code = HOSTILE["chunks"]
    body = part("fileToUpload", data, filename="a.png") + part("password", "wrong") + END
    described(await service.post_form("slot-001", body), status, code)
    assert await service.files(MediaKind.PAYLOADS) == []


async def test_a_picture_beyond_the_bounds_is_no_answer_of_a_provider(service: Service) -> None:
    answers = [hostile.jpeg_scans(2_000), hostile.png_chunks(50_000), PICTURE]

    async def hostile_at_first(request: ProviderRequest) -> bytes:
        return answers.pop(0)

    service.provider.script = hostile_at_first
    answer = await service.ingest()
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert service.provider.calls == 3


async def test_gigabytes_of_text_are_left_out_of_a_photo_and_ignored_in_an_answer(service: Service) -> None:
    bomb = hostile.png_text_bomb()
    seen: list[bytes] = []

    async def bomb_for_a_bomb(request: ProviderRequest) -> bytes:
        seen.append(request.photo.data)
        return bomb

    service.provider.script = bomb_for_a_bomb
    assert (await service.ingest(photo=bomb)).status_code == 200
    assert seen == [photos.png(32, 32)]


async def test_gigabytes_of_text_are_ignored_in_a_template(admin: Administrator) -> None:
    answer = await admin.upload("/api/template-media/register", hostile.png_text_bomb())
    assert answer.status_code == 201, answer.text
