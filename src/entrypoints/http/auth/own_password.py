"""`PUT /api/me/password`: the caller's own password."""

from __future__ import annotations

from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, put
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import IDLE_LIMIT
from ....core.domain.validation import parse_fields
from ....core.ports.clock import Clock
from ....core.services.auth.admins import AdminService
from ...config import Settings
from ..protocol.etag import json_response
from ..protocol.json_body import read_json
from .access import PublicAccess, actor_of, identity_of
from .login import MAX_LOGIN_BYTES, token_body
from .session_cookie import new_session


class OwnPasswordDocument(msgspec.Struct, frozen=True):
    """The password until now, and the new one."""

    current_password: str
    new_password: str

    def __repr__(self) -> str:
        return "OwnPasswordDocument()"


@put("/api/me/password", opt={"access": PublicAccess.ANY_TOKEN})
@inject
async def change_own_password(
    request: Request[Any, Any, Any],
    admins: FromDishka[AdminService],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """Change the password. All tokens and sessions end; the caller gets a new one of the same kind."""
    given = parse_fields(OwnPasswordDocument, await read_json(request, max_bytes=MAX_LOGIN_BYTES))
    token, identity = await admins.change_own_password(
        identity_of(request), current=given.current_password, new=given.new_password, by=actor_of(request)
    )
    if "authorization" in request.headers:
        return json_response(token_body(token, identity, clock.now()))
    cookie = new_session(
        request, token, seconds=int(IDLE_LIMIT.total_seconds()), public_base_url=config.public_base_url
    )
    return ASGIResponse(status_code=204, headers={"Cache-Control": "no-store", "Set-Cookie": cookie})
