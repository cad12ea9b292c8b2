"""Errors about ingest keys, with codes as those of `domain.errors`."""

from __future__ import annotations

from ..errors import PhotoChangerError


class IngestKeyNotFound(PhotoChangerError):
    """No ingest key has this id."""

    code = "ingest_key_not_found"


class IngestKeyExists(PhotoChangerError):
    """An ingest key with this name already exists."""

    code = "ingest_key_exists"


class TooManyIngestKeys(PhotoChangerError):
    """There are as many ingest keys as are allowed."""

    code = "too_many_ingest_keys"
