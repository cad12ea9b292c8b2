"""The camera's form: the ingest password, the photo, and text fields that become the job's metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ....core.domain.errors import InvalidMultipart, MissingField
from ....core.domain.ingest_request import PASSWORD_FIELD
from ....core.domain.media import Photo
from ....core.domain.slots.slot import Slot, is_field_name
from ....core.ports.job_service import JobService
from ....core.ports.media_store import MediaStore
from ....core.services.auth.ingest_password import AuthService


class CameraForm:
    """The FormReader of an ingest. A wrong password ends it at once, before the photo if it comes first."""

    def __init__(self, slot: Slot, *, address: str, jobs: JobService, store: MediaStore, auth: AuthService) -> None:
        self.metadata: dict[str, str] = {}
        self._slot = slot
        self._address = address
        self._jobs = jobs
        self._store = store
        self._auth = auth
        self._authenticated = False

    async def field(self, name: str, text: str) -> None:
        if name == PASSWORD_FIELD:
            await self._auth.check_ingest_password(text, slot=self._slot, address=self._address)
            self._authenticated = True
        elif not is_field_name(name):
            raise InvalidMultipart(f"The field name {name[:64]!r} is not valid.")
        else:
            self.metadata[name] = text

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> Photo:
        return await self._jobs.receive_photo(self._slot, data)

    async def discard(self, stored: Photo) -> None:
        await self._store.delete(stored.file.key)

    def end(self) -> None:
        if not self._authenticated:
            raise MissingField(PASSWORD_FIELD, f"The form has no field {PASSWORD_FIELD!r}.")
