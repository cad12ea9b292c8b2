"""The settings that can change while the service runs, and the ingest password's stored form."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from .deadlines import (
    DEFAULT_RESULT_RETENTION,
    DEFAULT_SYNC_RESPONSE,
    MAX_SYNC_RESPONSE,
    MIN_SYNC_RESPONSE,
)
from .provider_usage import ProviderLimit

MIB = 1024 * 1024

DURATION_BOUNDS = {
    "sync_response": (MIN_SYNC_RESPONSE, MAX_SYNC_RESPONSE),
    "result_retention": (timedelta(minutes=1), timedelta(days=3650)),
}
COUNT_BOUNDS = {
    "max_active_jobs": (1, 10_000),
    "max_upload_bytes": (1024, 1024 * MIB),
    "max_image_pixels": (1, 1_000_000_000),
}
"""From where to where each of these can be set, by the configuration and by an administrator."""

PROVIDER_BOUNDS = (1, 1_000_000)
"""The same for each limit of a provider."""


class AppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What applies right now.

    Attributes:
        sync_response: the sync window, how long an ingest request is held.
        result_retention: how long results stay downloadable.
        max_active_jobs: the bound on jobs that are pending or processing.
        max_upload_bytes: the most bytes of one photo.
        max_image_pixels: the most pixels of one photo.
        provider_limits: what an administrator allows of providers, by id, in place of what they declare themselves.
    """

    sync_response: timedelta = DEFAULT_SYNC_RESPONSE
    result_retention: timedelta = DEFAULT_RESULT_RETENTION
    max_active_jobs: int = 64
    max_upload_bytes: int = 64 * MIB
    max_image_pixels: int = 100_000_000
    provider_limits: dict[str, ProviderLimit] = {}

    @property
    def public_link_ttl(self) -> timedelta:
        """`T_public_link_ttl`, which SPEC ties to the sync window."""
        return self.sync_response


class StoredSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an administrator has set; None where the configured default applies. `version` counts the writes."""

    sync_response: timedelta | None = None
    result_retention: timedelta | None = None
    max_active_jobs: int | None = None
    max_upload_bytes: int | None = None
    max_image_pixels: int | None = None
    provider_limits: dict[str, ProviderLimit] | None = None
    version: int = 1

    def over(self, defaults: AppSettings) -> AppSettings:
        """The defaults with everything set here put over them."""
        fields = msgspec.structs.asdict(self)
        del fields["version"]
        return msgspec.structs.replace(defaults, **{name: value for name, value in fields.items() if value is not None})


class StoredPassword(msgspec.Struct, frozen=True):
    """The hash of the ingest password, when it was set and by whom."""

    hash: str
    changed_at: datetime
    changed_by: str

    def __repr__(self) -> str:
        return f"StoredPassword(changed_at={self.changed_at!r}, changed_by={self.changed_by!r})"
