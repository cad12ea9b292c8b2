"""Media objects of other programs, and the purge of expired files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, post
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.errors import InvalidMultipart
from ....core.domain.media import MediaObject
from ....core.domain.validation import parse_fields
from ....core.ports.media_service import MediaService
from ....core.services.maintenance.purge import PurgeScope, PurgeService
from ....core.services.media.disk_space import DiskSpace
from ....core.services.settings.service import SettingsService
from ...config import Settings
from ..auth.access import actor_of
from ..protocol.etag import json_response
from ..protocol.json_body import read_json
from ..protocol.links import UrlBuilder
from ..protocol.multipart import announced_bytes, read_form


class MediaBody(msgspec.Struct, kw_only=True):
    """A media object. Its link expires at `expires_at`, which cannot be extended."""

    id: UUID
    url: str
    mime: str
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime


class PurgeDocument(msgspec.Struct, frozen=True):
    """What to purge."""

    scope: PurgeScope


class _MediaForm:
    """The FormReader of an upload: one picture and no fields."""

    def __init__(self, media: MediaService) -> None:
        self._media = media

    async def field(self, name: str, text: str) -> None:
        raise InvalidMultipart(f"The form takes only a picture, not {name[:64]!r}.")

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> MediaObject:
        return await self._media.register_upload(data)

    async def discard(self, stored: MediaObject) -> None:
        await self._media.remove(stored.id)

    async def end(self) -> None: ...


@post("/api/media/register", opt={"access": Permission.MEDIA_WRITE})
@inject
async def register_media(
    request: Request[Any, Any, Any],
    media: FromDishka[MediaService],
    space: FromDishka[DiskSpace],
    settings: FromDishka[SettingsService],
    config: FromDishka[Settings],
) -> ASGIApp:
    """Store a picture under a public link that expires."""
    max_bytes = (await settings.current()).max_upload_bytes
    async with space.reserve(announced_bytes(request, max_bytes)) as room:
        stored = await read_form(request, _MediaForm(media), room=room, max_file_bytes=max_bytes)
    link = UrlBuilder(request.scope, config.public_base_url).media(stored.id)
    body = MediaBody(
        id=stored.id,
        url=link,
        mime=stored.mime,
        size_bytes=stored.file.size_bytes,
        sha256=stored.file.sha256,
        created_at=stored.created_at,
        expires_at=stored.expires_at,
    )
    return json_response(body, status=201, headers={"Location": link})


@post("/api/media/cache/purge", opt={"access": Permission.SETTINGS_WRITE})
@inject
async def purge(request: Request[Any, Any, Any], purges: FromDishka[PurgeService]) -> ASGIApp:
    """Start to delete expired and orphaned files."""
    scope = parse_fields(PurgeDocument, await read_json(request)).scope
    await purges.begin(scope, by=actor_of(request))
    return json_response({"scope": scope}, status=202)
