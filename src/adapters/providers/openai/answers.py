"""What the answers of OpenAI's API mean: pictures, refusals, errors and limits.

Facts are from OpenAI's API documentation ("Error codes", "Rate limits") and its guide to image generation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.outside_text import MAX_CHARS, word
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFindingCode
from ....core.ports.provider import (
    Down,
    NotConfigured,
    ProviderError,
    ProviderResult,
    QuotaExhausted,
    Rejected,
    Retryable,
    Unavailable,
)
from ...http_client.picture_json import is_long
from ...http_client.retry_after import retry_after
from ..costs import perhaps_charged, token_count
from ..wire import Asked, JsonAnswer, decoded, duration, parsed, refused_setting, scrubbed
from .costs import cost_of_usage

REFUSALS = frozenset(
    {
        "moderation_blocked",
        "content_policy_violation",
        # Azure's.
        "content_filter",
        "contentFilter",
        "ResponsibleAIPolicyViolation",
    }
)
"""Codes of answers that the safety system blocked."""

UNKNOWN_MODELS = frozenset({"model_not_found", "DeploymentNotFound"})
UNKNOWN_ADDRESSES = frozenset({"404", "ResourceNotFound"})
"""Codes of Azure for a path, an API version or a model without this endpoint."""

_SETTING_CODES = frozenset({"unknown_parameter", "unsupported_parameter", "unsupported_value", "invalid_value"})

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


def edited(answer: JsonAnswer, asked: Asked) -> tuple[bytes | str, ProviderResult]:
    """Return the picture of an answer, or its address, and the result without it; raise what its absence means."""
    require_good(answer, secret=asked.secret, asked=asked)
    if not isinstance(decoded(answer), dict):
        raise Down("OpenAI answered with something other than its API's answer.")
    response = parsed(answer, Edited, service="OpenAI")
    cost = cost_of_usage(response.usage, models=asked.models, model=asked.model)
    result = ProviderResult(
        b"",
        _remarks(answer, response, model=asked.model, secret=asked.secret),
        cost=cost or asked.expected,
        model=scrubbed(asked.model, secret=asked.secret),
    )
    for image in response.data or []:
        for text in (image.b64_json, image.url):
            if text and (picture := answer.body.picture(text)):
                return picture, result
        if image.url and not is_long(image.url):
            return image.url, result
    raise Retryable("OpenAI answered without a picture.", cost=perhaps_charged(cost))


def require_good(answer: JsonAnswer, *, secret: str, asked: Asked | None = None) -> None:
    """Raise what an answer with an error status means; `asked` is the request, where it was for a picture."""
    if answer.status == 200:
        return
    body = decoded(answer)
    error = body.get("error", body) if isinstance(body, dict) else body
    raise error_from_status(
        answer.status,
        error,
        answer.headers,
        model=asked.model if asked else None,
        secret=secret,
        settings=asked.settings if asked else (),
        expected=asked.expected if asked else None,
    )


def _remarks(answer: JsonAnswer, response: Edited, *, model: str, secret: str) -> dict[str, Any]:
    usage = response.usage if isinstance(response.usage, dict) else {}
    counts = {name: token_count(usage.get(name)) for name in ("input_tokens", "output_tokens", "total_tokens")}
    remarks: dict[str, Any] = {
        "model": scrubbed(model, secret=secret),
        "size": scrubbed(response.size, secret=secret),
        "quality": scrubbed(response.quality, secret=secret),
        "response_id": scrubbed(answer.headers.get("x-request-id"), secret=secret),
        "usage": {name: count for name, count in counts.items() if count},
    }
    return {name: value for name, value in remarks.items() if value}


def error_from_status(
    status: int,
    body: Any,
    headers: Mapping[str, str],
    *,
    model: str | None,
    secret: str,
    settings: Collection[str] = (),
    expected: CallCost | None = None,
) -> ProviderError:
    """Classify an answer with an error status.

    `body` is the error of its JSON, or what came instead; header names are in lower case; `model` is the one
    requested, or None; `settings` are those that were sent; `expected` is the probable cost, which a refusal of the
    finished picture may have.
    """
    error = body if isinstance(body, dict) and not body.keys().isdisjoint({"message", "code", "type"}) else None
    code = scrubbed(error.get("code") if error else None, secret=secret, max_characters=60)
    # Messages about keys contain parts of them.
    words = "" if status in (401, 403) else scrubbed(error.get("message") if error else None, secret=secret)
    message = f"OpenAI answered {status}{f' {code}' if code else ''}{f': {words}' if words else ''}"
    if code in QUOTA_GONE:
        return QuotaExhausted(message)
    if status == 429:
        return Retryable(message, after=_retry_delay(headers, error), cause=FailureCause.BUSY)
    if status >= 500 or status == 408:
        return Down(message)
    if 300 <= status < 400:
        return Unavailable(f"{message}: the address redirects, and redirects are not followed.")
    if error is None:
        return Down(f"OpenAI answered {status} with something other than an error of its API.")
    if status in (401, 403):
        reason = f"OpenAI refuses the key ({status}{f' {code}' if code else ''})."
        return NotConfigured(reason, finding=ProviderFindingCode.KEY_REFUSED)
    if status == 400 and (setting := _refused_setting(error, code, words, settings)) is not None:
        advice = f"OpenAI does not take the setting {setting!r} with this model. Change it in the slot."
        return Rejected(f"{advice} {message}", cause=FailureCause.SETTINGS_INVALID)
    if status in _PASSING or (status == 400 and code not in REFUSALS and _RETRY_WORDS.search(words)):
        return Retryable(message, after=_retry_delay(headers, error), cause=FailureCause.BUSY)
    if code in REFUSALS or "safety system" in words.lower():
        return Rejected(
            f"OpenAI refuses: {message}", cost=perhaps_charged(expected), cause=FailureCause.CONTENT_REFUSED
        )
    if status == 404 and code in UNKNOWN_ADDRESSES:
        return NotConfigured(f"Check address, deployment and api-version of OpenAI's base URL. {message}")
    if code in UNKNOWN_MODELS and model is not None:
        return Rejected(
            f"OpenAI does not know the model {model[:80]!r}, or not for this key: {message}",
            cause=FailureCause.MODEL_UNKNOWN,
        )
    if status in (400, 413, 415, 422):
        return Rejected(message)
    return Unavailable(message)


def _refused_setting(error: Mapping[str, Any], code: str, words: str, settings: Collection[str]) -> str | None:
    """The setting that an error is about: by its `param`, or by its message where that is about a parameter."""
    named = word(error.get("param"), 60)
    return refused_setting(f"{named} {words}" if code in _SETTING_CODES else named, settings)


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
