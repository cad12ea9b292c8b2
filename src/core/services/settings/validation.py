"""What a change of the settings may say: the names that people write, their units and bounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from ...domain.accounts import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, is_password
from ...domain.provider_usage import ProviderLimit
from ...domain.settings import COUNT_BOUNDS, DURATION_BOUNDS, PROVIDER_BOUNDS
from ...domain.validation import FieldError, below, read_fields

UNITS: Mapping[str, tuple[str, timedelta | None]] = {
    "sync_response_seconds": ("sync_response", timedelta(seconds=1)),
    "result_retention_hours": ("result_retention", timedelta(hours=1)),
    "max_active_jobs": ("max_active_jobs", None),
    "max_upload_bytes": ("max_upload_bytes", None),
    "max_image_pixels": ("max_image_pixels", None),
}
"""The settings by the name that people write: the field of AppSettings, and the unit where it is a duration."""


class SettingsChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change. `fields` are those of StoredSettings, None where the default is to hold again; limits are by
    provider, None where those that it declares are to hold again."""

    fields: dict[str, Any] = {}
    provider_limits: dict[str, ProviderLimit | None] = {}
    ingest_password: str | None = None

    def __repr__(self) -> str:
        return f"SettingsChange({', '.join([*self.fields, *self.provider_limits])})"


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """The types of what a change may name."""

    sync_response_seconds: float | None = None
    result_retention_hours: float | None = None
    max_active_jobs: int | None = None
    max_upload_bytes: int | None = None
    max_image_pixels: int | None = None
    provider_limits: dict[str, Any] = {}
    ingest_password: str = ""


def read_change(
    document: Mapping[str, Any], *, providers: Collection[str], limited: Collection[str]
) -> tuple[SettingsChange, list[FieldError]]:
    """The change that a document asks for, and everything about it that does not fit.

    `providers` are those that take limits; `limited` those that have some: of them one may be gone, and its limits are
    taken back all the same.
    """
    given, errors = read_fields(_Document, document)
    fields: dict[str, Any] = {}
    for name in [name for name in UNITS if name in given]:
        value, trouble = _bounded(name, given[name])
        fields[UNITS[name][0]] = value
        errors += trouble
    limits: dict[str, ProviderLimit | None] = {}
    for provider_id, document in given.get("provider_limits", {}).items():
        place = below("provider_limits", provider_id[:64])
        if provider_id not in providers and not (document is None and provider_id in limited):
            errors.append((place, "There is no such provider here, or it takes no limits."))
        elif document is None:
            limits[provider_id] = None
        else:
            limits[provider_id], trouble = _limit(document, place)
            errors += trouble
    password = given.get("ingest_password")
    if password is not None and not is_password(password):
        told = f"A password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters."
        errors.append(("ingest_password", told))
    return SettingsChange(fields=fields, provider_limits=limits, ingest_password=password), errors


def shown(name: str, value: Any) -> Any:
    """A setting in the unit of its name; whole numbers without a fraction."""
    unit = UNITS[name][1]
    if value is None or unit is None:
        return value
    number = value / unit
    return int(number) if number.is_integer() else number


def _bounded(name: str, value: float | int | None) -> tuple[Any, list[FieldError]]:
    """The value as StoredSettings keeps it."""
    if value is None:
        return None, []
    field, unit = UNITS[name]
    low: float
    high: float
    if unit is None:
        low, high = COUNT_BOUNDS[field]
    else:
        low, high = (bound / unit for bound in DURATION_BOUNDS[field])
    if not low <= value <= high:  # so that it is told of what is no number at all, too
        return None, [(name, f"It is between {low:.15g} and {high:.15g}.")]
    return value if unit is None else value * unit, []


def _limit(document: object, place: str) -> tuple[ProviderLimit, list[FieldError]]:
    given, errors = read_fields(ProviderLimit, document, at=place)
    low, high = PROVIDER_BOUNDS
    errors += [
        (below(place, name), f"It is between {low} and {high}, or null for no limit.")
        for name, bound in given.items()
        if bound is not None and not low <= bound <= high
    ]
    return ProviderLimit(**given), errors
