"""Media objects of other programs, and the purge of what is kept no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.errors import InvalidMultipart, PayloadTooLarge
from ....core.domain.media import MediaObject
from ....core.domain.validation import parse_fields
from ....core.ports.media_service import MediaService
from ....core.services.maintenance.purge import PurgeScope
from ..auth.access import actor_of
from ..dependencies import HttpServices
from ..protocol.etag import json_response
from ..protocol.json_body import read_json
from ..protocol.links import UrlBuilder
from ..protocol.multipart import FORM_OVERHEAD_BYTES, read_form


class MediaBody(msgspec.Struct, kw_only=True):
    """A media object: its link ends at `expires_at`, and there is no way to prolong it."""

    id: UUID
    url: str
    mime: str
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime


class PurgeDocument(msgspec.Struct, frozen=True):
    """What is to be purged."""

    scope: PurgeScope


class _MediaForm:
    """The FormReader of an upload: a picture and nothing else."""

    def __init__(self, media: MediaService) -> None:
        self._media = media

    async def field(self, name: str, text: str) -> None:
        raise InvalidMultipart(f"The form takes a picture alone, not {name[:64]!r}.")

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> MediaObject:
        return await self._media.register_upload(data)

    async def discard(self, kept: MediaObject) -> None:
        await self._media.remove(kept.id)

    def end(self) -> None:
        """The picture alone is enough."""


@post("/api/media/register", opt={"access": Permission.MEDIA_WRITE})
async def register_media(request: Request[Any, Any, Any]) -> ASGIApp:
    """Keep a picture for a while under a public link."""
    services: HttpServices = request.app.state.services
    max_bytes = (await services.settings.current()).max_upload_bytes + FORM_OVERHEAD_BYTES
    if (request.content_length or 0) > max_bytes:
        raise PayloadTooLarge("The request is larger than is accepted.")
    form = _MediaForm(services.media)
    content_type = request.headers.get("content-type", "")
    media = await read_form(request.receive, content_type, max_bytes=max_bytes, reader=form)
    link = UrlBuilder(request.scope, services.public_base_url).media(media.id)
    body = MediaBody(
        id=media.id,
        url=link,
        mime=media.mime,
        size_bytes=media.file.size_bytes,
        sha256=media.file.sha256,
        created_at=media.created_at,
        expires_at=media.expires_at,
    )
    return json_response(body, status=201, headers={"Location": link})


@post("/api/media/cache/purge", opt={"access": Permission.SETTINGS_WRITE})
async def purge(request: Request[Any, Any, Any]) -> ASGIApp:
    """Begin to remove what has expired or lost its owner; nothing else is ever removed."""
    services: HttpServices = request.app.state.services
    scope = parse_fields(PurgeDocument, await read_json(request)).scope
    await services.purges.begin(scope, by=actor_of(request))
    return json_response({"scope": scope}, status=202)
