"""`GET /api/stats/{slot_id}`, `/api/stats/global` and `/api/stats/slots`: outcomes of jobs by period."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.costs.currency import Currency
from ....core.domain.stats.summary import StatsSummary
from ....core.domain.stats.time_ranges import Period, TimeRange
from ....core.services.settings.service import SettingsService
from ....core.services.stats.service import (
    PeriodFigures,
    SortBy,
    SortOrder,
    StatsQueries,
    StatsReport,
    StatsRequest,
    ordered,
)
from ..protocol.etag import personal_response
from ..protocol.query import read_query
from .costs import currency_body

_MAX_PAGE_SIZE = 200

_COUNTS = (*(name for name in StatsSummary.__struct_fields__ if name != "latency_ms"), "success_rate")
_read_counts = attrgetter(*_COUNTS)

Page = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=_MAX_PAGE_SIZE)]
ZoneName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class SlotStatsQuery(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """The query about one slot."""

    start: datetime | None = None
    end: datetime | None = None
    group_by: Literal["hour", "day", "week"] = "day"
    tz: ZoneName = "UTC"


class SlotsStatsQuery(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """The query about each slot."""

    start: datetime | None = None
    end: datetime | None = None
    group_by: Period = Period.DAY
    tz: ZoneName = "UTC"
    page: Page = 1


class GlobalStatsQuery(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """The query about all slots."""

    start: datetime | None = None
    end: datetime | None = None
    group_by: Period = Period.DAY
    tz: ZoneName = "UTC"
    page: Page = 1
    page_size: PageSize = 100
    sort_by: SortBy = SortBy.PERIOD_START
    sort_order: SortOrder = SortOrder.ASCENDING
    provider_id: str | None = None
    slot_id: str | None = None


@get("/api/stats/{slot_id:str}", opt={"access": Permission.STATS_READ})
@inject
async def slot_stats(
    request: Request[Any, Any, Any],
    slot_id: FromPath[str],
    stats: FromDishka[StatsQueries],
    settings: FromDishka[SettingsService],
) -> ASGIApp:
    """The statistics of a slot since their reset."""
    query = read_query(request, SlotStatsQuery)
    report = await stats.of_slot(slot_id, _stats_request(query))
    body = {"slot_id": slot_id, "metrics": [_period(one) for one in report.periods]}
    return personal_response(request, _head(report, (await settings.current()).currency) | body)


@get("/api/stats/global", opt={"access": Permission.STATS_READ})
@inject
async def global_stats(
    request: Request[Any, Any, Any], stats: FromDishka[StatsQueries], settings: FromDishka[SettingsService]
) -> ASGIApp:
    """The statistics of all slots, sorted and paged."""
    query = read_query(request, GlobalStatsQuery)
    report = await stats.of_all(_stats_request(query), slot_id=query.slot_id, provider_id=query.provider_id)
    periods = ordered(report.periods, by=query.sort_by, order=query.sort_order)
    first = (query.page - 1) * query.page_size
    return personal_response(
        request,
        _head(report, (await settings.current()).currency)
        | {
            "slots": [{"slot_id": id, **figures_body(figures)} for id, figures in report.slots.items()],
            "metrics": [_period(one) for one in periods[first : first + query.page_size]],
            "page": query.page,
            "page_size": query.page_size,
            "total": len(periods),
        },
    )


@get("/api/stats/slots", opt={"access": Permission.STATS_READ})
@inject
async def slots_stats(
    request: Request[Any, Any, Any], stats: FromDishka[StatsQueries], settings: FromDishka[SettingsService]
) -> ASGIApp:
    """The statistics of each slot by period, in pages."""
    query = read_query(request, SlotsStatsQuery)
    report = await stats.of_each_slot(_stats_request(query), page=query.page)
    body = {
        "range": _range(report.range),
        "currency": currency_body((await settings.current()).currency),
        "items": [
            {"slot_id": row.slot_id, "period_start": row.start, "period_end": row.end} | figures_body(row.figures)
            for row in report.rows
        ],
        "page": report.page,
        "pages": report.pages,
    }
    return personal_response(request, body)


def _stats_request(query: SlotStatsQuery | SlotsStatsQuery | GlobalStatsQuery) -> StatsRequest:
    return StatsRequest(start=query.start, end=query.end, period=Period(query.group_by), zone=query.tz)


def _head(report: StatsReport, currency: Currency) -> dict[str, Any]:
    return {
        "range": _range(report.range),
        "currency": currency_body(currency),
        "summary": counts(report.summary) | {"last_reset_at": report.last_reset_at},
        "latency_ms": report.summary.latency_ms,
        "providers": _providers(report.providers),
    }


def _range(range: TimeRange) -> dict[str, Any]:
    return {"from": range.start, "to": range.end, "group_by": range.period, "tz": range.zone.key}


def _period(one: PeriodFigures) -> dict[str, Any]:
    return {
        "period_start": one.start,
        "period_end": one.end,
        **figures_body(one.figures),
        "providers": _providers(one.providers),
    }


def _providers(providers: Mapping[str, StatsSummary]) -> list[dict[str, Any]]:
    return [{"provider_id": provider_id or None, **figures_body(figures)} for provider_id, figures in providers.items()]


def figures_body(figures: StatsSummary) -> dict[str, Any]:
    """The figures as the API sends them."""
    return msgspec.structs.asdict(figures) | {"success_rate": figures.success_rate}


def counts(figures: StatsSummary) -> dict[str, Any]:
    """The figures without latency."""
    return dict(zip(_COUNTS, _read_counts(figures), strict=True))
