"""What the answers of OpenAI's API mean: pictures, refusals, errors and limits.

Facts are from OpenAI's API documentation ("Error codes", "Rate limits") and its guide to image generation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct

from ....core.domain.outside_text import MAX_CHARS, word
from ....core.ports.provider import Down, NotConfigured, ProviderError, QuotaExhausted, Rejected, Retryable, Unavailable
from ...http_client.picture_json import is_long
from ...http_client.retry_after import retry_after
from ..wire import JsonAnswer, decoded, duration, parsed, scrubbed

REFUSALS = frozenset({"moderation_blocked", "content_policy_violation"})
"""Codes of answers that the safety system blocked."""

QUOTA_GONE = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Codes of an account without credit; they come with status 400, 403 or 429."""

_PASSING = frozenset({409, 499})
"""Client-error statuses that pass by themselves."""

_RETRY_WORDS = re.compile(r"please retry|try again", re.IGNORECASE)

_LIMITED = ("requests", "tokens", "images")


class Image(Struct, frozen=True):
    """One picture: in base64, or (compatible gateways) at an address, which may be a data URI."""

    b64_json: str | None = None
    url: str | None = None


class Edited(Struct, frozen=True):
    """The answer of the images edit endpoint, as far as it matters here."""

    data: list[Image] | None = None
    size: Any = None
    quality: Any = None
    usage: Any = None


class Model(Struct, frozen=True):
    """A model of the service."""

    id: str


class Models(Struct, frozen=True):
    """The list of models."""

    data: list[Model]


def edited(answer: JsonAnswer, *, model: str, secret: str) -> tuple[bytes | str, dict[str, Any]]:
    """Return the picture of an answer, or its address, and remarks; raise what its absence means."""
    require_good(answer, model=model, secret=secret)
    if not isinstance(decoded(answer), dict):
        raise Down("OpenAI answered with something other than its API's answer.")
    response = parsed(answer, Edited, service="OpenAI")
    for image in response.data or []:
        for text in (image.b64_json, image.url):
            if text and (picture := answer.body.picture(text)):
                return picture, _remarks(answer, response, model=model, secret=secret)
        if image.url and not is_long(image.url):
            return image.url, _remarks(answer, response, model=model, secret=secret)
    raise Retryable("OpenAI answered without a picture.")


def require_good(answer: JsonAnswer, *, model: str | None = None, secret: str) -> None:
    """Raise what an answer with an error status means; `model` is the one requested."""
    if answer.status == 200:
        return
    body = decoded(answer)
    error = body.get("error", body) if isinstance(body, dict) else body
    raise error_from_status(answer.status, error, answer.headers, model=model, secret=secret)


def _remarks(answer: JsonAnswer, response: Edited, *, model: str, secret: str) -> dict[str, Any]:
    usage = response.usage if isinstance(response.usage, dict) else {}
    counts = {name: usage.get(name) for name in ("input_tokens", "output_tokens", "total_tokens")}
    remarks: dict[str, Any] = {
        "model": scrubbed(model, secret=secret),
        "size": scrubbed(response.size, secret=secret),
        "quality": scrubbed(response.quality, secret=secret),
        "response_id": scrubbed(answer.headers.get("x-request-id"), secret=secret),
        "usage": {name: count for name, count in counts.items() if isinstance(count, int)},
    }
    return {name: value for name, value in remarks.items() if value}


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
    if status in _PASSING or (status == 400 and code not in REFUSALS and _RETRY_WORDS.search(words)):
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
