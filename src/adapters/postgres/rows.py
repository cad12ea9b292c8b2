"""Between rows of `jobs` and the Job entity."""

from __future__ import annotations

from typing import Any

import msgspec

from ...core.domain.job import (
    FailureReason,
    Job,
    JobSource,
    JobState,
    NewJob,
    Result,
)
from ...core.domain.media import Photo
from ...core.domain.slot import Route

_routes = msgspec.json.Decoder(Route)
_photos = msgspec.json.Decoder(Photo)
_metadata = msgspec.json.Decoder(dict[str, str])
_results = msgspec.json.Decoder(Result)


def job_from_row(row: dict[str, Any]) -> Job:
    """The job that a row with the columns of JOB_COLUMNS holds."""
    fields = dict(row)
    fields["source"] = JobSource(row["source"])
    fields["state"] = JobState(row["state"])
    fields["route"] = _routes.decode(row["route"])
    fields["photo"] = _photos.decode(row["photo"])
    fields["metadata"] = _metadata.decode(row["metadata"])
    if row["failure_reason"] is not None:
        fields["failure_reason"] = FailureReason(row["failure_reason"])
    if row["result"] is not None:
        fields["result"] = _results.decode(row["result"])
    return Job(**fields)


def enqueue_item(new: NewJob, max_active: int) -> dict[str, Any]:
    """A new job as the enqueueing function reads it."""
    return {
        "id": new.id,
        "slot_id": new.slot_id,
        "source": new.source,
        "created_at": new.created_at,
        "expires_at": new.expires_at,
        "route": new.route,
        "route_provider": new.route.entries[0].provider_id if new.route.entries else "",
        "photo": new.photo,
        "payload_key": str(new.photo.file.key),
        "sha256": new.photo.file.sha256,
        "access_token": new.access_token,
        "metadata": new.metadata,
        "idempotency_key": new.idempotency_key,
        "trace": new.trace,
        "max_active": max_active,
    }


def stem(name: str) -> str:
    """A file name without its extension: what a result and its preview share."""
    return name.rsplit(".", 1)[0]
