"""The camera's form: the ingest password, the photo, and text fields that become the job's metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ....core.domain.booths.ingest_key import BOOTH_FIELD, IngestKey
from ....core.domain.errors import InvalidPassword, MissingField
from ....core.domain.ingest_request import PASSWORD_FIELD, metadata_name
from ....core.domain.media import Photo
from ....core.domain.slots.slot import Slot
from ....core.ports.job_service import JobService
from ....core.ports.media_store import MediaStore
from ....core.services.auth.ingest_password import AuthService
from ....core.services.media.removal import remove_unused
from ....core.services.media.upload_budget import Upload
from ....core.services.support.availability import UntilAvailable


class CameraForm:
    """The FormReader of an ingest. A wrong password ends it at once, before the photo if it comes first."""

    def __init__(
        self,
        slot: Slot,
        *,
        upload: Upload,
        jobs: JobService,
        store: MediaStore,
        auth: AuthService,
        available: UntilAvailable,
        idempotency_key: str | None = None,
    ) -> None:
        self.booth: IngestKey | None = None
        """The key that the sender was recognised by."""

        self._fields: dict[str, str] = {}
        self._slot = slot
        self._upload = upload
        self._jobs = jobs
        self._store = store
        self._auth = auth
        self._available = available
        self._idempotency_key = idempotency_key
        self._offered: str | None = None
        """The password of the request's header, while it is not known whether it is right."""

    @property
    def metadata(self) -> dict[str, str]:
        """The text fields, and the name of the booth, which no field of the form can replace."""
        return self._fields if self.booth is None else {**self._fields, BOOTH_FIELD: self.booth.name}

    async def require(self, key: str) -> None:
        """Check the key of the address. InvalidPassword, TooManyAttempts, QueueUnavailable."""
        await self._check(key)

    async def offer(self, password: str) -> None:
        """Offer the password of the request's header.

        One that was accepted before counts at once. Any other may be meant for a proxy on the way: it is checked where
        the photo begins, or the form's own password is wrong.
        """
        self._offered = password
        # A slot with a password of its own refuses the general one, which the header may have for another slot.
        general = self._slot.ingest_password is None
        if self._auth.is_key(password) or (general and self._auth.was_right(password, self._slot.id)):
            await self._check_offered()

    async def field(self, name: str, text: str) -> None:
        kept = metadata_name(name)
        if kept == PASSWORD_FIELD:
            if not self._upload.authenticated:
                await self._check_password(text)
        elif kept is not None and (kept == name or kept not in self._fields):
            self._fields[kept] = text

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> Photo:
        await self._check_offered()
        if self._upload.authenticated:  # else the queue's state is none of the sender's business yet
            await self._available(
                lambda: self._jobs.require_capacity(self._slot, idempotency_key=self._idempotency_key)
            )
        return await self._jobs.receive_photo(self._slot, data)

    async def discard(self, stored: Photo) -> None:
        await remove_unused(self._store, stored.file.key)

    async def end(self) -> None:
        await self._check_offered()
        if not self._upload.authenticated:
            await self._auth.missing_password(self._upload.address)
            raise MissingField(PASSWORD_FIELD, f"The form has no field {PASSWORD_FIELD!r}.")

    async def _check_password(self, text: str) -> None:
        if not text and self._offered is not None:
            await self._check_offered()
            return
        try:
            await self._check(text)
        except InvalidPassword:
            if self._offered is None:
                raise
            await self._check_offered()

    async def _check_offered(self) -> None:
        """Check the header's password if that is still needed. InvalidPassword, TooManyAttempts, QueueUnavailable."""
        offered, self._offered = self._offered, None
        if offered is not None and not self._upload.authenticated:
            await self._check(offered)

    async def _check(self, password: str) -> None:
        with self._upload.verification():
            self.booth = await self._available(
                lambda: self._auth.check_ingest_password(password, slot=self._slot, address=self._upload.address)
            )
        await self._upload.authenticate()
