"""What the database knows of the files in the media store: those that were begun, and those that a row owns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Protocol

from ...domain.media import MediaKey, MediaKind, OwnedFile


class BegunFiles(Protocol):
    """The keys of files that somebody began to write, until it is known that another row owns them or that they are
    gone: a file whose owner was never stored is found by this record alone. Methods may raise QueueUnavailable.

    Once `add` has returned, a crash of the database server does not lose the record.
    """

    async def add(self, keys: Collection[MediaKey], *, now: datetime) -> None:
        """Record that these files are being written. A key may be recorded several times; its last record counts."""
        ...

    async def before(self, moment: datetime, kind: MediaKind, *, limit: int) -> list[MediaKey]:
        """Keys of a kind whose last record is older than a moment, the oldest first."""
        ...

    async def remove(self, keys: Collection[MediaKey], *, before: datetime) -> None:
        """Remove the records of these keys that are older than a moment."""
        ...


class OwnedFiles(Protocol):
    """The files that rows own: photos of live jobs, results and their previews, media objects, templates.

    Methods may raise QueueUnavailable.
    """

    def of_kind(self, kind: MediaKind) -> AsyncIterator[OwnedFile]:
        """The files of a kind, read page by page: rows that change meanwhile may be left out."""
        ...

    async def bytes_by_kind(self) -> dict[MediaKind, int]:
        """The sum of the sizes of each kind, without previews and thumbnails, whose sizes no row knows."""
        ...
