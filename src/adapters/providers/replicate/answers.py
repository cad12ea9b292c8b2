"""What the answers of Replicate mean: states of predictions, pictures, refusals and errors.

Facts are from Replicate's documentation ("Prediction lifecycle", "Error codes", "Rate limits", "Data retention").
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from ....core.domain.costs.call_cost import CallCost, Charged
from ....core.domain.outside_text import MAX_CHARS, MAX_ITEMS, word
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFindingCode
from ....core.ports.provider import Down, NotConfigured, ProviderError, QuotaExhausted, Rejected, Retryable, Unavailable
from ...http_client.picture_json import is_long
from ...http_client.retry_after import retry_after
from ..hosted import charged
from ..queued import Failed, Pending
from ..wire import JsonAnswer, decoded, parsed, scrubbed

WAITING = frozenset({"starting", "processing"})
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELED = "canceled"
ABORTED = "aborted"
"""The deadline came before the prediction began."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION = re.compile(r"[0-9a-f]{64}")
_REFUSED = re.compile(
    r"\bE005\b|flagged as sensitive|\bNSFW\b|content (?:policy|moderation)|safety (?:filter|system|checker)|moderated",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"\bE1001\b|out of memory", re.IGNORECASE)


class Prediction(Struct, frozen=True):
    """A prediction, as far as it matters here."""

    id: str
    status: str
    output: Any = None
    error: Any = None
    data_removed: Any = None
    metrics: Any = None
    version: Any = None

    @property
    def seconds(self) -> float | None:
        """How long the machine has worked, as the service counts it."""
        time = self.metrics.get("predict_time") if isinstance(self.metrics, dict) else None
        if not isinstance(time, int | float) or isinstance(time, bool):
            return None
        return float(time) if 0 <= time < 86_400 else None

    @property
    def known_version(self) -> str | None:
        """The version of the model that made it; None where the service hides it."""
        version = word(self.version, 65)
        return version if _VERSION.fullmatch(version) else None


class FileUrls(Struct, frozen=True):
    """Where an uploaded file is."""

    get: str


class UploadedFile(Struct, frozen=True):
    """An uploaded file."""

    id: str
    urls: FileUrls


def prediction_of(
    answer: JsonAnswer, *, model: str | None = None, cost: CallCost | None = None, secret: str
) -> Prediction:
    """Return the prediction of an answer; raise what a refusal means.

    `model` is the one that was asked for a new prediction, `cost` what that costs.
    """
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        raise error_of(answer, model=model, secret=secret)
    perhaps = charged(cost, Charged.UNKNOWN)  # it may run all the same
    try:
        prediction = parsed(answer, Prediction, service="Replicate")
    except ProviderError as error:
        error.cost = perhaps
        raise
    if not is_id(prediction.id):
        raise Retryable("Replicate names a prediction that cannot be asked for.", cost=perhaps)
    return prediction


def uploaded_file(answer: JsonAnswer, *, secret: str) -> UploadedFile:
    """Return an uploaded file; raise what a refusal means."""
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        raise error_of(answer, secret=secret)
    file = parsed(answer, UploadedFile, service="Replicate")
    if not is_id(file.id) or is_long(file.urls.get):
        raise Retryable("Replicate took a picture but does not say where it is.")
    return file


def is_id(text: str) -> bool:
    """Whether a text can be the id of a prediction or a file, and so a part of a path."""
    return _ID.fullmatch(text) is not None


def ended(prediction: Prediction, *, cost: CallCost | None, secret: str) -> Pending | Failed | None:
    """Return the state of a prediction; None where it has succeeded. `cost` is what a success costs."""
    status = prediction.status
    if status in WAITING:
        return Pending()
    if status == SUCCEEDED:
        return None
    if status == FAILED:
        return Failed(_failure(prediction.error, cost=charged(cost, Charged.UNKNOWN), secret=secret))
    if status == CANCELED:
        error = Retryable("The prediction was cancelled at Replicate while it ran.", cost=charged(cost, Charged.YES))
        return Failed(error)
    if status == ABORTED:
        return Failed(
            Retryable(
                "Replicate did not begin the prediction in time.",
                cost=charged(cost, Charged.NO),
                cause=FailureCause.TOO_SLOW,
            )
        )
    raise Retryable(f"Replicate tells an unknown state: {scrubbed(status, secret=secret, max_characters=40)}.")


def picture_of(prediction: Prediction, answer: JsonAnswer, *, cost: CallCost | None) -> bytes | str | Failed:
    """Return the first picture of a prediction that has succeeded, or its address."""
    output = prediction.output
    for text in output[:MAX_ITEMS] if isinstance(output, list) else [output]:
        if not isinstance(text, str) or not text:
            continue
        is_data = is_long(text) or text.startswith("data:")
        if not is_data:
            return text
        if (picture := answer.body.picture(text)) is not None:
            return picture
    if prediction.data_removed is True:
        return Failed(Retryable("Replicate has removed the picture already.", cost=cost))
    return Failed(Retryable("Replicate answered without a picture.", cost=cost))


def cancelled(answer: JsonAnswer, *, secret: str) -> None:
    """Return where a prediction was cancelled, had ended, or is not known; raise what kept it from that."""
    over = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
    if answer.status >= 300 and answer.status not in over:
        raise error_of(answer, secret=secret)


def require_good(answer: JsonAnswer, *, secret: str) -> None:
    """Raise what an answer with an error status means."""
    if answer.status >= 300:
        raise error_of(answer, secret=secret)


def error_of(answer: JsonAnswer, *, model: str | None = None, secret: str) -> ProviderError:
    """Classify an answer with an error status: a problem document, or what came instead of it."""
    status, body = answer.status, decoded(answer)
    problem = body if isinstance(body, dict) else {}
    said = scrubbed(problem.get("detail") or problem.get("title"), secret=secret)
    message = f"Replicate answered {status}{f': {said}' if said else ''}"
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return QuotaExhausted("The account at Replicate has no credit left.")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return NotConfigured(f"Replicate refuses the key ({status}).", finding=ProviderFindingCode.KEY_REFUSED)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Retryable(
            message, after=retry_after(answer.headers, word(problem.get("detail"), MAX_CHARS)), cause=FailureCause.BUSY
        )
    if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
        return Down(message)
    if 300 <= status < 400:
        return Unavailable(f"Replicate answered {status}: the address redirects, and redirects are not followed.")
    if not problem:
        return Down(f"Replicate answered {status} with something other than an error of its API.")
    if status == HTTPStatus.NOT_FOUND and model is not None:
        return Rejected(
            f"Replicate does not know the model {model[:80]!r}, or not for this key.", cause=FailureCause.MODEL_UNKNOWN
        )
    if status == HTTPStatus.CONFLICT:
        return Retryable(message, after=retry_after(answer.headers, said), cause=FailureCause.BUSY)
    return Rejected(message)


def _failure(said: Any, *, cost: CallCost | None, secret: str) -> ProviderError:
    """Classify a prediction that failed by what the model says: there is nothing else to tell by."""
    start, words = word(said, MAX_CHARS), scrubbed(said, secret=secret)
    message = f"The prediction at Replicate failed{f': {words}' if words else ''}"
    if _REFUSED.search(start):
        return Rejected(f"Replicate refuses: {words}", cost=cost, cause=FailureCause.CONTENT_REFUSED)
    if _MEMORY.search(start):
        return Down(message, cost=cost)
    return Retryable(message, cost=cost)
