"""Administrators as an owner manages them; passwords are generated, and shown in the response that made them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get, patch, post
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.domain.accounts import ROLES, Admin, Permission, Role, role_of
from ....core.domain.validation import parse_fields
from ....core.services.auth.admin_changes import AdminChange
from ....core.services.auth.admins import AdminService
from ..protocol.etag import json_response, personal_response
from ..protocol.json_body import read_json
from .access import actor_of

_PATH = "/api/admins"

CUSTOM = "custom"
"""What the API calls permissions that are those of no role."""


class AdminDocument(msgspec.Struct, frozen=True):
    """A new administrator."""

    username: str
    role: Role


class AdminPatch(msgspec.Struct, frozen=True):
    """What to change at an administrator."""

    role: Role | msgspec.UnsetType = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET
    reset_password: bool = False


class AdminBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An administrator; `password` only in the response to the request that generated it."""

    username: str
    role: str
    permissions: list[str]
    created_at: datetime
    disabled_at: datetime | None
    last_login_at: datetime | None
    password: str | None = None

    def __repr__(self) -> str:
        return f"AdminBody({self.username!r})"


@get(_PATH, opt={"access": Permission.ADMINS_READ})
@inject
async def list_admins(request: Request[Any, Any, Any], admins: FromDishka[AdminService]) -> ASGIApp:
    """The administrators by name."""
    return personal_response(request, {"items": [_body(admin) for admin in await admins.list()]})


@post(_PATH, opt={"access": Permission.ADMINS_WRITE})
@inject
async def add_admin(request: Request[Any, Any, Any], admins: FromDishka[AdminService]) -> ASGIApp:
    """Add an administrator; the response contains the password, and no later one does."""
    document = parse_fields(AdminDocument, await read_json(request))
    admin, password = await admins.add_generated(document.username, document.role, by=actor_of(request))
    return json_response(_body(admin, password), status=201)


@patch(f"{_PATH}/{{username:str}}", opt={"access": Permission.ADMINS_WRITE})
@inject
async def change_admin(
    request: Request[Any, Any, Any], username: FromPath[str], admins: FromDishka[AdminService]
) -> ASGIApp:
    """Change the role, disable or enable, generate a new password: all of the body or nothing."""
    asked = parse_fields(AdminPatch, await read_json(request))
    change = AdminChange(
        permissions=None if isinstance(asked.role, msgspec.UnsetType) else ROLES[asked.role],
        disabled=None if isinstance(asked.disabled, msgspec.UnsetType) else asked.disabled,
    )
    if not asked.reset_password:
        return json_response(_body(await admins.change(username, change, by=actor_of(request))))
    admin, password = await admins.reset_password(username, change, by=actor_of(request))
    return json_response(_body(admin, password))


def _body(admin: Admin, password: str | None = None) -> AdminBody:
    return AdminBody(
        username=admin.username,
        role=role_of(admin.permissions) or CUSTOM,
        permissions=[*admin.permissions],
        created_at=admin.created_at,
        disabled_at=admin.disabled_at,
        last_login_at=admin.last_login_at,
        password=password,
    )
