"""Files of results: their names, and the expiry of public links."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import NewType
from uuid import UUID

import msgspec

from ..errors import MediaExpired, MediaNotFound
from ..job import Job, Result
from ..media import MIME_EXTENSIONS, MediaKey, MediaKind, StoredFile

PublicBaseUrl = NewType("PublicBaseUrl", str)
"""The configured address that public links start with."""

RECENT_RESULTS = 10


class ResultPayload(msgspec.Struct, frozen=True, kw_only=True):
    """The picture of a job as JSON. `outcome`: `success`, or `fallback` for a picture of the failure answer."""

    url: str
    thumbnail_url: str
    mime: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    expires_at: datetime
    outcome: str


class PublicFile(msgspec.Struct, frozen=True):
    """A file behind a public link, with the name for saving it."""

    file: StoredFile
    mime: str
    expires_at: datetime
    download_name: str


def result_name(job_id: UUID, mime: str) -> str:
    """A name that no other attempt uses, so that an attempt that comes second can delete its own file."""
    return f"{job_id}-{secrets.token_hex(4)}.{MIME_EXTENSIONS[mime]}"


def job_id_from_name(name: str) -> UUID | None:
    """The job of a result or preview of this name; None for the name of any other file."""
    try:
        return UUID(name[:36])
    except ValueError:
        return None


def preview_key(result: MediaKey) -> MediaKey:
    """Key of the preview of a result."""
    return MediaKey(MediaKind.PREVIEWS, result.name.rsplit(".", 1)[0] + ".webp")


def photo_key(result: MediaKey) -> MediaKey:
    """Key of the preview of the photo that a result was made from; it is kept as long as the result."""
    return MediaKey(MediaKind.PREVIEWS, result.name.rsplit(".", 1)[0] + ".photo")


def live_result(job: Job, now: datetime) -> Result:
    """The job's result while its link is valid; MediaNotFound if it has none, MediaExpired after expiry or erasure."""
    if job.erased_at is not None:
        raise MediaExpired("This picture has been deleted.")
    if job.result is None:
        raise MediaNotFound("This job has no picture.")
    if job.result_purged_at is not None or now >= job.result.expires_at:
        raise MediaExpired("This picture has expired.")
    return job.result


def result_keys(result: MediaKey) -> tuple[MediaKey, MediaKey, MediaKey]:
    """The keys of a result and of its two previews."""
    return result, preview_key(result), photo_key(result)


def public_result(job: Job, now: datetime) -> PublicFile:
    """The result of a job as its public link serves it; MediaNotFound, MediaExpired."""
    result = live_result(job, now)
    name = f"{job.slot_id}-{job.id}.{MIME_EXTENSIONS[result.mime]}"
    return PublicFile(result.file, result.mime, result.expires_at, name)


def archive_name(job: Job) -> str:
    """The name of a job's result in an archive. ValueError without a result."""
    if job.result is None or job.finalized_at is None:
        raise ValueError(f"job {job.id} has no result")
    return kept_name(job.slot_id, job.id, ended_at=job.finalized_at, mime=job.result.mime)


def kept_name(slot_id: str, job_id: UUID, *, ended_at: datetime, mime: str) -> str:
    """The name of a result where many are kept: a folder for each slot, the end in UTC, the id of the job."""
    return f"{slot_id}/{ended_at.astimezone(UTC):%Y-%m-%d_%H-%M-%S}_{job_id}.{MIME_EXTENSIONS[mime]}"


def result_payload(job: Job, *, url: str) -> ResultPayload | None:
    """The job's picture with its public link `url`; None if it has none, or its guest was erased."""
    if job.result is None or job.erased_at is not None:
        return None
    return ResultPayload(
        url=url,
        thumbnail_url=f"{url}/thumbnail",
        mime=job.result.mime,
        width=job.result.picture.width,
        height=job.result.picture.height,
        size_bytes=job.result.file.size_bytes,
        sha256=job.result.file.sha256,
        expires_at=job.result.expires_at,
        outcome=job.result.outcome,
    )
