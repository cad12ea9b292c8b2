"""Jobs, photos, routes and outcomes as tests need them: valid as they come, each with names of its own."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from photochanger.core.domain.deadlines import DEFAULT_RESULT_RETENTION
from photochanger.core.domain.ids import new_id, new_secret
from photochanger.core.domain.ingest_request import IngestRequest
from photochanger.core.domain.job import FailureReason, Job, JobSource, JobSpec, JobState, Outcome, Result
from photochanger.core.domain.media import (
    ImageFacts,
    MediaKey,
    MediaKind,
    MediaObject,
    Photo,
    StoredFile,
    StoredPicture,
)
from photochanger.core.domain.results.files import result_name
from photochanger.core.domain.slots.slot import Route, RouteEntry
from photochanger.core.domain.webhook import Webhook

WINDOW = timedelta(seconds=48)


def stored_file(kind: MediaKind = MediaKind.PAYLOADS, name: str | None = None) -> StoredFile:
    """A file that claims to lie in the media store."""
    return StoredFile(MediaKey(kind, name or str(uuid4())), 1234, hashlib.sha256(secrets.token_bytes(8)).hexdigest())


def photo(*, sha256: str | None = None) -> Photo:
    """A received photo; with the checksum where it matters which one it is."""
    file = stored_file()
    return Photo(StoredFile(file.key, file.size_bytes, sha256 or file.sha256), ImageFacts("image/jpeg", 6000, 4000))


def route(*providers: str) -> Route:
    """A route that asks these providers in turn; `local` alone where none is named."""
    return Route(
        entries=tuple(RouteEntry(provider, "enhance", {"strength": 0.5}) for provider in providers or ("local",))
    )


def new_job(**overrides: Any) -> JobSpec:
    """A job of slot-001 with a whole window left, made now. `created_at` alone moves the deadline with it."""
    created_at = overrides.pop("created_at", datetime.now(UTC))
    fields: dict[str, Any] = {
        "id": new_id(created_at),
        "slot_id": "slot-001",
        "source": JobSource.INGEST,
        "created_at": created_at,
        "expires_at": created_at + WINDOW,
        "route": route(),
        "photo": photo(),
        "access_token": new_secret(),
        "metadata": {"guest": "Ada"},
    }
    return JobSpec(**fields | overrides)


def expired_job(**overrides: Any) -> JobSpec:
    """A job whose deadline has passed before anybody took it."""
    return new_job(created_at=datetime.now(UTC) - 2 * WINDOW, **overrides)


def outcome_succeeded(job: JobSpec | Job, **overrides: Any) -> Outcome:
    """The job's success, with a result file of its own."""
    finalized_at = overrides.pop("finalized_at", datetime.now(UTC))
    file = stored_file(MediaKind.RESULTS, result_name(job.id, "image/jpeg"))
    expires_at = overrides.pop("result_expires_at", finalized_at + DEFAULT_RESULT_RETENTION)
    fields: dict[str, Any] = {
        "state": JobState.SUCCEEDED,
        "finalized_at": finalized_at,
        "provider_id": "local",
        "operation_id": "enhance",
        "result": Result(StoredPicture(file, "image/jpeg", 3000, 2000), expires_at),
    }
    return Outcome(**fields | overrides)


def outcome_failed(job: JobSpec | Job, **overrides: Any) -> Outcome:
    """The job's end without a picture, by its provider's fault unless said otherwise."""
    fields: dict[str, Any] = {
        "state": JobState.FAILED,
        "finalized_at": datetime.now(UTC),
        "failure_reason": FailureReason.PROVIDER_ERROR,
        "error_code": "provider_failed",
        "error_detail": f"No provider made a picture for job {job.id}.",
    }
    return Outcome(**fields | overrides)


def media_object(**overrides: Any) -> MediaObject:
    """A temporary file with a public link that holds for a minute."""
    created_at = overrides.pop("created_at", datetime.now(UTC))
    fields: dict[str, Any] = {
        "id": new_id(created_at),
        "file": stored_file(MediaKind.MEDIA),
        "mime": "image/jpeg",
        "created_at": created_at,
        "expires_at": created_at + timedelta(minutes=1),
    }
    return MediaObject(**fields | overrides)


def ingest_request(slot_id: str = "slot-001", **overrides: Any) -> IngestRequest:
    """A request that was answered well, as it is kept."""
    received_at = overrides.pop("received_at", datetime.now(UTC))
    fields: dict[str, Any] = {
        "slot_id": slot_id,
        "received_at": received_at,
        "answered_at": received_at + timedelta(seconds=3),
        "address": "192.168.1.20",
        "method": "POST",
        "content_type": "multipart/form-data; boundary=camera",
        "headers": (),
        "status": 200,
    }
    return IngestRequest(**fields | overrides)


def webhook(slot_id: str = "slot-001", **overrides: Any) -> Webhook:
    """A webhook of the slot, with a secret that only claims to be sealed."""
    fields: dict[str, Any] = {
        "slot_id": slot_id,
        "url": "https://studio.example/ended",
        "key_id": secrets.token_hex(4),
        "sealed_secret": f"v1.{new_secret()}",
        "changed_at": datetime.now(UTC),
        "changed_by": "ada",
    }
    return Webhook(**fields | overrides)
