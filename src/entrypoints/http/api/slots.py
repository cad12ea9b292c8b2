"""The slots as administrators read and write them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get, post, put
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.job import Job, JobSource
from ....core.domain.results.files import RECENT_RESULTS
from ....core.domain.results.listing import ResultFilter
from ....core.domain.slots.slot import Slot, slot_document
from ....core.ports.clock import Clock
from ....core.ports.repositories.result_index import ResultIndex
from ....core.services.slots.service import SlotService
from ...config import Settings
from ..auth.access import actor_of
from ..protocol.etag import no_content, required_version, tagged_response, version_tag
from ..protocol.json_body import read_json
from ..protocol.links import UrlBuilder
from ..protocol.query import read_query


class RecentResult(msgspec.Struct, kw_only=True):
    """A finished picture of a slot."""

    job_id: UUID
    thumbnail_url: str
    download_url: str
    completed_at: datetime
    result_expires_at: datetime
    mime: str
    size_bytes: int


class SlotFilter(msgspec.Struct, frozen=True):
    """The filters of the list."""

    provider_id: str | None = None
    operation_id: str | None = None
    search: str | None = None


def slot_body(slot: Slot, links: UrlBuilder) -> dict[str, Any]:
    """A slot as JSON."""
    return {
        "id": slot.id,
        **slot_document(slot),
        "ingest_password_set": slot.ingest_password is not None,
        "etag": version_tag(slot.version),
        "updated_at": slot.updated_at,
        "stats_reset_at": slot.stats_reset_at,
        "ingest_url": links.ingest(slot.id),
        "gallery_url": links.gallery(slot.id),
    }


def recent_result(job: Job, links: UrlBuilder) -> RecentResult:
    """The result of a job, for lists of results."""
    assert job.result is not None
    assert job.finalized_at is not None
    return RecentResult(
        job_id=job.id,
        thumbnail_url=links.thumbnail(job.id),
        download_url=links.result(job.id),
        completed_at=job.finalized_at,
        result_expires_at=job.result.expires_at,
        mime=job.result.mime,
        size_bytes=job.result.file.size_bytes,
    )


@get("/api/slots", opt={"access": Permission.SLOTS_READ})
@inject
async def list_slots(
    request: Request[Any, Any, Any], slots: FromDishka[SlotService], config: FromDishka[Settings]
) -> ASGIApp:
    """The slots that match the filter."""
    wanted = read_query(request, SlotFilter)
    found = await slots.list(**msgspec.structs.asdict(wanted))
    links = UrlBuilder(request.scope, config.public_base_url)
    return tagged_response(request, {"items": [slot_body(slot, links) for slot in found]})


@get("/api/slots/{slot_id:str}", opt={"access": Permission.SLOTS_READ})
@inject
async def get_slot(
    request: Request[Any, Any, Any],
    slot_id: FromPath[str],
    slots: FromDishka[SlotService],
    results: FromDishka[ResultIndex],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """A slot with its most recent results."""
    return _response(request, await slots.get(slot_id), await _recent(slot_id, results, clock), config)


@put("/api/slots/{slot_id:str}", opt={"access": Permission.SLOTS_WRITE})
@inject
async def put_slot(
    request: Request[Any, Any, Any],
    slot_id: FromPath[str],
    slots: FromDishka[SlotService],
    results: FromDishka[ResultIndex],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """Store a slot; active jobs keep the slot as it was when they were created."""
    version = required_version(request)
    document = await read_json(request)
    slot = await slots.put(slot_id, document, expected_version=version, by=actor_of(request))
    return _response(request, slot, await _recent(slot_id, results, clock), config)


@post("/api/slots/{slot_id:str}/reset_stats", opt={"access": Permission.SLOTS_WRITE})
@inject
async def reset_stats(
    request: Request[Any, Any, Any], slot_id: FromPath[str], slots: FromDishka[SlotService]
) -> ASGIApp:
    """Restart the slot's statistics from now."""
    await slots.reset_stats(slot_id, by=actor_of(request))
    return no_content()


async def _recent(slot_id: str, results: ResultIndex, clock: Clock) -> tuple[Job, ...]:
    wanted = ResultFilter(slot_ids=(slot_id,), sources=tuple(JobSource))
    page = await results.find(wanted, now=clock.now(), limit=RECENT_RESULTS)
    return tuple(listed.job for listed in page.items)


def _response(request: Request[Any, Any, Any], slot: Slot, recent: tuple[Job, ...], config: Settings) -> ASGIResponse:
    links = UrlBuilder(request.scope, config.public_base_url)
    body = slot_body(slot, links) | {"recent_results": [recent_result(job, links) for job in recent]}
    return tagged_response(request, body, version=slot.version)
