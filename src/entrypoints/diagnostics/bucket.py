"""Checks of the bucket that the media store is in: access, and the rule that removes interrupted uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dishka import AsyncContainer

from ...core.domain.errors import ConfigurationError, StorageUnavailable
from ..media_wiring import bucket_of, require_media_store
from .finding import Finding

if TYPE_CHECKING:
    from ...adapters.s3.bucket import Bucket

_RULE = "lifecycle rule"


async def of_the_bucket(container: AsyncContainer) -> list[Finding]:
    """Whether the bucket can be used, and cleans up by itself; nothing for a folder."""
    try:
        if (bucket := await bucket_of(container)) is None:
            return []
        await require_media_store(container, waits=False)
    except ConfigurationError as error:
        return [Finding("bucket", error.detail, "Correct this variable, or the rights of the key.")]
    except StorageUnavailable as error:
        return [Finding("bucket", error.detail, "Check that the S3 service runs, and PHOTOCHANGER_S3_ENDPOINT.")]
    return [
        Finding("bucket", f"{bucket.settings.bucket} at {bucket.settings.host} can be used"),
        await _lifecycle_rule(bucket),
    ]


async def _lifecycle_rule(bucket: Bucket) -> Finding:
    from ...adapters.s3.access import days_until_uploads_are_aborted

    try:
        days = await days_until_uploads_are_aborted(bucket)
    except StorageUnavailable as error:
        return Finding(_RULE, f"unknown: {error.detail}")
    if days is not None:
        return Finding(_RULE, f"interrupted uploads are removed after {days} d")
    return Finding(
        _RULE,
        "the bucket has no rule that removes interrupted uploads",
        "Add a rule with AbortIncompleteMultipartUpload: docs/how-to/running/object-store.md.",
    )
