"""Results and what is given out by public link: names of files and the rule when a link has ended."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

import msgspec

from .errors import MediaExpired, MediaNotFound
from .job import Job, Result
from .media import (
    MIME_EXTENSIONS,
    MediaKey,
    MediaKind,
    StoredFile,
)

RECENT_RESULTS = 10


class PublicFile(msgspec.Struct, frozen=True):
    """A file as a public link gives it out, with the name that a browser saves it under."""

    file: StoredFile
    mime: str
    expires_at: datetime
    download_name: str


def result_name(job_id: UUID, mime: str) -> str:
    """A name for a result that no other attempt uses, so that the loser of a race can delete its own file."""
    return f"{job_id}-{secrets.token_hex(4)}.{MIME_EXTENSIONS[mime]}"


def job_id_from_name(name: str) -> UUID | None:
    """The job whose result, or its preview, bears this name; None for a name that no result has."""
    try:
        return UUID(name[:36])
    except ValueError:
        return None


def preview_key(result: MediaKey) -> MediaKey:
    """Where the preview of a result lies."""
    return MediaKey(MediaKind.PREVIEWS, result.name.rsplit(".", 1)[0] + ".webp")


def photo_key(result: MediaKey) -> MediaKey:
    """Where a small copy of the photo lies that a result was made of: beside the result's preview, and as long."""
    return MediaKey(MediaKind.PREVIEWS, result.name.rsplit(".", 1)[0] + ".photo")


def live_result(job: Job, now: datetime) -> Result:
    """The job's result while its link holds; MediaNotFound if there never was one, MediaExpired after its time."""
    if job.result is None:
        raise MediaNotFound("There is no picture of this job.")
    if job.result_purged_at is not None or now >= job.result.expires_at:
        raise MediaExpired("This picture is no longer kept.")
    return job.result


def public_result(job: Job, now: datetime) -> PublicFile:
    """The finished picture of a job as its public link gives it out; MediaNotFound, MediaExpired."""
    result = live_result(job, now)
    name = f"{job.slot_id}-{job.id}.{MIME_EXTENSIONS[result.mime]}"
    return PublicFile(result.file, result.mime, result.expires_at, name)
