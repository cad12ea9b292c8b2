"""A camera's form as the ingest reads it from the messages of a body, with services that note their calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from photochanger.adapters.memory import FakeClock, MemoryMediaStore
from photochanger.adapters.system_clock import SystemClock
from photochanger.core.domain.booths.ingest_key import IngestKey
from photochanger.core.domain.errors import InvalidPassword
from photochanger.core.domain.media import ImageFacts, MediaKey, MediaKind, Photo, StoredFile
from photochanger.core.domain.slots.slot import Slot, shipped_slots
from photochanger.core.services.auth.known_addresses import KnownAddresses
from photochanger.core.services.media.disk_space import DiskSpace, MinFreeBytes
from photochanger.core.services.media.upload_budget import MaxUnauthenticatedBytes, UploadBudget
from photochanger.core.services.support.availability import UntilAvailable
from photochanger.entrypoints.http.ingest.camera_form import CameraForm
from photochanger.entrypoints.http.protocol.multipart import FORM_OVERHEAD_BYTES, read_form

SLOT = shipped_slots()[0]
PICTURE = b"\r\n--a picture\r\n--"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="guest"\r\n\r\nZo\xc3\xab\r\n'
    b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nright\r\n'
    b'--b\r\nContent-Disposition: form-data; name="fileToUpload"; filename="a"\r\n\r\n' + PICTURE + b"\r\n--b--\r\n"
)


END = b"--b--\r\n"


def text_part(name: str, value: bytes) -> bytes:
    """A part with a text field."""
    return b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value)


PASSWORD = text_part("password", b"right")
PHOTO = b'--b\r\nContent-Disposition: form-data; name="fileToUpload"; filename="a"\r\n\r\n' + PICTURE + b"\r\n"


class Camera:
    """A request body as the server delivers it, and the services that the form calls."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self._messages = messages
        self.read = 0
        self.stored: dict[str, bytes] = {}
        self.checked: list[str] = []
        self.accepted: list[str] = []
        self.without_password: list[str] = []
        clock = FakeClock()
        space = DiskSpace(MemoryMediaStore(), clock, floor_bytes=MinFreeBytes(0))
        self.budget = UploadBudget(space, KnownAddresses(clock), clock, max_bytes=MaxUnauthenticatedBytes(1_000_000))

    async def receive(self) -> dict[str, Any]:
        self.read += 1
        return self._messages.pop(0)

    async def check_ingest_password(self, password: str, *, slot: Slot, address: str) -> IngestKey | None:
        self.checked.append(password)
        if password != "right":
            raise InvalidPassword("The ingest password is wrong.")
        self.accepted.append(password)
        return None

    async def missing_password(self, address: str) -> None:
        self.without_password.append(address)

    def was_right(self, text: str, slot_id: str) -> bool:
        return text in self.accepted

    def is_key(self, text: str) -> bool:
        return False

    async def require_capacity(self, slot: Slot, *, idempotency_key: str | None = None) -> None:
        """There is always room."""

    async def receive_photo(self, slot: Slot, data: AsyncIterator[bytes]) -> Photo:
        content = b"".join([chunk async for chunk in data])
        self.stored["photo"] = content
        file = StoredFile(MediaKey(MediaKind.PAYLOADS, "photo"), len(content), "0" * 64)
        return Photo(file, ImageFacts("image/jpeg", 1, 1))

    async def delete(self, key: MediaKey) -> None:
        del self.stored[key.name]

    async def send(
        self,
        *,
        max_bytes: int = 1_000_000,
        content_type: str = "multipart/form-data; boundary=b",
        offered: str | None = None,
    ) -> dict[str, str]:
        """The metadata of the form, once it is read; `offered`: the password in the header."""
        services: Any = self
        request: Any = SimpleNamespace(
            receive=lambda: self.receive(),
            headers={"content-type": content_type},
            content_length=None,
            scope={"state": {}},
        )
        clock = SystemClock()
        available = UntilAvailable(clock, clock.now() + timedelta(hours=1))
        async with self.budget.upload("192.0.2.7", size_bytes=0) as upload:
            form = CameraForm(SLOT, upload=upload, jobs=services, store=services, auth=services, available=available)
            if offered is not None:
                await form.offer(offered)
            await read_form(request, form, room=upload, max_file_bytes=max_bytes - FORM_OVERHEAD_BYTES)
        assert self.budget.held_bytes == 0
        return form.metadata


def body(data: bytes, *, size: int | None = None) -> list[dict[str, Any]]:
    """The messages of a body that arrives in chunks of this size."""
    size = size or len(data) or 1
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    return [*messages, {"type": "http.request", "body": b"", "more_body": False}]
