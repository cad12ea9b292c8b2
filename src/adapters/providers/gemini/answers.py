"""What the answers of the Gemini API mean: pictures, refusals, errors and limits.

Facts are from the Gemini API's reference (`Candidate.finishReason`, `PromptFeedback.blockReason`) and its pages on
rate limits and troubleshooting, error details from google.rpc's `error_details.proto`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.outside_text import MAX_CHARS, MAX_ITEMS, cut, word
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
from ...http_client.picture_json import PictureJson, is_long
from ...http_client.retry_after import retry_after
from ..costs import perhaps_charged, token_count
from ..wire import Asked, JsonAnswer, decoded, duration, parsed, refused_setting, scrubbed
from .costs import cost_of_usage

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

_UNSPECIFIED = "BLOCKED_REASON_UNSPECIFIED"
_PASSING = frozenset({409, 499})
"""Client-error statuses that pass by themselves: ABORTED and CANCELLED (google.rpc.Code)."""

_RETRY_WORDS = re.compile(r"please retry|try again", re.IGNORECASE)
"""Seen with 400: "Unable to process input image. Please retry or report"."""

_CREDIT_GONE = re.compile(r"credits are depleted|spending cap|spend(?:ing)? limit", re.IGNORECASE)
_LIMIT_ZERO = re.compile(r"\blimit: 0\b")
_RETRY_INFO = "google.rpc.RetryInfo"
_QUOTA_FAILURE = "google.rpc.QuotaFailure"
_ERROR_INFO = "google.rpc.ErrorInfo"
_BAD_REQUEST = "google.rpc.BadRequest"
_BAD_KEY_REASONS = frozenset(
    {"API_KEY_INVALID", "API_KEY_EXPIRED", "ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_TYPE_UNSUPPORTED"}
)
_API_DISABLED = frozenset({"SERVICE_DISABLED"})


class Blob(Struct, frozen=True, rename="camel"):
    """A file inside of an answer, in base64."""

    data: str | None = None
    mime_type: str | None = None


class Part(Struct, frozen=True, rename="camel"):
    """A piece of what the model says; thoughts may hold drafts of the picture."""

    text: str | None = None
    inline_data: Blob | None = None
    thought: bool | None = None


class Content(Struct, frozen=True):
    """What the model says."""

    parts: list[Part] | None = None


class Candidate(Struct, frozen=True, rename="camel"):
    """One of the model's answers."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class PromptFeedback(Struct, frozen=True, rename="camel"):
    """What the service thinks of the request."""

    block_reason: str | None = None


class Generated(Struct, frozen=True, rename="camel"):
    """The answer of `generateContent`, as far as it matters here. What is only reported never costs the picture."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: Any = None
    model_version: Any = None
    response_id: Any = None


class File(Struct, frozen=True):
    """An uploaded file."""

    uri: str | None = None
    state: str | None = None


class Uploaded(Struct, frozen=True):
    """The answer of an upload's end."""

    file: File | None = None


class Model(Struct, frozen=True):
    """A model of the service."""

    name: str | None = None


class Models(Struct, frozen=True, rename="camel"):
    """A page of the list of models."""

    models: list[Model] | None = None
    next_page_token: str | None = None


def generated(answer: JsonAnswer, asked: Asked) -> ProviderResult:
    """Return the picture of an answer of `generateContent`, with its cost; raise what its absence means."""
    secret = asked.secret
    require_good(answer, secret=secret, asked=asked)
    response = parsed(answer, Generated, service="Gemini")
    version = scrubbed(response.model_version, secret=secret)
    cost = _cost(response, asked, version)
    candidates = response.candidates or []
    block = response.prompt_feedback.block_reason if response.prompt_feedback else None
    if block is not None and block != _UNSPECIFIED:
        raise Rejected(
            f"Gemini blocked the request: {scrubbed(block, secret=secret)}.",
            cost=perhaps_charged(cost),
            cause=FailureCause.CONTENT_REFUSED,
        )
    if not (candidates or block or response.usage_metadata or response.response_id):
        raise Down("Gemini answered with something other than its API's answer.")
    reason = next((each.finish_reason for each in candidates if each.finish_reason is not None), "")
    no_picture = _without_picture(scrubbed(reason, secret=secret), scrubbed(_words(candidates), secret=secret))
    no_picture.cost = perhaps_charged(cost)
    if isinstance(no_picture, Rejected):
        raise no_picture
    parts = _parts(candidates)
    # A draft in the model's thoughts counts only where nothing else was drawn: the call was paid for.
    finished = _pictures((part for part in parts if not part.thought), answer.body)
    drawn = finished or _pictures((part for part in parts if part.thought), answer.body)
    if not drawn:
        raise (
            Rejected(f"Gemini blocked the request: {block}.", cost=no_picture.cost, cause=FailureCause.CONTENT_REFUSED)
            if block
            else no_picture
        )
    remarks = _remarks(response, reason, model=version or asked.model, secret=secret, draft=not finished)
    return ProviderResult(drawn[-1], remarks, cost=cost or asked.expected, model=remarks["model"], seed=asked.seed)


