"""Validation of a settings change: names on the wire, their units and bounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from ...domain.accounts import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, is_password
from ...domain.costs.budgets import AtLimit
from ...domain.costs.currency import CODE_PATTERN, MICROS, is_currency_code, micros_of
from ...domain.errors import InvalidRequest
from ...domain.field_errors import FieldError, FieldErrorCode, below
from ...domain.routing.provider_usage import ProviderLimit
from ...domain.settings import COUNT_BOUNDS, DURATION_BOUNDS, MICROS_BOUNDS, PROVIDER_BOUNDS
from ...domain.stats.time_ranges import time_zone
from ...domain.validation import read_fields

UNITS: Mapping[str, tuple[str, timedelta | int | None]] = {
    "sync_response_seconds": ("sync_response", timedelta(seconds=1)),
    "result_retention_hours": ("result_retention", timedelta(hours=1)),
    "max_active_jobs": ("max_active_jobs", None),
    "max_upload_bytes": ("max_upload_bytes", None),
    "max_image_pixels": ("max_image_pixels", None),
    "currency": ("currency_code", None),
    "usd_rate": ("usd_rate_micros", MICROS),
    "budget_per_day": ("budget_per_day_micros", MICROS),
    "budget_at_limit": ("budget_at_limit", None),
    "time_zone": ("time_zone", None),
}
"""The settings by their name on the wire: the field of AppSettings, and the unit of a duration or an amount."""

_MAX_ZONE_CHARS = 64


class SettingsChange(msgspec.Struct, frozen=True, kw_only=True):
    """A validated change. `fields` are those of StoredSettings, None to restore the default; limits are by provider,
    None to restore those that the provider declares."""

    fields: dict[str, Any] = {}
    provider_limits: dict[str, ProviderLimit | None] = {}
    ingest_password: str | None = None

    def __repr__(self) -> str:
        return f"SettingsChange({', '.join([*self.fields, *self.provider_limits])})"


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """The types of the fields of a change."""

    sync_response_seconds: float | None = None
    result_retention_hours: float | None = None
    max_active_jobs: int | None = None
    max_upload_bytes: int | None = None
    max_image_pixels: int | None = None
    currency: str | None = None
    usd_rate: float | None = None
    budget_per_day: float | None = None
    budget_at_limit: AtLimit | None = None
    time_zone: str | None = None
    provider_limits: dict[str, Any] = {}
    ingest_password: str = ""


def read_change(
    document: Mapping[str, Any], *, providers: Collection[str], limited: Collection[str]
) -> tuple[SettingsChange, list[FieldError]]:
    """The change that a document requests, and an error for each field that is not valid.

    `providers` are those that take limits; `limited` those that have stored limits: the limits of a provider that is
    no longer installed can still be removed.
    """
    given, errors = read_fields(_Document, document)
    fields: dict[str, Any] = {}
    for name in [name for name in UNITS if name in given]:
        value, found = _checked(name, given[name])
        fields[UNITS[name][0]] = value
        errors += found
    limits: dict[str, ProviderLimit | None] = {}
    for provider_id, document in given.get("provider_limits", {}).items():
        place = below("provider_limits", provider_id[:64])
        if provider_id not in providers and not (document is None and provider_id in limited):
            params = {"provider": provider_id[:64]}
            errors.append(FieldError(place, FieldErrorCode.PROVIDER_NOT_CONFIGURABLE, params))
        elif document is None:
            limits[provider_id] = None
        else:
            limits[provider_id], found = _limit(document, place)
            errors += found
    password = given.get("ingest_password")
    if password is not None and not is_password(password):
        params = {"min": MIN_PASSWORD_CHARS, "max": MAX_PASSWORD_CHARS}
        errors.append(FieldError("ingest_password", FieldErrorCode.LENGTH_OUT_OF_RANGE, params))
    return SettingsChange(fields=fields, provider_limits=limits, ingest_password=password), errors


def shown(name: str, value: Any) -> Any:
    """A setting in the unit of its name; integers without a fraction."""
    unit = UNITS[name][1]
    if value is None or unit is None:
        return value
    return _number(value / unit)


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _checked(name: str, value: float | str | None) -> tuple[Any, list[FieldError]]:
    """The value as StoredSettings stores it."""
    match value:
        case None | AtLimit():
            return value, []
        case str():
            return value, _text_errors(name, value)
    return _bounded(name, value)


def _text_errors(name: str, text: str) -> list[FieldError]:
    if name == "currency":
        return [] if is_currency_code(text) else [FieldError(name, FieldErrorCode.PATTERN, {"pattern": CODE_PATTERN})]
    try:
        time_zone(text[: _MAX_ZONE_CHARS + 1])
    except InvalidRequest:
        return [FieldError(name, FieldErrorCode.TIME_ZONE_UNKNOWN)]
    return []


def _bounded(name: str, value: float) -> tuple[Any, list[FieldError]]:
    field, unit = UNITS[name]
    low: float
    high: float
    match unit:
        case None:
            low, high = COUNT_BOUNDS[field]
        case timedelta():
            low, high = (bound / unit for bound in DURATION_BOUNDS[field])
        case _:
            low, high = (bound / unit for bound in MICROS_BOUNDS[field])
    if not low <= value <= high:  # written so that NaN is refused too
        return None, [FieldError(name, FieldErrorCode.OUT_OF_RANGE, {"min": _number(low), "max": _number(high)})]
    if unit == MICROS:
        return micros_of(value), []
    return value if unit is None else value * unit, []


def _limit(document: object, place: str) -> tuple[ProviderLimit, list[FieldError]]:
    given, errors = read_fields(ProviderLimit, document, at=place)
    low, high = PROVIDER_BOUNDS
    errors += [
        FieldError(below(place, name), FieldErrorCode.OUT_OF_RANGE, {"min": low, "max": high})
        for name, bound in given.items()
        if bound is not None and not low <= bound <= high
    ]
    return ProviderLimit(**given), errors
