"""The metadata of media objects."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ...domain.media import MediaKey, MediaObject


class MediaRepository(Protocol):
    """Media objects: temporary files with a public link."""

    async def add(self, media: MediaObject) -> None: ...

    async def get(self, media_id: UUID) -> MediaObject | None:
        """The media object, even if expired or removed; None for an unknown id."""
        ...

    async def of_job(self, job_id: UUID) -> list[MediaObject]: ...

    async def expired(self, *, now: datetime, limit: int) -> list[MediaObject]: ...

    async def remove(self, media_ids: Collection[UUID], *, now: datetime) -> int:
        """Mark media objects as removed; their links expire now, and the ids stay known.

        Returns how many were not removed before: hosts may remove the same ones at the same time.
        """
        ...

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        """Those of these keys that belong to a media object that is not removed."""
        ...
