"""`GET /api/overview`: the state of all slots."""

from __future__ import annotations

from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.slots.slot_health import SlotIssueCode, SlotState
from ....core.services.costs.budgets import Budgets
from ....core.services.settings.service import SettingsService
from ....core.services.slots.overview import Overview, SlotSummary
from ...config import Settings
from ..protocol.etag import tagged_response
from ..protocol.links import UrlBuilder
from ..protocol.query import read_query
from .costs import today_body
from .slots import RecentResult, recent_result
from .stats import ZoneName, counts


class OverviewQuery(msgspec.Struct, frozen=True):
    """The time zone that defines today."""

    tz: ZoneName = "UTC"


class SlotReason(msgspec.Struct, frozen=True):
    """Why a slot is not `active`: a code with parameters, and its English sentence."""

    code: SlotIssueCode
    params: dict[str, Any]
    detail: str


class SlotCard(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of a slot; provider and operation are the first of its route."""

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
@inject
async def overview(
    request: Request[Any, Any, Any],
    slots: FromDishka[Overview],
    budgets: FromDishka[Budgets],
    settings: FromDishka[SettingsService],
    config: FromDishka[Settings],
) -> ASGIApp:
    """All slots by ID, and what they cost today."""
    query = read_query(request, OverviewQuery)
    links = UrlBuilder(request.scope, config.public_base_url)
    summaries = await slots.get(zone=query.tz)
    costs = today_body(await budgets.today(), (await settings.current()).currency)
    return tagged_response(request, {"items": [_card(summary, links) for summary in summaries], "costs": costs})


def _card(summary: SlotSummary, links: UrlBuilder) -> SlotCard:
    slot = summary.slot
    first = next(iter(slot.route.entries), None)
    return SlotCard(
        id=slot.id,
        name=slot.name,
        active=slot.active,
        state=summary.condition.state,
        reasons=tuple(SlotReason(one.code, one.params, one.message) for one in summary.condition.reasons),
        provider_id=None if first is None else first.provider_id,
        operation_id=None if first is None else first.operation_id,
        ingest_url=links.ingest(slot.id),
        last_result=None if summary.last_result is None else recent_result(summary.last_result, links),
        today=counts(summary.today),
    )
