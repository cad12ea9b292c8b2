"""`GET /api/slots/{slot_id}/last-request`: the last ingest request of a slot, for finding out why a camera fails."""

from __future__ import annotations

from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.ingest_request import FILE_FIELDS, PASSWORD_FIELD, IngestRequest, findings
from ....core.services.slots.last_request import LastRequestLog
from ..protocol.etag import personal_response

_IN_SHORT = ("slot_id", "received_at", "address", "password", "status", "code")
_EXPECTED = {"method": "POST", "password_field": PASSWORD_FIELD, "file_fields": FILE_FIELDS}


@get("/api/slots/{slot_id:str}/last-request", opt={"access": Permission.SLOTS_READ})
@inject
async def get_last_request(
    request: Request[Any, Any, Any], slot_id: FromPath[str], last_requests: FromDishka[LastRequestLog]
) -> ASGIApp:
    """The slot's last request; null if there was none lately."""
    last = await last_requests.get(slot_id)
    body = {"slot_id": slot_id, "expected": _EXPECTED, "request": None if last is None else _body(last)}
    return personal_response(request, body)


@get("/api/last-requests", opt={"access": Permission.SLOTS_READ})
@inject
async def list_last_requests(request: Request[Any, Any, Any], last_requests: FromDishka[LastRequestLog]) -> ASGIApp:
    """The last request of each slot in short: which cameras send, and whether their password is right."""
    items = [{name: getattr(last, name) for name in _IN_SHORT} for last in await last_requests.all()]
    return personal_response(request, {"items": items})


def _body(last: IngestRequest) -> dict[str, Any]:
    fields = msgspec.structs.asdict(last)
    del fields["slot_id"]
    return fields | {"findings": findings(last)}
