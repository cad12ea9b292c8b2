"""Errors as RFC 9457 problems: the table from codes to statuses, and the exception handlers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.response.base import ASGIResponse, Response
from litestar.types import Receive, Scope, Send

from ....core.domain.errors import (
    BudgetExhausted,
    InvalidRequest,
    InvalidSettings,
    InvalidToken,
    MissingField,
    PhotoChangerError,
    ShuttingDown,
    TemplateInUse,
)
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.ingest_request import bounded
from ....core.domain.job import Job, JobState
from ...log_limit import BY_STRANGER
from ..shutdown import RETRY_AFTER_SECONDS
from .body import ClientGone

_log = logging.getLogger("photochanger.http")

PROBLEM = "application/problem+json"

STATUS = {
    "invalid_multipart": 400,
    "missing_field": 400,
    "invalid_request": 400,
    "invalid_json": 400,
    "invalid_password": 401,
    "invalid_credentials": 401,
    "invalid_token": 401,
    "permission_denied": 403,
    "csrf_refused": 403,
    "slot_not_found": 404,
    "slot_disabled": 404,
    "job_not_found": 404,
    "template_not_found": 404,
    "webhook_not_found": 404,
    "admin_not_found": 404,
    "provider_not_found": 404,
    "ingest_key_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "upload_interrupted": 408,
    "job_cancelled": 409,
    "job_finalized": 409,
    "check_running": 409,
    "template_in_use": 409,
    "binding_taken": 409,
    "admin_exists": 409,
    "ingest_key_exists": 409,
    "too_many_ingest_keys": 409,
    "expired": 410,
    "version_conflict": 412,
    "payload_too_large": 413,
    "image_too_large": 413,
    "unsupported_media_type": 415,
    "undecodable_image": 422,
    "invalid_settings": 422,
    "version_required": 428,
    "queue_full": 429,
    "budget_exhausted": 429,
    "too_many_attempts": 429,
    "too_many_uploads": 429,
    "internal_error": 500,
    "seal_broken": 500,
    "secret_key_unavailable": 500,
    "provider_failed": 502,
    "provider_not_configured": 502,
    "webhook_unreachable": 502,
    "queue_unavailable": 503,
    "shutting_down": 503,
    "too_many_connections": 503,
    "schema_outdated": 503,
    "storage_unavailable": 503,
    "worker_missing": 503,
    "sync_timeout": 504,
}

_RETRY_AFTER_UNAVAILABLE = 2
_RETRY_AFTER_BUDGET = 60
"""An administrator may raise the budget at any time."""


class FieldProblem(msgspec.Struct, frozen=True):
    """One entry of `errors`: a field, a code with parameters to translate, and the English sentence."""

    field: str
    code: FieldErrorCode
    params: dict[str, Any]
    detail: str


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of an error response."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    job_id: str | None = None
    expires_at: datetime | None = None
    retry_after: int | None = None
    errors: list[FieldProblem] | None = None
    slots: list[str] | None = None


def problem(code: str, detail: str, **more: Any) -> Problem:
    """A problem with this code; its status comes from the table."""
    status = STATUS[code]
    return Problem(
        type=f"urn:photochanger:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        **more,
    )


def problem_of(error: PhotoChangerError) -> Problem:
    """An error of the core as a problem; an error without a status of its own is an internal one."""
    code = error.code if error.code in STATUS else "internal_error"
    more: dict[str, Any] = {"retry_after": getattr(error, "retry_after", None)}
    if STATUS[code] == 503:
        more["retry_after"] = _RETRY_AFTER_UNAVAILABLE
    if isinstance(error, ShuttingDown):
        more |= {"retry_after": RETRY_AFTER_SECONDS, "expires_at": error.expires_at}
        more["job_id"] = None if error.job_id is None else str(error.job_id)
    if isinstance(error, MissingField):
        more["errors"] = field_problems([FieldError(error.field, FieldErrorCode.REQUIRED)])
    if isinstance(error, InvalidSettings | InvalidRequest) and error.errors:
        more["errors"] = field_problems(error.errors)
    if isinstance(error, TemplateInUse):
        more["slots"] = list(error.slots)
    return problem(code, error.detail, **more)


def field_problems(errors: Iterable[FieldError]) -> list[FieldProblem]:
    """The wire form of field errors."""
    return [FieldProblem(error.field, error.code, error.params, error.message) for error in errors]


def problem_of_job(job: Job) -> Problem:
    """Why a finished job has no picture."""
    code = job.error_code if job.error_code in STATUS else "provider_failed"
    if job.state is JobState.CANCELLED:
        code = "job_cancelled"
    assert code is not None
    more: dict[str, Any] = {"retry_after": _RETRY_AFTER_UNAVAILABLE} if STATUS[code] == 503 else {}
    if code == BudgetExhausted.code:
        more["retry_after"] = _RETRY_AFTER_BUDGET
    detail = job.error_detail or "The job ended without a picture."
    return problem(code, detail, job_id=str(job.id), expires_at=job.expires_at, **more)


def problem_response(body: Problem, *, headers: dict[str, str] | None = None) -> ASGIResponse:
    """The response with a problem as its body."""
    sent = {"Cache-Control": "no-store", **(headers or {})}
    if body.retry_after is not None:
        sent["Retry-After"] = str(body.retry_after)
    if body.job_id is not None:
        sent["X-Job-Id"] = body.job_id
    return ASGIResponse(body=msgspec.json.encode(body), status_code=body.status, media_type=PROBLEM, headers=sent)


class _ProblemResponse(Response[Problem]):
    """A problem for Litestar's exception handlers, which return a Response."""

    def __init__(self, body: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(body, status_code=body.status, media_type=PROBLEM)
        self._sent = headers

    def to_asgi_response(self, *args: Any, **kwargs: Any) -> ASGIResponse:
        return problem_response(self.content, headers=self._sent)


def handle_domain_error(request: Request[Any, Any, Any], error: PhotoChangerError) -> Response[Problem]:
    headers: dict[str, str] | None = None
    if isinstance(error, InvalidToken):  # RFC 6750 §3
        presented = "authorization" in request.headers
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"' if presented else "Bearer"}
    return _ProblemResponse(problem_of(error), headers)


def handle_disconnect(request: Request[Any, Any, Any], error: ClientGone) -> Response[Any]:
    return _NoResponse(None)


class _NoResponse(Response[None]):
    """The empty response for a client that has disconnected."""

    def to_asgi_response(self, *args: Any, **kwargs: Any) -> Any:
        return send_nothing


def handle_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """An exception of the framework as a problem."""
    if isinstance(error, NotFoundException):
        return _ProblemResponse(problem("not_found", "Not found."))
    if isinstance(error, MethodNotAllowedException):
        not_allowed = problem("method_not_allowed", f"Method {request.method} is not allowed here.")
        return _ProblemResponse(not_allowed, dict(error.headers or {}))
    if error.status_code >= 500:
        return handle_unexpected(request, error)
    status = error.status_code if error.status_code in (400, 413) else 400
    code = "payload_too_large" if status == 413 else "invalid_request"
    return _ProblemResponse(problem(code, error.detail or HTTPStatus(status).phrase))


def handle_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    path = bounded(request.url.path)
    _log.error("%s %s failed", request.method, path, exc_info=error, extra={BY_STRANGER: True})
    return _ProblemResponse(problem("internal_error", "Internal error; see the server log (X-Request-Id)."))


async def send_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Send nothing: the client has disconnected."""


EXCEPTION_HANDLERS: dict[Any, Any] = {
    ClientGone: handle_disconnect,
    PhotoChangerError: handle_domain_error,
    HTTPException: handle_http_error,
    Exception: handle_unexpected,
}
