"""Ingest keys of booths."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, delete, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.booths.errors import IngestKeyNotFound
from ....core.domain.booths.ingest_key import IngestKey, KeyUse
from ....core.domain.validation import parse_fields
from ....core.services.auth.ingest_keys import IngestKeys
from ...config import Settings
from ..auth.access import actor_of
from ..protocol.etag import json_response, no_content, personal_response
from ..protocol.json_body import read_json
from ..protocol.links import UrlBuilder
from ..protocol.path_ids import UNKNOWN_ID

_PATH = "/api/ingest-keys"


class IngestKeyDocument(msgspec.Struct, frozen=True):
    """The name of a new key: that of its booth."""

    name: str


class IngestKeyBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A key; `key` and `ingest_url`, which holds it, only in the response to the request that made it."""

    id: UUID
    name: str
    created_at: datetime
    created_by: str
    last_use: KeyUse | None
    key: str | None = None
    ingest_url: str | None = None

    def __repr__(self) -> str:
        return f"IngestKeyBody({self.name!r})"


@get(_PATH, opt={"access": Permission.SETTINGS_READ})
@inject
async def list_ingest_keys(request: Request[Any, Any, Any], keys: FromDishka[IngestKeys]) -> ASGIApp:
    """The keys by name, without their secrets."""
    return personal_response(request, {"items": [_body(key) for key in await keys.all()]})


@post(_PATH, opt={"access": Permission.SETTINGS_WRITE})
@inject
async def add_ingest_key(
    request: Request[Any, Any, Any], keys: FromDishka[IngestKeys], config: FromDishka[Settings]
) -> ASGIApp:
    """Make a key; the response contains it, and no later one does."""
    document = parse_fields(IngestKeyDocument, await read_json(request))
    key, secret = await keys.add(document.name, by=actor_of(request))
    address = f"{UrlBuilder(request.scope, config.public_base_url).ingest('{slot_id}')}/k/{secret}"
    return json_response(_body(key, secret, address), status=201)


@delete(
    f"{_PATH}/{{key_id:str}}",
    status_code=200,
    opt={"access": Permission.SETTINGS_WRITE, UNKNOWN_ID: IngestKeyNotFound("There is no such ingest key.")},
)
@inject
async def revoke_ingest_key(
    request: Request[Any, Any, Any], key_id: FromPath[UUID], keys: FromDishka[IngestKeys]
) -> ASGIApp:
    """Revoke a key: within a second no photo is accepted with it."""
    await keys.revoke(key_id, by=actor_of(request))
    return no_content()


def _body(key: IngestKey, secret: str | None = None, address: str | None = None) -> IngestKeyBody:
    return IngestKeyBody(
        id=key.id,
        name=key.name,
        created_at=key.created_at,
        created_by=key.created_by,
        last_use=key.last_use,
        key=secret,
        ingest_url=address,
    )
