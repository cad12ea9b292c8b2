"""The settings that can change while the service runs, and the ingest password's stored form."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from .costs.budgets import MAX_BUDGET_MICROS, AtLimit
from .costs.currency import MAX_RATE, MICROS, MIN_RATE, Currency, micros_of
from .deadlines import DEFAULT_RESULT_RETENTION, DEFAULT_SYNC_RESPONSE, MAX_SYNC_RESPONSE, MIN_SYNC_RESPONSE
from .routing.provider_usage import ProviderLimit

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
"""The inclusive bounds of each setting, for the configuration and for administrators."""

MICROS_BOUNDS = {
    "usd_rate_micros": (micros_of(MIN_RATE), micros_of(MAX_RATE)),
    "budget_per_day_micros": (0, MAX_BUDGET_MICROS),
}
"""The same for settings that are kept in millionths."""

PROVIDER_BOUNDS = (1, 1_000_000)
"""The inclusive bounds of each limit of a provider."""


class AppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The effective settings.

    Attributes:
        sync_response: the sync window, how long an ingest request is held.
        result_retention: how long results can be downloaded.
        max_active_jobs: maximum number of pending and processing jobs.
        max_upload_bytes: maximum size of one photo in bytes.
        max_image_pixels: maximum pixels of one photo.
        provider_limits: limits set by an administrator, by provider ID, that replace the declared ones.
        currency_code, usd_rate_micros: the currency of amounts, and what one US dollar costs in it.
        budget_per_day_micros: what all slots together may cost in a day, in that currency; None: no limit.
        budget_at_limit: what happens once a budget is used up.
        time_zone: the IANA time zone in which the days of budgets begin.
    """

    sync_response: timedelta = DEFAULT_SYNC_RESPONSE
    result_retention: timedelta = DEFAULT_RESULT_RETENTION
    max_active_jobs: int = 64
    max_upload_bytes: int = 64 * MIB
    max_image_pixels: int = 100_000_000
    provider_limits: dict[str, ProviderLimit] = {}
    currency_code: str = "USD"
    usd_rate_micros: int = MICROS
    budget_per_day_micros: int | None = None
    budget_at_limit: AtLimit = AtLimit.REFUSE
    time_zone: str = "UTC"

    @property
    def currency(self) -> Currency:
        """The currency of amounts."""
        return Currency(self.currency_code, self.usd_rate_micros)

    @property
    def public_link_ttl(self) -> timedelta:
        """Lifetime of a public media link: the sync window (SPEC)."""
        return self.sync_response


class StoredSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings stored by an administrator; None means the configured default. `version` counts the writes."""

    sync_response: timedelta | None = None
    result_retention: timedelta | None = None
    max_active_jobs: int | None = None
    max_upload_bytes: int | None = None
    max_image_pixels: int | None = None
    provider_limits: dict[str, ProviderLimit] | None = None
    currency_code: str | None = None
    usd_rate_micros: int | None = None
    budget_per_day_micros: int | None = None
    budget_at_limit: AtLimit | None = None
    time_zone: str | None = None
    version: int = 1

    def over(self, defaults: AppSettings) -> AppSettings:
        """The defaults with the stored values applied."""
        fields = msgspec.structs.asdict(self)
        del fields["version"]
        return msgspec.structs.replace(defaults, **{name: value for name, value in fields.items() if value is not None})


class StoredPassword(msgspec.Struct, frozen=True):
    """An ingest password, of the service or of a slot: its slow hash, and when and by whom it was set.

    `digest` is a keyed digest by which every process recognises the password without the slow hash; None where the
    hash was imported.
    """

    hash: str
    changed_at: datetime
    changed_by: str
    digest: str | None = None

    def __repr__(self) -> str:
        return f"StoredPassword(changed_at={self.changed_at!r}, changed_by={self.changed_by!r})"
