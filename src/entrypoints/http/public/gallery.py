"""`GET /public/gallery/{slot_id}`: a slot's pictures for its guests, where and for as long as an administrator says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.errors import MediaNotFound, SlotNotFound
from ....core.domain.job import GUEST_SOURCES, Job
from ..auth.access import PublicAccess
from ..dependencies import HttpServices
from ..protocol.etag import tagged_response
from ..protocol.links import UrlBuilder
from ..protocol.query import (
    DEFAULT_PAGE,
    Cursor,
    Limit,
    cursor_of,
    position_of,
    read_query,
)


class GalleryPicture(msgspec.Struct, kw_only=True):
    """A picture as guests see it: no names, no metadata."""

    thumbnail_url: str
    download_url: str
    completed_at: datetime
    expires_at: datetime
    mime: str
    width: int
    height: int


class GalleryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which page."""

    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


@get("/public/gallery/{slot_id:str}", opt={"access": PublicAccess.PUBLIC})
async def get_gallery(request: Request[Any, Any, Any]) -> ASGIApp:
    """A page of pictures, newest first. A gallery that is closed is told the same as one that never was."""
    services: HttpServices = request.app.state.services
    query = read_query(request, GalleryQuery)
    try:
        slot = await services.slots.get(request.path_params["slot_id"])
    except SlotNotFound:
        raise MediaNotFound("There is no such gallery.") from None
    if slot.gallery_open_until is None or slot.gallery_open_until <= services.clock.now():
        raise MediaNotFound("There is no such gallery.")
    page = await services.results.recent(
        slot.id,
        now=services.clock.now(),
        limit=query.limit,
        sources=GUEST_SOURCES,
        after=position_of(query.cursor),
    )
    links = UrlBuilder(request.scope, services.public_base_url)
    body = {
        "title": slot.name,
        "open_until": slot.gallery_open_until,
        "items": [_picture(job, links) for job in page.items],
        "next_cursor": cursor_of(page.next),
    }
    return tagged_response(request, body)


def _picture(job: Job, links: UrlBuilder) -> GalleryPicture:
    assert job.result is not None
    assert job.finalized_at is not None
    return GalleryPicture(
        thumbnail_url=links.thumbnail(job.id),
        download_url=links.result(job.id),
        completed_at=job.finalized_at,
        expires_at=job.result.expires_at,
        mime=job.result.mime,
        width=job.result.picture.width,
        height=job.result.picture.height,
    )
