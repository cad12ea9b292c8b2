"""The slots as administrators read and write them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post, put
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.job import Job
from ....core.domain.result_files import RECENT_RESULTS
from ....core.domain.slot import Slot, slot_document
from ..auth.access import actor_of
from ..dependencies import HttpServices
from ..protocol.etag import required_version, tagged_response, version_tag
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
    """Which slots a list holds."""

    provider_id: str | None = None
    operation_id: str | None = None
    search: str | None = None


def slot_body(slot: Slot, links: UrlBuilder) -> dict[str, Any]:
    """The slot on the wire."""
    return {
        "id": slot.id,
        **slot_document(slot),
        "etag": version_tag(slot.version),
        "updated_at": slot.updated_at,
        "stats_reset_at": slot.stats_reset_at,
        "ingest_url": links.ingest(slot.id),
    }


def recent_result(job: Job, links: UrlBuilder) -> RecentResult:
    """A job's result as lists of pictures tell of it."""
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
async def list_slots(request: Request[Any, Any, Any]) -> ASGIApp:
    """The slots, or those that fit."""
    services: HttpServices = request.app.state.services
    wanted = read_query(request, SlotFilter)
    found = await services.slots.list(**msgspec.structs.asdict(wanted))
    links = UrlBuilder(request.scope, services.public_base_url)
    return tagged_response(request, {"items": [slot_body(slot, links) for slot in found]})


@get("/api/slots/{slot_id:str}", opt={"access": Permission.SLOTS_READ})
async def get_slot(request: Request[Any, Any, Any]) -> ASGIApp:
    """One slot with its newest results."""
    services: HttpServices = request.app.state.services
    return await _answer(request, services, await services.slots.get(request.path_params["slot_id"]))


@put("/api/slots/{slot_id:str}", opt={"access": Permission.SLOTS_WRITE})
async def put_slot(request: Request[Any, Any, Any]) -> ASGIApp:
    """Store a slot; jobs that are under way keep what they began with."""
    services: HttpServices = request.app.state.services
    slot_id: str = request.path_params["slot_id"]
    version = required_version(request)
    document = await read_json(request)
    slot = await services.slots.put(slot_id, document, expected_version=version, by=actor_of(request))
    return await _answer(request, services, slot)


@post("/api/slots/{slot_id:str}/reset_stats", opt={"access": Permission.SLOTS_WRITE})
async def reset_stats(request: Request[Any, Any, Any]) -> ASGIApp:
    """Count the slot's statistics from now on."""
    services: HttpServices = request.app.state.services
    await services.slots.reset_stats(request.path_params["slot_id"], by=actor_of(request))
    return ASGIResponse(status_code=204, headers={"Cache-Control": "no-store"})


async def _answer(request: Request[Any, Any, Any], services: HttpServices, slot: Slot) -> ASGIResponse:
    links = UrlBuilder(request.scope, services.public_base_url)
    recent = await services.results.recent(slot.id, now=services.clock.now(), limit=RECENT_RESULTS)
    body = slot_body(slot, links) | {"recent_results": [recent_result(job, links) for job in recent.items]}
    return tagged_response(request, body, version=slot.version)
