"""The push-fed form reader: the same form however the bytes are cut, and nothing kept of a refused one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from photochanger.core.domain.errors import (
    InvalidMultipart,
    InvalidPassword,
    MissingField,
    PayloadTooLarge,
    UploadInterrupted,
)
from photochanger.core.domain.media import ImageFacts, MediaKey, MediaKind, Photo, StoredFile
from photochanger.core.domain.slots.slot import Slot, shipped_slots
from photochanger.entrypoints.http.ingest.camera_form import CameraForm
from photochanger.entrypoints.http.protocol import body as bodies
from photochanger.entrypoints.http.protocol.body import ClientGone
from photochanger.entrypoints.http.protocol.multipart import FORM_OVERHEAD_BYTES, read_form

pytestmark = pytest.mark.anyio

SLOT = shipped_slots()[0]
PICTURE = b"\r\n--a picture\r\n--"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="guest"\r\n\r\nZo\xc3\xab\r\n'
    b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nright\r\n'
    b'--b\r\nContent-Disposition: form-data; name="fileToUpload"; filename="a"\r\n\r\n' + PICTURE + b"\r\n--b--\r\n"
)


class Camera:
    """A request body as the server delivers it, and the services that the form calls."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self._messages = messages
        self.read = 0
        self.stored: dict[str, bytes] = {}

    async def receive(self) -> dict[str, Any]:
        self.read += 1
        return self._messages.pop(0)

    async def check_ingest_password(self, password: str, *, slot: Slot, address: str) -> None:
        if password != "right":
            raise InvalidPassword("The ingest password is wrong.")

    async def receive_photo(self, slot: Slot, data: AsyncIterator[bytes]) -> Photo:
        content = b"".join([chunk async for chunk in data])
        self.stored["photo"] = content
        file = StoredFile(MediaKey(MediaKind.PAYLOADS, "photo"), len(content), "0" * 64)
        return Photo(file, ImageFacts("image/jpeg", 1, 1))

    async def delete(self, key: MediaKey) -> None:
        del self.stored[key.name]

    async def send(self, *, max_bytes: int = 1_000_000, content_type: str = "multipart/form-data; boundary=b") -> Any:
        """The metadata of the form, once it is read."""
        services: Any = self
        request: Any = SimpleNamespace(
            receive=lambda: self.receive(),
            headers={"content-type": content_type},
            content_length=None,
            scope={"state": {}},
        )
        form = CameraForm(SLOT, address="192.0.2.7", jobs=services, store=services, auth=services)
        await read_form(request, form, max_file_bytes=max_bytes - FORM_OVERHEAD_BYTES)
        return form.metadata


def body(data: bytes, *, size: int | None = None) -> list[dict[str, Any]]:
    """The messages of a body that arrives in chunks of this size."""
    size = size or len(data) or 1
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    return [*messages, {"type": "http.request", "body": b"", "more_body": False}]


@pytest.mark.parametrize("size", [*range(1, 40), 64, 100, 1000])
async def test_form_is_the_same_for_any_chunk_size(size: int) -> None:
    camera = Camera(body(FORM, size=size))
    metadata = await camera.send()
    assert metadata == {"guest": "Zoë"}
    assert camera.stored == {"photo": PICTURE}


@pytest.mark.parametrize("length", range(0, len(FORM) - 6, 7))
async def test_a_form_that_ends_too_early_leaves_nothing(length: int) -> None:
    camera = Camera(body(FORM[:length]))
    with pytest.raises(InvalidMultipart):
        await camera.send()
    assert camera.stored == {}


@pytest.mark.parametrize("length", range(0, len(FORM) - 6, 7))
async def test_a_client_that_disconnects_leaves_nothing(length: int) -> None:
    camera = Camera([*body(FORM[:length])[:-1], {"type": "http.disconnect"}])
    with pytest.raises(ClientGone):
        await camera.send()
    assert camera.stored == {}


async def test_wrong_password_ends_the_reading_immediately() -> None:
    camera = Camera(body(FORM.replace(b"right", b"wrong"), size=100))
    with pytest.raises(InvalidPassword):
        await camera.send()
    assert camera.read == 2
    assert camera.stored == {}


async def test_the_body_is_read_to_its_end_beyond_the_last_boundary() -> None:
    messages = body(FORM + b"an epilogue", size=50)
    await Camera(messages).send()
    assert messages == []


async def test_an_epilogue_counts_as_bytes_too() -> None:
    camera = Camera(body(FORM + bytes(2000), size=100))
    with pytest.raises(PayloadTooLarge):
        await camera.send(max_bytes=1000)
    assert camera.stored == {}


async def test_an_upload_without_data_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_IDLE_SECONDS", 0.001)
    camera = Camera(body(FORM[:200])[:-1])
    answers: Callable[[], Awaitable[dict[str, Any]]] = camera.receive

    async def then_silence() -> dict[str, Any]:
        if camera.read:
            await asyncio.Event().wait()
        return await answers()

    monkeypatch.setattr(camera, "receive", then_silence)
    with pytest.raises(UploadInterrupted):
        await camera.send()
    assert camera.stored == {}


async def test_an_upload_that_is_too_slow_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera(body(FORM, size=1))
    at_once: Callable[[], Awaitable[dict[str, Any]]] = camera.receive

    async def after_others_had_a_turn() -> dict[str, Any]:
        await asyncio.sleep(0)
        return await at_once()

    async def time_runs_out(password: str, *, slot: Slot, address: str) -> None:
        monkeypatch.setattr(bodies, "_MIN_BYTES_PER_SECOND", -1e-6)

    monkeypatch.setattr(camera, "receive", after_others_had_a_turn)
    monkeypatch.setattr(camera, "check_ingest_password", time_runs_out)
    with pytest.raises(UploadInterrupted, match="too slowly"):
        await camera.send()
    assert camera.stored == {}


@pytest.mark.parametrize(
    ("value", "fits"),
    [("é" * 8192, True), ("é" * 8193, False), ("𝄞" * 8192, True), ("x" * 50_000, False)],
    ids=["two-byte", "one-too-many", "four-byte", "much-too-long"],
)
async def test_a_field_is_bounded_in_characters(value: str, fits: bool) -> None:
    camera = Camera(body(FORM.replace(b"Zo\xc3\xab", value.encode()), size=4096))
    if fits:
        metadata = await camera.send()
        assert metadata == {"guest": value}
    else:
        with pytest.raises(InvalidMultipart):
            await camera.send()


@pytest.mark.parametrize("content_type", ["", "multipart/mixed; boundary=b", "multipart/form-data", "nonsense"])
async def test_another_content_type_is_refused_before_anything_is_read(content_type: str) -> None:
    camera = Camera(body(FORM))
    with pytest.raises(InvalidMultipart):
        await camera.send(content_type=content_type)
    assert camera.read == 0


async def test_a_form_without_a_password_is_refused_and_its_photo_discarded() -> None:
    camera = Camera(body(FORM.replace(b'"password"', b'"passwort"')))
    with pytest.raises(MissingField):
        await camera.send()
    assert camera.stored == {}
