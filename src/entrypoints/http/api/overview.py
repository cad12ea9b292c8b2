"""`GET /api/overview`: the state of all slots on an evening."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.job import FailureReason
from ....core.domain.routing.provider_usage import Breaker, ProviderState
from ....core.domain.slots.activity import BAR, Bars, LiveJobs, NewestPicture
from ....core.domain.slots.slot_health import SlotIssue, SlotIssueCode, SlotState
from ....core.services.costs.budgets import Budgets
from ....core.services.settings.service import SettingsService
from ....core.services.slots.overview import EveningView, LastMinutes, LastReadyCheck, Overview, SlotSummary
from ...config import Settings
from ..protocol.etag import tagged_response
from ..protocol.links import UrlBuilder
from ..protocol.query import read_query
from .costs import today_body
from .slots import RecentResult
from .stats import ZoneName, counts


class OverviewQuery(msgspec.Struct, frozen=True):
    """The time zone that defines today, and the only slot that is wanted."""

    tz: ZoneName = "UTC"
    slot_id: str | None = None


class SlotReason(msgspec.Struct, frozen=True):
    """Why a slot is not `active`: a code with parameters, and its English sentence."""

    code: SlotIssueCode
    params: dict[str, Any]
    detail: str


class SlotBars(msgspec.Struct, frozen=True):
    """Jobs of the last hour by bar, oldest bar first."""

    bar_seconds: int
    pictures: tuple[int, ...]
    missed: tuple[int, ...]


class SlotCard(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of a slot; provider and operation are the first of its route."""

    id: str
    name: str
    active: bool
    state: SlotState
    reasons: tuple[SlotReason, ...]
    failures: dict[FailureReason, int]
    provider_id: str | None
    operation_id: str | None
    ingest_url: str
    gallery_url: str
    gallery_open_until: datetime | None
    last_photo_at: datetime | None
    last_result: RecentResult | None
    queue: LiveJobs
    bars: SlotBars | None
    today: dict[str, Any]


class OverviewProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider in the routes of active slots."""

    id: str
    title: str
    slots: int
    state: ProviderState
    breaker: Breaker
    last_calls: int
    last_pictures: int
    reason: SlotReason | None


class OverviewBody(msgspec.Struct, frozen=True, kw_only=True):
    """The slots by ID, and what they have in common."""

    items: list[SlotCard]
    queue: LiveJobs
    last_minutes: LastMinutes
    providers: list[OverviewProvider]
    ready_check: LastReadyCheck | None
    costs: Mapping[str, Any]


@get("/api/overview", opt={"access": Permission.SLOTS_READ})
@inject
async def overview(
    request: Request[Any, Any, Any],
    slots: FromDishka[Overview],
    budgets: FromDishka[Budgets],
    settings: FromDishka[SettingsService],
    config: FromDishka[Settings],
) -> ASGIApp:
    """All slots by ID, or one, and what all of them cost today."""
    query = read_query(request, OverviewQuery)
    links = UrlBuilder(request.scope, config.public_base_url)
    view, today = await asyncio.gather(slots.get(zone=query.tz), budgets.today())
    costs = today_body(today, (await settings.current()).currency)
    # Of many slots it takes too long for an event loop.
    return await asyncio.to_thread(lambda: tagged_response(request, _encoded(view, costs, links, query.slot_id)))


def _encoded(view: EveningView, costs: Mapping[str, Any], links: UrlBuilder, slot_id: str | None) -> msgspec.Raw:
    body = OverviewBody(
        items=[_card(one, links) for one in view.slots if slot_id in (None, one.slot.id)],
        queue=view.live,
        last_minutes=view.last_minutes,
        providers=[
            OverviewProvider(
                id=one.id,
                title=one.title,
                slots=one.slots,
                state=one.standing.state,
                breaker=one.standing.breaker,
                last_calls=one.standing.last_calls,
                last_pictures=one.standing.last_pictures,
                reason=None if one.issue is None else _reason(one.issue),
            )
            for one in view.providers
        ],
        ready_check=view.ready_check,
        costs=costs,
    )
    return msgspec.Raw(msgspec.json.encode(body))


def _card(summary: SlotSummary, links: UrlBuilder) -> SlotCard:
    slot = summary.slot
    first = next(iter(slot.route.entries), None)
    bars = summary.activity.bars
    return SlotCard(
        id=slot.id,
        name=slot.name,
        active=slot.active,
        state=summary.condition.state,
        reasons=tuple(_reason(one) for one in summary.condition.reasons),
        failures=summary.activity.failures,
        provider_id=None if first is None else first.provider_id,
        operation_id=None if first is None else first.operation_id,
        ingest_url=links.ingest(slot.id),
        gallery_url=links.gallery(slot.id),
        gallery_open_until=slot.gallery_open_until,
        last_photo_at=summary.last_photo_at,
        last_result=None if summary.newest is None else _picture(summary.newest, links),
        queue=summary.live,
        bars=None if bars is None else _bars(bars),
        today=counts(summary.today),
    )


def _reason(issue: SlotIssue) -> SlotReason:
    return SlotReason(issue.code, issue.params, issue.message)


def _bars(bars: Bars) -> SlotBars:
    return SlotBars(int(BAR.total_seconds()), bars.pictures, bars.missed)


def _picture(newest: NewestPicture, links: UrlBuilder) -> RecentResult:
    result = links.result(newest.job_id)
    return RecentResult(
        job_id=newest.job_id,
        thumbnail_url=links.thumbnail_of(result),
        download_url=result,
        completed_at=newest.completed_at,
        result_expires_at=newest.expires_at,
        mime=newest.mime,
        size_bytes=newest.size_bytes,
    )
