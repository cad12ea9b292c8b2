"""Why a call to a provider made no picture, as a code for texts in other languages."""

from __future__ import annotations

import enum


class FailureCause(enum.StrEnum):
    """The cause of an attempt without a picture, beside the English sentence that may have a service's own words."""

    BREAKER = "breaker"
    CONCURRENCY = "concurrency"
    PER_MINUTE = "per_minute"
    PER_DAY = "per_day"
    BUDGET_USED_UP = "budget_used_up"
    BUDGET_UNKNOWN = "budget_unknown"

    KEY_MISSING = "key_missing"
    KEY_UNREADABLE = "key_unreadable"
    KEY_REFUSED = "key_refused"
    NOT_CONFIGURED = "not_configured"
    SETTINGS_INVALID = "settings_invalid"
    TEMPLATE_MISSING = "template_missing"
    MODEL_UNKNOWN = "model_unknown"
    QUOTA_EXHAUSTED = "quota_exhausted"

    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    SERVICE_FAILED = "service_failed"
    BUSY = "busy"
    NO_PICTURE = "no_picture"
    PICTURE_UNUSABLE = "picture_unusable"
    CONTENT_REFUSED = "content_refused"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"

    TOO_SLOW = "too_slow"
    WINDOW_ENDED = "window_ended"
    OVERTAKEN = "overtaken"
    STORAGE_FAILED = "storage_failed"
    CRASHED = "crashed"
