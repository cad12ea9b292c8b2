"""`/api/results`: the finished pictures of guests, of all slots, and whether galleries show them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get, put
from litestar.params import FromPath
from litestar.types import ASGIApp

from .....core.domain.accounts import Permission
from .....core.domain.errors import invalid_query
from .....core.domain.field_errors import FieldError, FieldErrorCode
from .....core.domain.job import JobSource
from .....core.domain.results.files import ResultPayload, result_payload
from .....core.domain.results.listing import ListedResult, ResultFilter, Visibility
from .....core.domain.validation import parse_fields
from .....core.ports.clock import Clock
from .....core.ports.repositories.result_index import ResultIndex
from .....core.services.media.visibility import ResultVisibility
from .....core.services.slots.service import SlotService
from ....config import Settings
from ...auth.access import actor_of
from ...protocol.etag import json_response, personal_response
from ...protocol.json_body import read_json
from ...protocol.links import UrlBuilder
from ...protocol.path_ids import UNKNOWN_ID
from ...protocol.query import DEFAULT_PAGE, Cursor, Limit, cursor_of, position_of, read_query
from ..jobs import NO_JOB

_MILLISECOND = timedelta(milliseconds=1)


class ListedPicture(msgspec.Struct, kw_only=True):
    """A finished picture in the list. `duration_ms`: from the photo to the picture."""

    job_id: UUID
    slot_id: str
    slot_name: str
    source: JobSource
    created_at: datetime
    completed_at: datetime
    duration_ms: int
    visibility: Visibility
    result: ResultPayload


class ResultQuery(msgspec.Struct, frozen=True, kw_only=True, rename={"ended_from": "from", "ended_to": "to"}):
    """The conditions of a list. `slot_id` is one slot or several, separated by commas."""

    slot_id: str | None = None
    ended_from: datetime | None = None
    ended_to: datetime | None = None
    visibility: Visibility | None = None
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


class VisibilityDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a change."""

    visibility: Visibility


@get("/api/results", opt={"access": Permission.JOBS_READ})
@inject
async def list_results(
    request: Request[Any, Any, Any],
    results: FromDishka[ResultIndex],
    slots: FromDishka[SlotService],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """A page of finished pictures, newest first."""
    query = read_query(request, ResultQuery)
    page = await results.find(_filter(query), now=clock.now(), limit=query.limit, after=position_of(query.cursor))
    names = {slot.id: slot.name for slot in await slots.list()}
    links = UrlBuilder(request.scope, config.public_base_url)
    items = [_picture(listed, links, names) for listed in page.items]
    return personal_response(request, {"items": items, "next_cursor": cursor_of(page.next)})


@get("/api/results/{job_id:str}", opt={"access": Permission.JOBS_READ, UNKNOWN_ID: NO_JOB})
@inject
async def get_listed_result(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    visibility: FromDishka[ResultVisibility],
    slots: FromDishka[SlotService],
    config: FromDishka[Settings],
) -> ASGIApp:
    """One finished picture, as in the list."""
    listed = await visibility.get(job_id)
    names = {slot.id: slot.name for slot in await slots.list()}
    return personal_response(request, _picture(listed, UrlBuilder(request.scope, config.public_base_url), names))


@put("/api/results/{job_id:str}/visibility", opt={"access": Permission.JOBS_WRITE, UNKNOWN_ID: NO_JOB})
@inject
async def put_visibility(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    visibility: FromDishka[ResultVisibility],
    slots: FromDishka[SlotService],
    config: FromDishka[Settings],
) -> ASGIApp:
    """Hide a picture from galleries, or show it again."""
    document = parse_fields(VisibilityDocument, await read_json(request))
    listed = await visibility.set(job_id, document.visibility, by=actor_of(request))
    names = {slot.id: slot.name for slot in await slots.list()}
    return json_response(_picture(listed, UrlBuilder(request.scope, config.public_base_url), names))


def _filter(query: ResultQuery) -> ResultFilter:
    moments = {"from": query.ended_from, "to": query.ended_to}
    errors = tuple(
        FieldError(name, FieldErrorCode.TIME_ZONE_REQUIRED)
        for name, moment in moments.items()
        if moment is not None and moment.tzinfo is None
    )
    if errors:
        raise invalid_query(errors)
    return ResultFilter(
        slot_ids=() if query.slot_id is None else tuple(query.slot_id.split(",")),
        visibility=query.visibility,
        ended_from=query.ended_from,
        ended_to=query.ended_to,
    )


def _picture(listed: ListedResult, links: UrlBuilder, names: dict[str, str]) -> ListedPicture:
    job = listed.job
    result = result_payload(job, url=links.result(job.id))
    assert result is not None
    assert job.finalized_at is not None
    return ListedPicture(
        job_id=job.id,
        slot_id=job.slot_id,
        slot_name=names.get(job.slot_id, job.slot_id),
        source=job.source,
        created_at=job.created_at,
        completed_at=job.finalized_at,
        duration_ms=max(round((job.finalized_at - job.created_at) / _MILLISECOND), 0),
        visibility=listed.visibility,
        result=result,
    )
