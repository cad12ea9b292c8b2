"""`GET /api/slots/{slot_id}/last-request`: what came in last, for finding out why a camera does not connect."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.ingest_request import (
    FILE_FIELDS,
    PASSWORD_FIELD,
    IngestRequest,
    ReceivedFile,
    findings,
)
from ..dependencies import HttpServices
from ..protocol.etag import personal_response


class SeenFileBody(msgspec.Struct, kw_only=True):
    """The file of a form, as far as it arrived."""

    field: str
    filename: str | None
    content_type: str | None
    size_bytes: int
    sniffed_type: str | None


class SeenRequestBody(msgspec.Struct, kw_only=True):
    """A request as it came in, and what became of it."""

    received_at: datetime
    answered_at: datetime
    address: str
    method: str
    content_type: str | None
    headers: list[dict[str, str | None]]
    fields: list[dict[str, str | None]]
    field_count: int
    password: str | None
    file: SeenFileBody | None
    complete: bool
    status: int | None
    code: str | None
    detail: str | None
    job_id: UUID | None
    findings: list[dict[str, str]]


@get("/api/slots/{slot_id:str}/last-request", opt={"access": Permission.SLOTS_READ})
async def get_last_request(request: Request[Any, Any, Any]) -> ASGIApp:
    """The slot's last request, or that none came in lately."""
    services: HttpServices = request.app.state.services
    slot_id: str = request.path_params["slot_id"]
    seen = await services.last_requests.get(slot_id)
    expected = {"method": "POST", "password_field": PASSWORD_FIELD, "file_fields": FILE_FIELDS}
    body = {"slot_id": slot_id, "expected": expected, "request": None if seen is None else _body(seen)}
    return personal_response(request, body)


def _body(seen: IngestRequest) -> SeenRequestBody:
    return SeenRequestBody(
        received_at=seen.received_at,
        answered_at=seen.answered_at,
        address=seen.address,
        method=seen.method,
        content_type=seen.content_type,
        headers=[msgspec.structs.asdict(header) for header in seen.headers],
        fields=[msgspec.structs.asdict(field) for field in seen.fields],
        field_count=seen.field_count,
        password=seen.password,
        file=None if seen.file is None else _file_body(seen.file),
        complete=seen.complete,
        status=seen.status,
        code=seen.code,
        detail=seen.detail,
        job_id=seen.job_id,
        findings=[msgspec.structs.asdict(finding) for finding in findings(seen)],
    )


def _file_body(file: ReceivedFile) -> SeenFileBody:
    return SeenFileBody(
        field=file.field,
        filename=file.filename,
        content_type=file.content_type,
        size_bytes=file.size_bytes,
        sniffed_type=file.sniffed,
    )