def _cost(response: Generated, asked: Asked, version: str) -> CallCost | None:
    """The cost by the answer's usage, at the prices of the version that drew, else of the model requested."""
    priced = version if asked.models.model(version) else asked.model
    return cost_of_usage(response.usage_metadata, models=asked.models, model=priced)


def require_good(answer: JsonAnswer, *, secret: str, asked: Asked | None = None) -> None:
    """Raise what an answer with an error status means; `asked` is the request, where it was for a picture."""
    if answer.status != 200:
        model, settings = (asked.model, asked.settings) if asked else (None, ())
        raise error_from_status(
            answer.status, decoded(answer), answer.headers, model=model, secret=secret, settings=settings
        )


def _without_picture(reason: str, words: str) -> ProviderError:
    """Classify an answer without a picture by its finish reason (empty: none given); `words` are already scrubbed."""
    message = f" ({words})" if words else ""
    if reason in REFUSALS:
        return Rejected(f"Gemini refuses: {reason}{message}.", cause=FailureCause.CONTENT_REFUSED)
    if reason in ACCOUNT_DISABLED:
        return Unavailable(f"Gemini has disabled this account: {reason}{message}.")
    return Retryable(f"Gemini answered without a picture: {reason or 'no finish reason'}{message}.")


def _parts(candidates: Sequence[Candidate]) -> list[Part]:
    contents = [candidate.content for candidate in candidates if candidate.content is not None]
    return [part for content in contents for part in content.parts or []]


def _pictures(parts: Iterable[Part], body: PictureJson) -> list[bytes]:
    blobs = [part.inline_data for part in parts if part.inline_data is not None]
    named = [blob.data for blob in blobs if blob.data and (blob.mime_type or "image/").startswith("image/")]
    return [data for text in named if (data := body.picture(text))]


def _words(candidates: Sequence[Candidate]) -> str:
    """What the service and the model say instead of returning a picture."""
    said = [candidate.finish_message for candidate in candidates[:MAX_ITEMS]]
    said += [part.text for part in _parts(candidates)[:MAX_ITEMS] if not part.thought]
    return cut(" ".join(cut(text) for text in said if text and not is_long(text)))


def _remarks(response: Generated, reason: str, *, model: str, secret: str, draft: bool) -> dict[str, Any]:
    usage = response.usage_metadata if isinstance(response.usage_metadata, dict) else {}
    counts = {
        "prompt_tokens": token_count(usage.get("promptTokenCount")),
        "output_tokens": token_count(usage.get("candidatesTokenCount")),
        "thought_tokens": token_count(usage.get("thoughtsTokenCount")),
        "total_tokens": token_count(usage.get("totalTokenCount")),
    }
    remarks: dict[str, Any] = {
        "model": scrubbed(model, secret=secret),
        "finish_reason": scrubbed(reason, secret=secret),
        "response_id": scrubbed(response.response_id, secret=secret),
        "usage": {name: count for name, count in counts.items() if count},
        "draft": draft,
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
) -> ProviderError:
    """Classify an answer with an error status.

    `body` is its decoded JSON of any type; header names are in lower case; `model` is the one requested, or None;
    `settings` are the optional ones that were sent.
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
    if _has_reason(error, _API_DISABLED):
        reason = "The API is disabled in the key's project. Enable it in the Google Cloud console."
        return NotConfigured(reason, finding=ProviderFindingCode.KEY_REFUSED)
    if status in (401, 403) or _has_reason(error, _BAD_KEY_REASONS):
        reason = f"Gemini refuses the key ({status}{f' {name}' if name else ''})."
        return NotConfigured(reason, finding=ProviderFindingCode.KEY_REFUSED)
    if status == 404 and model is not None:
        return Rejected(
            f"Gemini does not know the model {model[:80]!r}, or not for this: {message}",
            cause=FailureCause.MODEL_UNKNOWN,
        )
    if status == 400 and (setting := refused_setting(f"{words} {_violated_fields(error)}", settings)) is not None:
        return Rejected(
            f"Gemini does not take the setting {setting!r} with this model. Change it in the slot. {message}"
        )
    if status in _PASSING or (status == 400 and _RETRY_WORDS.search(words)):
        return Retryable(message, after=retry_after(headers, words), cause=FailureCause.BUSY)
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
    return Retryable(summary, after=retry_after(headers, message) if after is None else after, cause=FailureCause.BUSY)


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


def _has_reason(error: Mapping[str, Any], reasons: Collection[str]) -> bool:
    return any(word(detail.get("reason")) in reasons for detail in _details(error, _ERROR_INFO))


def _violated_fields(error: Mapping[str, Any]) -> str:
    """The fields of a request that its error names."""
    lists = [detail.get("fieldViolations") for detail in _details(error, _BAD_REQUEST)]
    fields = [each for found in lists if isinstance(found, list) for each in found[:MAX_ITEMS]]
    return cut(" ".join(word(each.get("field")) for each in fields if isinstance(each, dict)))
