"""`GET /public/gallery/{slot_id}`: a slot's pictures for its guests, while an administrator has the gallery open."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.domain.errors import JobNotFound, MediaNotFound, SlotNotFound
from ....core.domain.job import Job
from ....core.domain.pagination import Position
from ....core.domain.results.listing import ResultFilter, Visibility
from ....core.ports.clock import Clock
from ....core.ports.repositories.job_repository import JobRepository
from ....core.ports.repositories.result_index import ResultIndex
from ....core.services.slots.service import SlotService
from ...config import Settings
from ..auth.access import PublicAccess
from ..protocol.etag import tagged_response
from ..protocol.links import UrlBuilder
from ..protocol.query import DEFAULT_PAGE, Cursor, Limit, cursor_of, position_of, read_query


class GalleryPicture(msgspec.Struct, kw_only=True):
    """A picture for guests: no names, no metadata."""

    thumbnail_url: str
    download_url: str
    completed_at: datetime
    expires_at: datetime
    mime: str
    width: int
    height: int


class GalleryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The position in the list. `picture`: the page begins with this job's picture, whatever the cursor."""

    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None
    picture: UUID | None = None


@get("/public/gallery/{slot_id:str}", opt={"access": PublicAccess.PUBLIC})
@inject
async def get_gallery(
    request: Request[Any, Any, Any],
    slot_id: FromPath[str],
    slots: FromDishka[SlotService],
    results: FromDishka[ResultIndex],
    jobs: FromDishka[JobRepository],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """A page of the pictures that are shown, newest first. A closed gallery returns 404, like an unknown one."""
    query = read_query(request, GalleryQuery)
    try:
        slot = await slots.get(slot_id)
    except SlotNotFound:
        raise MediaNotFound("Gallery not found.") from None
    now = clock.now()
    if not slot.gallery_is_open(now):
        raise MediaNotFound("Gallery not found.")
    after = position_of(query.cursor) if query.picture is None else await _just_before(query.picture, jobs)
    wanted = ResultFilter(slot_ids=(slot.id,), visibility=Visibility.SHOWN)
    page = await results.find(wanted, now=now, limit=query.limit, after=after)
    if query.picture is not None and (not page.items or page.items[0].job.id != query.picture):
        raise MediaNotFound("Picture not found.")
    links = UrlBuilder(request.scope, config.public_base_url)
    body = {
        "title": slot.title_for_guests,
        "url": links.gallery(slot.id),
        "open_until": slot.gallery_open_until,
        "items": [_picture(listed.job, links) for listed in page.items],
        "next_cursor": cursor_of(page.next),
    }
    return tagged_response(request, body)


async def _just_before(job_id: UUID, jobs: JobRepository) -> Position:
    """The position after which a list of results begins with this job. MediaNotFound without a finished job."""
    try:
        job = await jobs.get(job_id)
    except JobNotFound:
        raise MediaNotFound("Picture not found.") from None
    if job.finalized_at is None:
        raise MediaNotFound("Picture not found.")
    # The next ID; that of the last one is never reached, as IDs begin with their time.
    return Position(job.finalized_at, UUID(int=job_id.int + 1))


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
