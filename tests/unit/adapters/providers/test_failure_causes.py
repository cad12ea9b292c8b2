"""What the answers of the services with a status of an error are called in other languages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from photochanger.adapters.http_client.messages import Answer
from photochanger.adapters.http_client.picture_json import PictureJson
from photochanger.adapters.providers.bfl import answers as bfl
from photochanger.adapters.providers.fal import answers as fal
from photochanger.adapters.providers.gemini import answers as gemini
from photochanger.adapters.providers.openai import answers as openai
from photochanger.adapters.providers.replicate import answers as replicate
from photochanger.core.domain.routing.failure_cause import FailureCause
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.routing.provider_usage import LimitKind
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    ProviderError,
    QuotaExhausted,
    Rejected,
    Retryable,
    Unavailable,
)

SECRET = "sk-0123456789"


BY_ANSWER = {"bfl": bfl, "fal": fal, "replicate": replicate}


def classified(service: str, status: int, body: Any) -> ProviderError:
    """What this answer of a service means."""
    if service in BY_ANSWER:
        answer = Answer(status, {}, PictureJson(msgspec.json.encode(body)))
        error: ProviderError = BY_ANSWER[service].error_of(answer, model="m", secret=SECRET)
        return error
    if service == "openai":
        return openai.error_from_status(status, body["error"], {}, model="m", secret=SECRET)
    return gemini.error_from_status(status, body, {}, model="m", secret=SECRET)


MODEL_GONE = {"error": {"code": "model_not_found", "message": "no such model"}}
CASES = [
    ("bfl", 401, {"detail": "no"}, FailureCause.KEY_REFUSED),
    ("bfl", 402, {"detail": "no"}, FailureCause.QUOTA_EXHAUSTED),
    ("bfl", 404, {"detail": "no"}, FailureCause.MODEL_UNKNOWN),
    ("bfl", 429, {"detail": "no"}, FailureCause.BUSY),
    ("bfl", 500, {"detail": "no"}, FailureCause.SERVICE_FAILED),
    ("bfl", 400, {"detail": "no"}, FailureCause.REFUSED),
    ("fal", 401, {"detail": "no"}, FailureCause.KEY_REFUSED),
    ("fal", 404, {"detail": "no"}, FailureCause.MODEL_UNKNOWN),
    ("fal", 422, {"detail": [{"type": "content_policy_violation", "msg": "no"}]}, FailureCause.CONTENT_REFUSED),
    ("fal", 429, {"detail": "no"}, FailureCause.BUSY),
    ("fal", 503, {"detail": "no"}, FailureCause.SERVICE_FAILED),
    ("replicate", 401, {"detail": "no"}, FailureCause.KEY_REFUSED),
    ("replicate", 402, {"detail": "no"}, FailureCause.QUOTA_EXHAUSTED),
    ("replicate", 404, {"detail": "no"}, FailureCause.MODEL_UNKNOWN),
    ("replicate", 409, {"detail": "no"}, FailureCause.BUSY),
    ("replicate", 429, {"detail": "no"}, FailureCause.BUSY),
    ("replicate", 502, {"detail": "no"}, FailureCause.SERVICE_FAILED),
    ("gemini", 403, {"error": {"status": "PERMISSION_DENIED"}}, FailureCause.KEY_REFUSED),
    ("gemini", 404, {"error": {"status": "NOT_FOUND", "message": "no"}}, FailureCause.MODEL_UNKNOWN),
    ("gemini", 429, {"error": {"message": "slow down"}}, FailureCause.BUSY),
    ("gemini", 503, {"error": {"message": "no"}}, FailureCause.SERVICE_FAILED),
    ("gemini", 400, {"error": {"message": "no"}}, FailureCause.REFUSED),
    ("openai", 401, {"error": {"code": "invalid_api_key"}}, FailureCause.KEY_REFUSED),
    ("openai", 404, MODEL_GONE, FailureCause.MODEL_UNKNOWN),
    ("openai", 400, {"error": {"code": "moderation_blocked", "message": "no"}}, FailureCause.CONTENT_REFUSED),
    ("openai", 429, {"error": {"code": "insufficient_quota"}}, FailureCause.QUOTA_EXHAUSTED),
    ("openai", 429, {"error": {"code": "rate_limit_exceeded"}}, FailureCause.BUSY),
    ("openai", 500, {"error": {"message": "no"}}, FailureCause.SERVICE_FAILED),
]


@pytest.mark.parametrize(("service", "status", "body", "cause"), CASES)
def test_an_error_of_a_service_has_its_cause(service: str, status: int, body: Any, cause: FailureCause) -> None:
    assert classified(service, status, body).cause is cause


def test_errors_without_a_cause_of_their_own_have_that_of_their_kind() -> None:
    usual = {kind: kind("no").cause for kind in (Unavailable, Retryable, Down, Rejected, QuotaExhausted, NotConfigured)}
    assert usual == {
        Unavailable: FailureCause.UNAVAILABLE,
        Retryable: FailureCause.NO_PICTURE,
        Down: FailureCause.SERVICE_FAILED,
        Rejected: FailureCause.REFUSED,
        QuotaExhausted: FailureCause.QUOTA_EXHAUSTED,
        NotConfigured: FailureCause.NOT_CONFIGURED,
    }
    assert NotConfigured("no", finding=ProviderFindingCode.KEY_MISSING).cause is FailureCause.KEY_MISSING
    assert Down("no", cause=FailureCause.NO_ANSWER).cause is FailureCause.NO_ANSWER


def test_every_limit_is_a_cause() -> None:
    assert {FailureCause(kind) for kind in LimitKind} <= {*FailureCause}
