"""ZIP archives of results as streams: stored, not compressed, as pictures are compressed already.

Memory grows with the number of pictures, which is bounded, and not with their sizes.
"""

from __future__ import annotations

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ...domain.errors import InvalidSettings, MediaExpired, MediaNotFound
from ...domain.field_errors import FieldError, FieldErrorCode
from ...domain.job import Job
from ...domain.pagination import Position
from ...domain.results.files import archive_name, live_result
from ...domain.results.listing import ListedResult, ResultFilter
from ...ports.clock import Clock
from ...ports.media_store import MediaStore
from ...ports.repositories.result_index import ResultIndex
from ...ports.repositories.slot_repository import SlotRepository

MAX_PICTURES = 5000
"""The most pictures in one archive."""

TABLE_NAME = "pictures.csv"

_COLUMNS = (
    "file",
    "job_id",
    "slot_id",
    "slot_name",
    "received_at",
    "finished_at",
    "duration_ms",
    "outcome",
    "visibility",
    "width",
    "height",
    "size_bytes",
    "sha256",
    "missing",
)
_EXPIRED = "expired or deleted"
_UNKNOWN = "not available"
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
_PAGE = 100
_FIRST_DOS_YEAR = 1980


class ResultArchives:
    """Archives of the results that a filter matches. Methods may also raise QueueUnavailable."""

    def __init__(self, results: ResultIndex, store: MediaStore, slots: SlotRepository, clock: Clock) -> None:
        self._results = results
        self._store = store
        self._slots = slots
        self._clock = clock

    async def require_bounded(self, wanted: ResultFilter) -> None:
        """Raise InvalidSettings where more results match than an archive may have."""
        if await self._results.count(wanted, now=self._clock.now(), limit=MAX_PICTURES + 1) > MAX_PICTURES:
            raise InvalidSettings([FieldError("from", FieldErrorCode.TOO_MANY, {"max": MAX_PICTURES})])

    async def stream(self, wanted: ResultFilter) -> AsyncGenerator[bytes]:
        """Yield the archive, newest picture first, and a table of its pictures at the end.

        A picture that expires meanwhile is left out; the table says so. StorageUnavailable.
        """
        sink = _Sink()
        table = _Table({slot.id: slot.name for slot in await self._slots.all()})
        left = {*wanted.job_ids}
        archive = zipfile.ZipFile(sink, "w")
        try:
            async with aclosing(self._listed(wanted)) as results:
                async for listed in results:
                    left.discard(listed.job.id)
                    name = archive_name(listed.job)
                    try:
                        live_result(listed.job, self._clock.now())
                        async with aclosing(self._picture(archive, sink, name, listed.job)) as picture:
                            async for chunk in picture:
                                yield chunk
                    except (MediaExpired, MediaNotFound):
                        table.add(listed, file="", missing=_EXPIRED)
                    else:
                        table.add(listed, file=name)
            table.add_unknown(job_id for job_id in wanted.job_ids if job_id in left)
            archive.writestr(_entry(TABLE_NAME, self._clock.now()), table.bytes())
            yield sink.taken()
            await asyncio.to_thread(archive.close)  # writes an entry for every picture
            yield sink.taken()
        finally:
            archive.fp = None  # an archive that nobody wants whole is not completed

    async def _listed(self, wanted: ResultFilter) -> AsyncGenerator[ListedResult]:
        """Yield what matches, up to the bound, page by page."""
        after: Position | None = None
        for _ in range(MAX_PICTURES // _PAGE):
            page = await self._results.find(wanted, now=self._clock.now(), limit=_PAGE, after=after)
            for listed in page.items:
                yield listed
            if page.next is None:
                return
            after = page.next

    async def _picture(self, archive: zipfile.ZipFile, sink: _Sink, name: str, job: Job) -> AsyncGenerator[bytes]:
        """Yield one picture as an entry. MediaNotFound before anything of it is written."""
        assert job.result is not None
        assert job.finalized_at is not None
        data = self._store.open(job.result.file.key)
        try:
            chunk = await anext(data, b"")
            with archive.open(_entry(name, job.finalized_at), "w") as entry:
                while chunk:
                    entry.write(chunk)
                    yield sink.taken()
                    chunk = await anext(data, b"")
        finally:
            if isinstance(data, AsyncGenerator):
                await data.aclose()


class _Sink(io.RawIOBase):
    """A file that cannot seek, and gives away what was written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class _Table:
    """The table of an archive's pictures."""

    def __init__(self, slot_names: dict[str, str]) -> None:
        self._slot_names = slot_names
        self._text = io.StringIO(newline="")
        self._rows = csv.writer(self._text)
        self._rows.writerow(_COLUMNS)

    def add(self, listed: ListedResult, *, file: str, missing: str = "") -> None:
        """Add the row of a picture."""
        job, result = listed.job, listed.job.result
        assert result is not None
        assert job.finalized_at is not None
        name = self._slot_names.get(job.slot_id, job.slot_id)
        row: tuple[object, ...] = (
            file,
            job.id,
            job.slot_id,
            f"'{name}" if name.startswith(_FORMULA_STARTS) else name,
            _moment(job.created_at),
            _moment(job.finalized_at),
            max(round((job.finalized_at - job.created_at) / timedelta(milliseconds=1)), 0),
            result.outcome,
            listed.visibility,
            result.picture.width,
            result.picture.height,
            result.file.size_bytes,
            result.file.sha256,
            missing,
        )
        self._rows.writerow(row)

    def add_unknown(self, job_ids: Iterable[UUID]) -> None:
        """Add a row for each of these jobs, which have no picture that could be listed."""
        for job_id in job_ids:
            self._rows.writerow(["", job_id, *[""] * (len(_COLUMNS) - 3), _UNKNOWN])

    def bytes(self) -> bytes:
        """Return the table in UTF-8 with the byte order mark that spreadsheets need."""
        return self._text.getvalue().encode("utf-8-sig")


def _entry(name: str, at: datetime) -> zipfile.ZipInfo:
    """Return the head of an entry; times are in UTC."""
    at = at.astimezone(UTC)
    entry = zipfile.ZipInfo(name, (max(at.year, _FIRST_DOS_YEAR), at.month, at.day, at.hour, at.minute, at.second))
    entry.external_attr = 0o644 << 16
    return entry


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
