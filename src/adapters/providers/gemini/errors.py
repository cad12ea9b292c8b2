"""Classification of Gemini API answers: finish reasons, block reasons and errors, each with its classification.

Facts are from the Gemini API's reference (`Candidate.finishReason`, `PromptFeedback.blockReason`) and its pages on
rate limits and troubleshooting, error details from google.rpc's `error_details.proto`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ....core.domain.outside_text import MAX_CHARS, MAX_ITEMS, word
from ....core.ports.provider import Down, NotConfigured, ProviderError, QuotaExhausted, Rejected, Retryable, Unavailable
from ...http_client.retry_after import retry_after
from ..sdk import duration, scrubbed

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
"""Finish reasons that a retry of the same request does not change."""

RETRYABLE_REASONS = frozenset(
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
"""Finish reasons that allow a retry when no picture came. An unknown reason counts as one of these."""

ACCOUNT_DISABLED = frozenset({"PUP_LIMITED_DISABLED"})
"""Finish reasons that concern the account, not the request."""

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
"""Reasons of a blocked prompt. All are final; so is an unknown one."""

_CREDIT_GONE = re.compile(r"credits are depleted|spending cap|spend(?:ing)? limit", re.IGNORECASE)
_LIMIT_ZERO = re.compile(r"\blimit: 0\b")
_RETRY_INFO = "google.rpc.RetryInfo"
_QUOTA_FAILURE = "google.rpc.QuotaFailure"
_ERROR_INFO = "google.rpc.ErrorInfo"
_BAD_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})


def without_picture(reason: str, words: str) -> ProviderError:
    """Classify an answer without a picture by its finish reason (empty: none given); `words` are already scrubbed."""
    message = f" ({words})" if words else ""
    if reason in REFUSALS:
        return Rejected(f"Gemini refuses: {reason}{message}.")
    if reason in ACCOUNT_DISABLED:
        return Unavailable(f"Gemini has disabled this account: {reason}{message}.")
    return Retryable(f"Gemini answered without a picture: {reason or 'no finish reason'}{message}.")


def blocked(reason: str) -> ProviderError:
    """Classify a blocked prompt."""
    return Rejected(f"Gemini blocked the request: {reason}.")


def error_from_status(
    status: int, body: Any, headers: Mapping[str, str], *, model: str | None, secret: str
) -> ProviderError:
    """Classify an answer with an error status.

    `body` is its decoded JSON of any type; header names are in lower case; `model` is the one requested, or None.
    """
    error = _error_of(body)
    name = word(error.get("status"), 40) if error else ""
    # Messages about keys may contain parts of them.
    words = "" if status in (401, 403) else scrubbed(error.get("message") if error else None, secret=secret)
    message = f"Gemini answered {status}{f' {name}' if name else ''}{f': {words}' if words else ''}"
    if status == 429:
        return _rate_limit(message, error or {}, headers)
    if status >= 500 or status == 408:
        return Down(message)
    if 300 <= status < 400:
        return Unavailable(f"{message}: the address redirects, and redirects are not followed.")
    if error is None:
        return Down(f"Gemini answered {status} with something other than an error of its API.")
    if status in (401, 403) or _key_is_bad(error):
        return NotConfigured(f"Gemini refuses the key ({status}{f' {name}' if name else ''}).")
    if status == 404 and model is not None:
        return Rejected(f"Gemini does not know the model {model[:80]!r}, or not for this: {message}")
    if status == 400 and name == "FAILED_PRECONDITION":
        return Unavailable(message)
    if status in (400, 413, 422):
        return Rejected(message)
    return Unavailable(message)


def _rate_limit(summary: str, error: Mapping[str, Any], headers: Mapping[str, str]) -> ProviderError:
    message = word(error.get("message"), MAX_CHARS)
    for violation in _violations(error):
        if "perday" in word(violation.get("quotaId")).lower():
            return QuotaExhausted(f"{summary} (the quota of the day is used up)")
        if violation.get("quotaValue") in ("0", 0):
            return QuotaExhausted(f"{summary} (the account has no quota for this)")
    if _LIMIT_ZERO.search(message) or _CREDIT_GONE.search(message):
        return QuotaExhausted(summary)
    after = next((_delay(detail) for detail in _details(error, _RETRY_INFO)), None)
    return Retryable(summary, after=retry_after(headers, message) if after is None else after)


def _error_of(body: Any) -> Mapping[str, Any] | None:
    """The error of an API answer; None where the body is something else."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else None


def _details(error: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    for detail in details[:MAX_ITEMS] if isinstance(details, list) else []:
        if isinstance(detail, dict) and word(detail.get("@type")).endswith(kind):
            yield detail


def _violations(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for failure in _details(error, _QUOTA_FAILURE):
        violations = failure.get("violations")
        some = violations[:MAX_ITEMS] if isinstance(violations, list) else []
        yield from (each for each in some if isinstance(each, dict))


def _delay(detail: Mapping[str, Any]) -> timedelta | None:
    delay = detail.get("retryDelay")
    return duration(delay) if isinstance(delay, str) else None


def _key_is_bad(error: Mapping[str, Any]) -> bool:
    return any(word(detail.get("reason")) in _BAD_KEY_REASONS for detail in _details(error, _ERROR_INFO))
