"""Classification of the error answers of OpenAI's API.

Facts are from OpenAI's API documentation ("Error codes", "Rate limits") and its guide to image generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ....core.domain.outside_text import MAX_CHARS, word
from ....core.ports.provider import Down, NotConfigured, ProviderError, QuotaExhausted, Rejected, Retryable, Unavailable
from ...http_client.retry_after import retry_after
from ..sdk import duration, scrubbed

REFUSALS = frozenset({"moderation_blocked", "content_policy_violation"})
"""Codes of answers that the safety system blocked."""

QUOTA_GONE = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Codes of an account without credit; they come with status 400, 403 or 429."""

_LIMITED = ("requests", "tokens", "images")


def error_from_status(
    status: int, body: Any, headers: Mapping[str, str], *, model: str | None, secret: str
) -> ProviderError:
    """Classify an answer with an error status.

    `body` is the error of its JSON, or what came instead; header names are in lower case; `model` is the one
    requested, or None.
    """
    error = body if isinstance(body, dict) and not body.keys().isdisjoint({"message", "code", "type"}) else None
    code = scrubbed(error.get("code") if error else None, secret=secret, max_characters=60)
    # Messages about keys contain parts of them.
    words = "" if status in (401, 403) else scrubbed(error.get("message") if error else None, secret=secret)
    message = f"OpenAI answered {status}{f' {code}' if code else ''}{f': {words}' if words else ''}"
    if code in QUOTA_GONE:
        return QuotaExhausted(message)
    if status == 429:
        return Retryable(message, after=_retry_delay(headers, error))
    if status >= 500 or status == 408:
        return Down(message)
    if 300 <= status < 400:
        return Unavailable(f"{message}: the address redirects, and redirects are not followed.")
    if error is None:
        return Down(f"OpenAI answered {status} with something other than an error of its API.")
    if status in (401, 403):
        return NotConfigured(f"OpenAI refuses the key ({status}{f' {code}' if code else ''}).")
    if status == 409:
        return Retryable(message, after=_retry_delay(headers, error))
    if code in REFUSALS or "safety system" in words.lower():
        return Rejected(f"OpenAI refuses: {message}")
    if code == "model_not_found" and model is not None:
        return Rejected(f"OpenAI does not know the model {model[:80]!r}, or not for this key: {message}")
    if status in (400, 413, 415, 422):
        return Rejected(message)
    return Unavailable(message)


def _retry_delay(headers: Mapping[str, str], error: Mapping[str, Any] | None) -> timedelta | None:
    """The delay before a retry: by `retry-after-ms`, `Retry-After`, the message, or the reset time of exhausted
    limits."""
    words = word((error or {}).get("message"), MAX_CHARS)
    milliseconds = duration(f"{headers.get('retry-after-ms', '').strip()}ms")
    after = milliseconds if milliseconds is not None else retry_after(headers, words)
    if after is not None:
        return after
    resets = {kind: duration(headers.get(f"x-ratelimit-reset-{kind}", "").strip()) for kind in _LIMITED}
    known = {kind: reset for kind, reset in resets.items() if reset is not None}
    used_up = [reset for kind, reset in known.items() if headers.get(f"x-ratelimit-remaining-{kind}", "") == "0"]
    return max(used_up or known.values(), default=None)
