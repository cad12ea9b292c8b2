"""Strangers that send photos without a password: they hold little, and no camera notices them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from photochanger.core.domain.accounts import camera_keys
from photochanger.core.domain.media import MediaKind
from photochanger.core.ports.accounts import FailureCounter
from photochanger.core.services.auth.known_addresses import KnownAddresses
from photochanger.core.services.media.upload_budget import UploadBudget

from tests.support import photos
from tests.support.http_server import END, PASSWORD, PICTURE, Service, form, head, part, serving, until

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
BUDGET = 4 * MIB
CAMERA = "127.0.0.1"
PHOTO = photos.jpeg(64, 48)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path, max_unauthenticated_bytes=BUDGET) as running:
        yield running


class Stranger:
    """A client at an address of its own that sends photos without their end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def at(cls, service: Service, address: str) -> Stranger:
        return cls(*await asyncio.open_connection("127.0.0.1", service.port, local_addr=(address, 0)))

    async def send(self, size_bytes: int, *, announced_bytes: int) -> None:
        """Send that much of a photo that is followed by the form's other fields."""
        self._writer.write(head("slot-001", announced_bytes))
        self._writer.write(part("fileToUpload", PHOTO, filename="a.jpg")[:-2] + bytes(size_bytes))
        await self._writer.drain()

    async def status(self) -> int:
        """The status of the response."""
        return int((await self.reader.readuntil(b"\r\n")).split()[1])

    async def hang_up(self) -> None:
        self._writer.close()


def with_password_last(photo: bytes = PHOTO) -> bytes:
    return part("fileToUpload", photo, filename="a.jpg") + part("password", PASSWORD) + END


@pytest.mark.parametrize("known", [True, False], ids=["known camera", "new camera"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared address", "own addresses"])
async def test_sixteen_anonymous_uploads_do_not_stop_a_camera(service: Service, known: bool, shared: bool) -> None:
    budget = await service.opened.container.get(UploadBudget)
    if known:
        (await service.opened.container.get(KnownAddresses)).note(CAMERA)
    addresses = [CAMERA if shared and known else f"127.0.0.{2 + number}" for number in range(16)]
    strangers = [await Stranger.at(service, address) for address in addresses]
    for stranger in strangers:
        await stranger.send(MIB, announced_bytes=3 * MIB)

    async def full() -> bool:
        return bool(budget.held_bytes >= BUDGET // 2)

    await until(full)
    for body in (form(PHOTO), with_password_last(photos.jpeg(640, 480)), form(photos.png())):
        answer = await service.post_form("slot-001", body)
        assert answer.status_code == 200, answer.text
        assert answer.content == PICTURE
    assert budget.held_bytes <= BUDGET
    for stranger in strangers:
        await stranger.hang_up()

    async def released() -> bool:
        return budget.held_bytes == 0 and await service.files(MediaKind.PAYLOADS) == []

    await until(released)


async def test_upload_that_gives_way_is_told_when_to_try_again(service: Service) -> None:
    first = await Stranger.at(service, "127.0.0.2")
    await first.send(2 * MIB, announced_bytes=3 * MIB)
    budget = await service.opened.container.get(UploadBudget)

    async def held() -> bool:
        return bool(budget.held_bytes >= 2 * MIB)

    await until(held)
    second = await Stranger.at(service, "127.0.0.3")
    await second.send(2 * MIB, announced_bytes=3 * MIB)
    assert await first.status() == 429
    answer = await first.reader.readuntil(b"\r\n\r\n")
    assert b"retry-after: 5" in answer.lower()
    problem = await first.reader.readuntil(b"}")
    assert b'"too_many_uploads"' in problem
    await first.hang_up()
    await second.hang_up()


async def test_photo_that_is_too_large_for_the_budget_needs_its_password_first(service: Service) -> None:
    large = PHOTO + bytes(BUDGET)
    answer = await service.post_form("slot-001", with_password_last(large))
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_uploads")
    assert "password before the photo" in answer.json()["detail"]
    assert (await service.post_form("slot-001", form(large))).status_code == 200


async def test_form_without_a_password_counts_as_a_wrong_one(service: Service) -> None:
    counter = await service.opened.container.get(FailureCounter)
    failed: list[str] = []
    original = counter.failed

    async def noted(keys: list[str], **options: object) -> None:
        failed.extend(keys)
        await original(keys, **options)

    counter.failed = noted
    body = part("fileToUpload", PHOTO, filename="a.jpg") + END
    for _ in range(3):
        answer = await service.post_form("slot-001", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "missing_field")
    assert failed == [*camera_keys(CAMERA)] * 3
