"""`GET /api/overview`: what the page shows of all slots at once."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.slot_health import SlotIssueCode, SlotState
from ....core.services.slots.overview import SlotSummary
from ..dependencies import HttpServices
from ..protocol.etag import tagged_response
from ..protocol.links import UrlBuilder
from ..protocol.query import read_query
from .slots import RecentResult, recent_result
from .stats import ZoneName, counts


class OverviewQuery(msgspec.Struct, frozen=True):
    """Where today is."""

    tz: ZoneName = "UTC"


class SlotReason(msgspec.Struct, frozen=True):
    """Why a slot is not `active`: a code with parameters, and its English sentence."""

    code: SlotIssueCode
    params: dict[str, Any]
    detail: str


class SlotCard(msgspec.Struct, frozen=True, kw_only=True):
    """One slot at a glance; provider and operation are the first of its route."""

    id: str
    name: str
    active: bool
    state: SlotState
    reasons: tuple[SlotReason, ...]
    provider_id: str | None
    operation_id: str | None
    ingest_url: str
    last_result: RecentResult | None
    today: dict[str, Any]


@get("/api/overview", opt={"access": Permission.SLOTS_READ})
async def overview(request: Request[Any, Any, Any]) -> ASGIApp:
    """All slots by id."""
    services: HttpServices = request.app.state.services
    asked = read_query(request, OverviewQuery)
    links = UrlBuilder(request.scope, services.public_base_url)
    found = await services.overview.get(zone=asked.tz)
    return tagged_response(request, {"items": [_card(glance, links) for glance in found]})


def _card(glance: SlotSummary, links: UrlBuilder) -> SlotCard:
    slot = glance.slot
    first = next(iter(slot.route.entries), None)
    return SlotCard(
        id=slot.id,
        name=slot.name,
        active=slot.active,
        state=glance.condition.state,
        reasons=tuple(SlotReason(one.code, one.params, one.message) for one in glance.condition.reasons),
        provider_id=None if first is None else first.provider_id,
        operation_id=None if first is None else first.operation_id,
        ingest_url=links.ingest(slot.id),
        last_result=None if glance.last_result is None else recent_result(glance.last_result, links),
        today=counts(glance.today),
    )
