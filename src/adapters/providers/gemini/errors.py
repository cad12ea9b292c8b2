"""What the answers of the Gemini API mean: finish reasons, reasons of a block, and errors, each with its verdict.

Facts are from the Gemini API's reference (`Candidate.finishReason`, `PromptFeedback.blockReason`) and its pages on
rate limits and troubleshooting, error details from google.rpc's `error_details.proto`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ....core.ports.provider import (
    Down,
    NotConfigured,
    ProviderError,
    QuotaExhausted,
    Rejected,
    Retryable,
    Unavailable,
)
from ...http_client.retry_after import retry_after
from ..sdk import duration, said

REFUSALS = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "ESCALATION",
        "MODEL_ARMOR",
    }
)
"""Finish reasons that stay the same however often the same is asked."""

WORTH_ANOTHER_TRY = frozenset(
    {
        "FINISH_REASON_UNSPECIFIED",
        "STOP",
        "MAX_TOKENS",
        "OTHER",
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "IMAGE_OTHER",
        "NO_IMAGE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "CONTINUATION",
    }
)
"""Finish reasons that say nothing against another try where no picture came. So does any reason that is not known."""

ACCOUNT_TROUBLE = frozenset({"PUP_LIMITED_DISABLED"})
"""Finish reasons that concern the account, whatever it asks."""

BLOCKS = frozenset(
    {
        "BLOCKED_REASON_UNSPECIFIED",
        "SAFETY",
        "OTHER",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "IMAGE_SAFETY",
        "MODEL_ARMOR",
        "JAILBREAK",
    }
)
"""Reasons of a blocked prompt. All are final; so is any that is not known."""

_CREDIT_GONE = re.compile(r"credits are depleted|spending cap|spend(?:ing)? limit", re.IGNORECASE)
_LIMIT_ZERO = re.compile(r"\blimit: 0\b")
_RETRY_INFO = "google.rpc.RetryInfo"
_QUOTA_FAILURE = "google.rpc.QuotaFailure"
_ERROR_INFO = "google.rpc.ErrorInfo"
_BAD_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})


def without_picture(reason: str, words: str) -> ProviderError:
    """What an answer without a picture means, by its finish reason (empty: none given); `words` are fit for a log."""
    told = f" ({words})" if words else ""
    if reason in REFUSALS:
        return Rejected(f"Gemini refuses: {reason}{told}.")
    if reason in ACCOUNT_TROUBLE:
        return Unavailable(f"Gemini serves this account no longer: {reason}{told}.")
    return Retryable(f"Gemini answered without a picture: {reason or 'no finish reason'}{told}.")


def blocked(reason: str) -> ProviderError:
    """What a blocked prompt means."""
    return Rejected(f"Gemini blocked the request: {reason}.")


def status_trouble(
    status: int, body: Any, headers: Mapping[str, str], *, model: str | None, secret: str
) -> ProviderError:
    """What an answer with an error status means.

    `body` is its JSON, whatever that is; `headers` have their names in lower case; `model` was asked for, None where
    none was.
    """
    error = _error_of(body)
    name = str(error.get("status", ""))[:40] if error else ""
    # What is said of keys may hold parts of them.
    words = "" if status in (401, 403) else said(error.get("message") if error else None, secret=secret)
    told = f"Gemini answered {status}{f' {name}' if name else ''}{f': {words}' if words else ''}"
    if status == 429:
        return _rate_limit(told, error or {}, headers)
    if status >= 500 or status == 408:
        return Down(told)
    if 300 <= status < 400:
        return Unavailable(f"{told}: the address redirects, and redirects are not followed.")
    if error is None:
        return Down(f"Gemini answered {status} with something else than an error of its API.")
    if status in (401, 403) or _key_is_bad(error):
        return NotConfigured(f"Gemini refuses the key ({status}{f' {name}' if name else ''}).")
    if status == 404 and model is not None:
        return Rejected(f"Gemini does not know the model {model[:80]!r}, or not for this: {told}")
    if status == 400 and name == "FAILED_PRECONDITION":
        return Unavailable(told)
    if status in (400, 413, 422):
        return Rejected(told)
    return Unavailable(told)


def _rate_limit(told: str, error: Mapping[str, Any], headers: Mapping[str, str]) -> ProviderError:
    message = str(error.get("message", ""))
    for violation in _violations(error):
        if "perday" in str(violation.get("quotaId", "")).lower():
            return QuotaExhausted(f"{told} (the quota of the day is used up)")
        if str(violation.get("quotaValue", "")) == "0":
            return QuotaExhausted(f"{told} (the account has no quota for this)")
    if _LIMIT_ZERO.search(message) or _CREDIT_GONE.search(message):
        return QuotaExhausted(told)
    after = next((_delay(detail) for detail in _details(error, _RETRY_INFO)), None)
    return Retryable(told, after=retry_after(headers) if after is None else after)


def _error_of(body: Any) -> Mapping[str, Any] | None:
    """The error of an API answer; None where the body is something else."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else None


def _details(error: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith(kind):
            yield detail


def _violations(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for failure in _details(error, _QUOTA_FAILURE):
        violations = failure.get("violations")
        yield from (each for each in (violations if isinstance(violations, list) else []) if isinstance(each, dict))


def _delay(detail: Mapping[str, Any]) -> timedelta | None:
    delay = detail.get("retryDelay")
    return duration(delay) if isinstance(delay, str) else None


def _key_is_bad(error: Mapping[str, Any]) -> bool:
    return any(detail.get("reason") in _BAD_KEY_REASONS for detail in _details(error, _ERROR_INFO))
