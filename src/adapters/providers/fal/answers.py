"""What the answers of fal mean: states of work, pictures, refusals and errors.

Facts are from fal's documentation ("Queue", "Model errors", "Request error types", "FAQ"). Errors have two shapes:
those of models are lists, those of the platform are texts; models that move from one to the other mix them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from ....core.domain.costs.call_cost import CallCost, Charged
from ....core.domain.outside_text import MAX_ITEMS, word
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFindingCode
from ....core.ports.provider import Down, NotConfigured, ProviderError, QuotaExhausted, Rejected, Retryable, Unavailable
from ...http_client.retry_after import retry_after
from ..hosted import charged
from ..queued import Failed, Pending
from ..wire import JsonAnswer, decoded, parsed, scrubbed

WAITING = frozenset({"IN_QUEUE", "IN_PROGRESS"})
COMPLETED = "COMPLETED"
CANCELLED = frozenset({"CANCELLED", "CANCELED"})

_POLICY = "content_policy_violation"
_ACCOUNT = re.compile(
    r"user is locked|exhausted balance|top up your balance|insufficient (?:balance|credit|funds)", re.I
)
_REQUEST_ID = "x-fal-request-id"
_OVER = frozenset({"ALREADY_COMPLETED", "NOT_FOUND"})


class Submitted(Struct, frozen=True):
    """The answer to queued work, and what is saved to go on with it: where its state, its result and its end are."""

    request_id: str
    status_url: str
    response_url: str
    cancel_url: str


class State(Struct, frozen=True):
    """The state of work."""

    status: str
    error: Any = None
    error_type: Any = None


class Result(Struct, frozen=True):
    """The result of a model that makes pictures, as far as it matters here."""

    images: Any = None
    image: Any = None
    seed: Any = None
    has_nsfw_concepts: Any = None

    @property
    def urls(self) -> list[str]:
        """The addresses of the pictures, which may be data URIs: models tell them alone, or as `url` of an object."""
        several = self.images[:MAX_ITEMS] if isinstance(self.images, list) else [self.images]
        values = [each.get("url") if isinstance(each, dict) else each for each in (*several, self.image)]
        return [url for url in values if isinstance(url, str) and url]


def submitted(answer: JsonAnswer, *, model: str, cost: CallCost | None, secret: str) -> Submitted:
    """Return where queued work is; raise what a refusal means, before anything is paid for."""
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        raise error_of(answer, model=model, secret=secret)
    try:
        return parsed(answer, Submitted, service="fal")
    except ProviderError as error:
        error.cost = charged(cost, Charged.UNKNOWN)  # it may be queued all the same
        raise


def state_of(answer: JsonAnswer, *, cost: CallCost | None, secret: str) -> Pending | Failed | None:
    """Return the state of work; None where its result can be fetched. Raise what keeps it from being known."""
    if answer.status == HTTPStatus.NOT_FOUND:
        return _unknown()
    if answer.status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
        raise error_of(answer, secret=secret)
    state = parsed(answer, State, service="fal")
    if state.status in WAITING:
        return Pending()
    if state.status in CANCELLED:
        return Failed(Retryable("The work was cancelled at fal.", cost=charged(cost, Charged.UNKNOWN)))
    if state.status != COMPLETED:
        raise Retryable(f"fal tells an unknown state: {scrubbed(state.status, secret=secret, max_characters=40)}.")
    if state.error or state.error_type:
        return Failed(_platform_error(word(state.error_type, 60), state.error, cost=cost, secret=secret))
    return None


def result_of(answer: JsonAnswer, *, cost: CallCost | None, checked: bool, secret: str) -> Result | Failed:
    """Return the result of completed work, or how it ended instead. Raise what keeps it from being known.

    `checked`: the service was to look for what is not fit for guests; it answers with a black picture then.
    """
    status = answer.status
    if status == HTTPStatus.NOT_FOUND:
        return _unknown()
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN):
        raise error_of(answer, secret=secret)
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status >= 500 and _REQUEST_ID not in answer.headers):
        raise error_of(answer, secret=secret)  # the way to fal, not the model: the result is still there
    if status != HTTPStatus.OK:
        return Failed(error_of(answer, cost=cost, secret=secret))
    result = parsed(answer, Result, service="fal")
    flags = result.has_nsfw_concepts
    if checked and isinstance(flags, list) and any(flag is True for flag in flags[:MAX_ITEMS]):
        return Failed(
            Rejected("fal refuses: the picture is not fit for guests.", cost=cost, cause=FailureCause.CONTENT_REFUSED)
        )
    return result


def cancelled(answer: JsonAnswer, *, secret: str) -> None:
    """Return where work was cancelled or had ended; raise what kept it from that."""
    body = decoded(answer)
    if answer.status < 300 or answer.status == HTTPStatus.NOT_FOUND:
        return
    if isinstance(body, dict) and word(body.get("status"), 40) in _OVER:
        return
    raise error_of(answer, secret=secret)


def require_known_key(answer: JsonAnswer, *, secret: str) -> None:
    """Raise what is wrong with key, account or service, by the answer to a question for what does not exist."""
    refused = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN)
    if answer.status in refused or answer.status >= 500 or 300 <= answer.status < 400:
        raise error_of(answer, secret=secret)


def billed_units(headers: Mapping[str, str]) -> float | None:
    """Return how many units the service has billed; None where it does not tell."""
    try:
        units = float(headers.get("x-fal-billable-units", "")[:32])
    except ValueError:
        return None
    return units if 0 <= units < 1_000_000 else None


def error_of(
    answer: JsonAnswer, *, model: str | None = None, cost: CallCost | None = None, secret: str
) -> ProviderError:
    """Classify an answer with an error status; `cost` is what the work would have cost, where some was done."""
    status, body = answer.status, decoded(answer)
    detail = body.get("detail") if isinstance(body, dict) else None
    kind, said = _first(detail) if isinstance(detail, list) else ("", detail)
    kind = kind or word(body.get("error_type") if isinstance(body, dict) else None, 60)
    kind = scrubbed(kind or answer.headers.get("x-fal-error-type", ""), secret=secret, max_characters=60)
    # Messages about keys may contain parts of them.
    is_key = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    words = scrubbed(said, secret=secret)
    about = f"fal answered {status}{f' {kind}' if kind else ''}"
    if status == HTTPStatus.PAYMENT_REQUIRED or (is_key and _ACCOUNT.search(words)):
        return QuotaExhausted("The account at fal is locked or has no credit left.")
    if is_key:
        return NotConfigured(f"fal refuses the key ({status}).", finding=ProviderFindingCode.KEY_REFUSED)
    message = f"{about}: {words}" if words else about
    if 300 <= status < 400:
        return Unavailable(f"{about}: the address redirects, and redirects are not followed.")
    if status == HTTPStatus.NOT_FOUND and model is not None:
        return Rejected(f"fal does not know the model {model[:80]!r}.", cause=FailureCause.MODEL_UNKNOWN)
    return _by_status(answer, kind, message, cost=cost)


def _by_status(answer: JsonAnswer, kind: str, message: str, *, cost: CallCost | None) -> ProviderError:
    status, headers = answer.status, answer.headers
    sometimes, never = charged(cost, Charged.UNKNOWN), charged(cost, Charged.NO)
    if kind == _POLICY:
        return Rejected(f"fal refuses: {message}", cost=sometimes, cause=FailureCause.CONTENT_REFUSED)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Retryable(message, after=retry_after(headers, message), cause=FailureCause.BUSY)
    if status == HTTPStatus.GATEWAY_TIMEOUT and headers.get("x-fal-request-timeout-type", "").lower() == "user":
        return Unavailable(
            "fal did not begin the work in the time that was left.", cost=never, cause=FailureCause.TOO_SLOW
        )
    retryable = headers.get("x-fal-retryable", "").strip().lower()
    if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
        return Unavailable(message, cost=never) if retryable == "false" else Down(message, cost=never)
    if retryable == "true":
        return Retryable(message, after=retry_after(headers, message), cost=sometimes)
    return Rejected(message, cost=sometimes)


def _platform_error(kind: str, said: Any, *, cost: CallCost | None, secret: str) -> ProviderError:
    """Classify the error of completed work."""
    kind, words = scrubbed(kind, secret=secret, max_characters=60), scrubbed(said, secret=secret)
    message = f"The work at fal failed{f' ({kind})' if kind else ''}{f': {words}' if words else ''}."
    if kind == _POLICY or _POLICY in words:
        return Rejected(
            f"fal refuses: {message}", cost=charged(cost, Charged.UNKNOWN), cause=FailureCause.CONTENT_REFUSED
        )
    if kind in ("client_cancelled", "client_disconnected"):
        return Retryable(message, cost=charged(cost, Charged.UNKNOWN))
    if kind in ("bad_request", "validation_error"):
        return Rejected(message, cost=charged(cost, Charged.UNKNOWN))
    return Down(message, cost=charged(cost, Charged.NO))


def _first(details: list[Any]) -> tuple[str, Any]:
    """The type and the words of the first error of a model, or of the one about its policy."""
    errors = [detail for detail in details[:MAX_ITEMS] if isinstance(detail, dict)]
    errors.sort(key=lambda error: word(error.get("type"), 60) != _POLICY)
    return (word(errors[0].get("type"), 60), errors[0].get("msg")) if errors else ("", None)


def _unknown() -> Failed:
    return Failed(Retryable("fal does not know the work any more."))
