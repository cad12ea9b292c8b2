"""`GET /api/audit`: changes by administrators, and attempts to sign in."""

from __future__ import annotations

from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.audit import AuditAction
from ....core.ports.repositories.audit_log import AuditLog
from ..protocol.etag import personal_response
from ..protocol.query import DEFAULT_PAGE, Cursor, Limit, cursor_of, position_of, read_query


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of the list."""

    action: AuditAction | None = None
    actor: str | None = None
    target: str | None = None
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


@get("/api/audit", opt={"access": Permission.SETTINGS_READ})
@inject
async def list_audit(request: Request[Any, Any, Any], audit: FromDishka[AuditLog]) -> ASGIApp:
    """A page of entries, newest first."""
    query = read_query(request, AuditQuery)
    page = await audit.find(
        limit=query.limit,
        action=query.action,
        actor=query.actor,
        target=query.target,
        after=position_of(query.cursor),
    )
    return personal_response(request, {"items": page.items, "next_cursor": cursor_of(page.next)})
