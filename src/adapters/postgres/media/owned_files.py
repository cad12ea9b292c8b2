"""The OwnedFiles port on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import text

from ....core.domain.job import Result
from ....core.domain.media import MediaKey, MediaKind, OwnedFile, Photo, template_keys
from ....core.domain.results.files import result_keys
from ....core.domain.stored_values import from_row
from ..database import Database

_PAGE = 1_000

# Each page begins after the last row of the one before, in the order of an index that covers these rows only.
_PHOTOS = text("""
    select photo, created_at, id from photochanger.jobs
    where finalized_at is null and (created_at, id) > (:moment, :id)
    order by created_at, id limit :limit
""")
_RESULTS = text("""
    select result, finalized_at, id from photochanger.jobs
    where result_stem is not null and result_purged_at is null and (finalized_at, id) > (:moment, :id)
    order by finalized_at, id limit :limit
""")
_MEDIA = text("""
    select media_key, size_bytes, sha256, expires_at, id from photochanger.media_objects
    where removed_at is null and (expires_at, id) > (:moment, :id)
    order by expires_at, id limit :limit
""")
_TEMPLATES = text("""
    select media_key, size_bytes, sha256, created_at, id from photochanger.template_media
    where (created_at, id) > (:moment, :id)
    order by created_at, id limit :limit
""")

_BYTES = text("""
    select
        (select sum((photo->'file'->>'size_bytes')::bigint) from photochanger.jobs where finalized_at is null),
        (select sum((result->'picture'->'file'->>'size_bytes')::bigint) from photochanger.jobs
            where result_stem is not null and result_purged_at is null),
        (select sum(size_bytes) from photochanger.media_objects where removed_at is null),
        (select sum(size_bytes) from photochanger.template_media)
""")
_SUMMED = MediaKind.PAYLOADS, MediaKind.RESULTS, MediaKind.MEDIA, MediaKind.TEMPLATES

_PHOTO = partial(msgspec.convert, type=Photo)
_RESULT = partial(msgspec.convert, type=Result)
_START = {"moment": "-infinity", "id": "00000000-0000-0000-0000-000000000000", "limit": _PAGE}


class PostgresOwnedFiles:
    """Rows of `jobs`, `media_objects` and `template_media`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_kind(self, kind: MediaKind) -> AsyncIterator[OwnedFile]:
        query, files = _PAGES[kind]
        after: dict[str, Any] = _START
        while True:
            async with self._database.begin() as connection:
                rows = (await connection.execute(query, after)).all()
            for row in rows:
                for file in files(row):
                    yield file
            if len(rows) < _PAGE:
                return
            *_, moment, id = rows[-1]
            after = after | {"moment": moment, "id": id}

    async def bytes_by_kind(self) -> dict[MediaKind, int]:
        async with self._database.begin() as connection:
            sums = (await connection.execute(_BYTES)).one()
        return {kind: int(size_bytes or 0) for kind, size_bytes in zip(_SUMMED, sums, strict=True)}


def _photo(row: Any) -> Iterable[OwnedFile]:
    file = from_row(_PHOTO, row.photo).file
    yield OwnedFile(file.key, file.size_bytes, file.sha256 or None)


def _result(row: Any) -> Iterable[OwnedFile]:
    file = from_row(_RESULT, row.result).picture.file
    yield OwnedFile(file.key, file.size_bytes, file.sha256)


def _previews(row: Any) -> Iterable[OwnedFile]:
    _, *previews = result_keys(from_row(_RESULT, row.result).picture.file.key)
    return map(OwnedFile, previews)


def _media_object(row: Any) -> Iterable[OwnedFile]:
    yield OwnedFile(from_row(MediaKey.parse, row.media_key), row.size_bytes, row.sha256)


def _template(row: Any) -> Iterable[OwnedFile]:
    _, thumbnail = template_keys(row.id)
    return *_media_object(row), OwnedFile(thumbnail)


_PAGES: dict[MediaKind, tuple[Any, Callable[[Any], Iterable[OwnedFile]]]] = {
    MediaKind.PAYLOADS: (_PHOTOS, _photo),
    MediaKind.RESULTS: (_RESULTS, _result),
    MediaKind.PREVIEWS: (_RESULTS, _previews),
    MediaKind.MEDIA: (_MEDIA, _media_object),
    MediaKind.TEMPLATES: (_TEMPLATES, _template),
}
