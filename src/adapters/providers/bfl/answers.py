"""What the answers of the BFL API mean: states of work, refusals and errors.

Facts are from BFL's API reference ("Get Result", "Errors") and its integration guide. Whether moderated work is billed
is documented nowhere.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ....core.domain.costs.call_cost import CallCost, Charged
from ....core.domain.outside_text import MAX_ITEMS
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFindingCode
from ....core.ports.provider import Down, NotConfigured, ProviderError, QuotaExhausted, Rejected, Retryable, Unavailable
from ...http_client.picture_json import is_long
from ...http_client.retry_after import retry_after
from ..queued import Failed, Finished, Pending
from ..wire import JsonAnswer, decoded, parsed, scrubbed

READY = "Ready"
WAITING = frozenset({"Pending", "Queued", "Processing"})
"""Work that goes on; only the first is documented."""

MODERATED = frozenset({"Request Moderated", "Content Moderated"})
FAILED = frozenset({"Error", "Failed"})
UNKNOWN_TASK = "Task not found"

_POLICY = "content_policy_violation"
_CREDIT_MICROS = 10_000
_MAX_NUMBER = 1_000_000
_MAX_RETRY_SECONDS = 86_400


class Submitted(Struct, frozen=True):
    """The answer to queued work; `cost` is in credits of a US cent."""

    id: str
    polling_url: str
    cost: Any = None
    input_mp: Any = None
    output_mp: Any = None


class Result(Struct, frozen=True):
    """What finished work has made: `sample` is the address of the picture, for ten minutes."""

    sample: str | None = None
    seed: Any = None


class State(Struct, frozen=True):
    """The state of work. Some answers name it `state`."""

    status: str | None = None
    state: str | None = None
    result: Result | None = None
    error: Any = None
    details: Any = None
    cost: Any = None


class Made(Struct, frozen=True):
    """The address of a finished picture, and what the service tells of it."""

    url: str
    seed: int | None
    credits: float | None

    def __repr__(self) -> str:
        return "Made()"


class UnknownState(Struct, frozen=True):
    """A state of work that is not documented; `reason` is fit for a log."""

    reason: str


def submitted(answer: JsonAnswer, *, model: str, secret: str) -> Submitted:
    """Return where queued work is; raise what a refusal means, before anything is paid for."""
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        raise error_of(answer, model=model, secret=secret)
    return parsed(answer, Submitted, service="BFL")


def state_of(
    answer: JsonAnswer, *, cost: CallCost | None, secret: str
) -> Pending | Finished[Made] | Failed | UnknownState | None:
    """Return the state of work; None where the service does not know it. `cost` is what it is billed.

    Raises what keeps it from being known.
    """
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    if answer.status != HTTPStatus.OK:
        raise error_of(answer, secret=secret)
    state = parsed(answer, State, service="BFL")
    name = state.status or state.state or ""
    perhaps = None if cost is None else replace(cost, charged=Charged.UNKNOWN)
    if name == READY:
        return _finished(state, cost=cost)
    if name in WAITING:
        return Pending()
    if name in MODERATED:
        return Failed(Rejected(f"BFL refuses: {name}.", cost=perhaps, cause=FailureCause.CONTENT_REFUSED))
    if name in FAILED:
        return Failed(_failure(state.error, state.details, cost=perhaps, secret=secret))
    if name == UNKNOWN_TASK:
        return None
    return UnknownState(f"BFL names an unknown state: {scrubbed(name, secret=secret, max_characters=40) or 'none'}.")


def credits_of(answer: JsonAnswer, *, secret: str) -> float | None:
    """Return the account's credits; None where the answer has none. Raises what is wrong with key or service."""
    if answer.status != HTTPStatus.OK:
        raise error_of(answer, secret=secret)
    body = decoded(answer)
    return number(body.get("credits")) if isinstance(body, dict) else None


def cost_of(credits: Any) -> CallCost | None:
    """Return the cost that the service names in credits; None where it is no amount."""
    amount = number(credits)
    return None if amount is None else CallCost(usd_micros=round(amount * _CREDIT_MICROS), exact=True)


def error_of(answer: JsonAnswer, *, model: str | None = None, secret: str) -> ProviderError:
    """Classify an answer with an error status; `model` is the one requested, or None."""
    status, body = answer.status, decoded(answer)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return NotConfigured(f"BFL refuses the key ({status}).", finding=ProviderFindingCode.KEY_REFUSED)
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return QuotaExhausted("The account at BFL has no credits left (402).")
    words = scrubbed(_words(body), secret=secret)
    message = f"BFL answered {status}{f': {words}' if words else ''}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Retryable(message, after=_pause(answer, body, words), cause=FailureCause.BUSY)
    if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
        return Down(message)
    if 300 <= status < 400:
        return Unavailable(f"BFL answered {status}: the address redirects, and redirects are not followed.")
    if status == HTTPStatus.NOT_FOUND and model is not None:
        return Rejected(f"BFL does not know the model {model[:80]!r}.", cause=FailureCause.MODEL_UNKNOWN)
    return Rejected(message)


def _finished(state: State, *, cost: CallCost | None) -> Finished[Made] | Failed:
    sample = state.result.sample if state.result else None
    if not sample or is_long(sample):
        return Failed(Retryable("BFL says that the work is ready, but names no picture.", cost=cost))
    seed = state.result.seed if state.result else None
    known = isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**63
    return Finished(Made(sample, seed if known else None, number(state.cost)))


def _failure(error: Any, details: Any, *, cost: CallCost | None, secret: str) -> ProviderError:
    words = scrubbed(error, secret=secret) or scrubbed(_words(details), secret=secret)
    if _POLICY in words:
        return Rejected(f"BFL refuses: {words}", cost=cost, cause=FailureCause.CONTENT_REFUSED)
    return Down(f"The work failed at BFL{f': {words}' if words else ''}.", cost=cost)


def _pause(answer: JsonAnswer, body: Any, words: str) -> timedelta | None:
    """The pause that a 429 asks for: by its header, its JSON, or its words."""
    said = retry_after(answer.headers)
    seconds = number(body.get("retry_after")) if isinstance(body, dict) else None
    if said is None and seconds is not None:
        return timedelta(seconds=min(seconds, _MAX_RETRY_SECONDS))
    return retry_after(answer.headers, words)


def _words(body: Any) -> Any:
    """What an error says: `detail` is a text, or a list with `msg`; others have `message` or `error`."""
    if not isinstance(body, dict):
        return ""
    for name in ("detail", "message", "error"):
        value = body.get(name)
        if isinstance(value, list):
            errors = [each.get("msg") for each in value[:MAX_ITEMS] if isinstance(each, dict)]
            value = "; ".join(text for text in errors if isinstance(text, str) and not is_long(text))
        if isinstance(value, str) and value:
            return value
    return ""


def number(value: Any) -> float | None:
    """Return a number of 0 or more from an answer; None for anything else, or more than any that is meant."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and 0 <= value <= _MAX_NUMBER else None
