"""Statistics as administrators ask for them: of one slot since its reset mark, or of all slots together."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from ...domain.costs.ledger import CostCell
from ...domain.slots.slot import slot_order
from ...domain.stats.costs import by_provider_with_costs, by_slot_with_costs, figures_with_costs
from ...domain.stats.summary import SETTLED_AFTER, StatsCell, StatsSummary, figures_of
from ...domain.stats.time_ranges import Period, TimeRange, time_range, time_zone
from ...ports.clock import Clock
from ...ports.cost_ledger import CostLedger
from ...ports.repositories.slot_repository import SlotRepository
from ...ports.stats_service import StatsService

MAX_RANGE_OF_SLOT = timedelta(days=31)
MAX_RANGE_OF_ALL = timedelta(days=90)
MAX_HOURS_OF_ALL = timedelta(days=2)
_MAX_ROWS = 500
"""Rows on a page of the report on each slot; a page has at least one period, with up to a row for each slot."""

_USUAL = {
    Period.HOUR: timedelta(days=1),
    Period.DAY: timedelta(days=30),
    Period.WEEK: timedelta(days=28),
    Period.MONTH: timedelta(days=90),
}


class SortBy(enum.StrEnum):
    """What the periods of a report can be sorted by."""

    PERIOD_START = "period_start"
    SUCCESS = "success"
    FALLBACK = "fallback"
    TIMEOUTS = "timeouts"
    PROVIDER_ERRORS = "provider_errors"
    CANCELLED = "cancelled"
    ERRORS = "errors"
    INGEST_COUNT = "ingest_count"
    P95 = "p95"


class SortOrder(enum.StrEnum):
    """Direction of sorting."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class StatsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The requested range, as `time_range` reads it."""

    start: datetime | None = None
    end: datetime | None = None
    period: Period = Period.DAY
    zone: str = "UTC"


class PeriodFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one period, together and by provider ('': none)."""

    start: datetime
    end: datetime
    figures: StatsSummary
    providers: dict[str, StatsSummary]


class StatsReport(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a range, together and of every period in it, the empty ones included; by slot in reports of all."""

    range: TimeRange
    summary: StatsSummary
    providers: dict[str, StatsSummary]
    slots: dict[str, StatsSummary]
    last_reset_at: datetime | None
    periods: list[PeriodFigures]


class SlotFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one slot in one period."""

    slot_id: str
    start: datetime
    end: datetime
    figures: StatsSummary


class SlotsReport(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the figures of each slot and period of a range, oldest first, then by slot; empty ones are left out.

    `page` and `pages` count from 1; a page beyond the last has no rows.
    """

    range: TimeRange
    rows: list[SlotFigures]
    page: int
    pages: int


class StatsQueries:
    """Reports from the stored counts and the ledger, and the recomputation of counts."""

    def __init__(self, stats: StatsService, ledger: CostLedger, slots: SlotRepository, clock: Clock) -> None:
        self._stats = stats
        self._ledger = ledger
        self._slots = slots
        self._clock = clock

    async def of_slot(self, slot_id: str, asked: StatsRequest) -> StatsReport:
        """Report on one slot since its reset mark, at most 31 days. SlotNotFound, InvalidRequest, QueueUnavailable."""
        range = self._range(asked, longest=MAX_RANGE_OF_SLOT)
        mark = (await self._slots.get(slot_id)).stats_reset_at
        cells, costs = await asyncio.gather(
            self._stats.cells(range.bounds, slot_id=slot_id, since=mark),
            self._ledger.cells(range.bounds, slot_id=slot_id, since=mark),
        )
        return _report(range, cells, costs, mark)

    async def of_all(
        self, asked: StatsRequest, *, slot_id: str | None = None, provider_id: str | None = None
    ) -> StatsReport:
        """Report on all slots or one, at most 90 days, hours at most 2; by all providers or one, without reset marks.

        `last_reset_at` is the newest mark of those slots. SlotNotFound, InvalidRequest, QueueUnavailable.
        """
        range = self._range(asked, longest=_longest_of_all(asked))
        slots = await self._slots.all() if slot_id is None else [await self._slots.get(slot_id)]
        mark = max((slot.stats_reset_at for slot in slots if slot.stats_reset_at is not None), default=None)
        cells, costs = await asyncio.gather(
            self._stats.cells(range.bounds, slot_id=slot_id, provider_id=provider_id),
            self._ledger.cells(range.bounds, slot_id=slot_id, provider_id=provider_id),
        )
        if slot_id is None:
            by_slot = await self._stats.cells_by_slot((range.bounds[0], range.bounds[-1]), provider_id=provider_id)
        else:
            by_slot = {slot_id: cells} if cells else {}
        figures = {id: figures_of(found) for id, found in by_slot.items()}
        return _report(range, cells, costs, mark, slots=by_slot_with_costs(figures, costs))

    async def of_each_slot(self, asked: StatsRequest, *, page: int) -> SlotsReport:
        """Report on each slot by period, a page of it; at most 90 days, hours at most 2, without reset marks.

        InvalidRequest, QueueUnavailable.
        """
        range = self._range(asked, longest=_longest_of_all(asked))
        on_page = max(1, _MAX_ROWS // max(1, len(await self._slots.all())))
        pages = -(-(len(range.bounds) - 1) // on_page)
        first = (page - 1) * on_page
        bounds = range.bounds[first : first + on_page + 1]
        if len(bounds) < 2:
            return SlotsReport(range=range, rows=[], page=page, pages=pages)
        counted, costs = await asyncio.gather(self._stats.cells_by_slot(bounds), self._ledger.cells(bounds))
        periods = range.periods[first : first + on_page]
        rows = await asyncio.to_thread(_rows, periods, counted, costs)
        return SlotsReport(range=range, rows=rows, page=page, pages=pages)

    async def rebuild(self) -> int:
        """Recompute statistics from all retained jobs; returns how many. QueueUnavailable."""
        return await self._stats.rebuild(before=self._clock.now() - SETTLED_AFTER)

    def _range(self, asked: StatsRequest, *, longest: timedelta) -> TimeRange:
        return time_range(
            asked.start,
            asked.end,
            period=asked.period,
            zone=time_zone(asked.zone),
            now=self._clock.now(),
            longest=longest,
            usual=_USUAL[asked.period],
        )


def ordered(periods: list[PeriodFigures], *, by: SortBy, order: SortOrder) -> list[PeriodFigures]:
    """The periods sorted; those without a latency come last by it, and equal ones oldest first."""
    if by is SortBy.P95:
        known = [one for one in periods if one.figures.latency_ms.p95 is not None]
        known.sort(key=lambda one: one.figures.latency_ms.p95 or 0, reverse=order is SortOrder.DESCENDING)
        return known + [one for one in periods if one.figures.latency_ms.p95 is None]
    if by is SortBy.PERIOD_START:
        return sorted(periods, key=lambda one: one.start, reverse=order is SortOrder.DESCENDING)
    return sorted(periods, key=lambda one: int(getattr(one.figures, by)), reverse=order is SortOrder.DESCENDING)


def _longest_of_all(asked: StatsRequest) -> timedelta:
    return MAX_HOURS_OF_ALL if asked.period is Period.HOUR else MAX_RANGE_OF_ALL


def _rows(
    periods: list[tuple[datetime, datetime]], counted: Mapping[str, list[StatsCell]], costs: list[CostCell]
) -> list[SlotFigures]:
    """The rows of a page. It takes tens of milliseconds; call it in a thread."""
    cells: dict[tuple[int, str], list[StatsCell]] = {}
    for slot_id, found in counted.items():
        for cell in found:
            cells.setdefault((cell.period, slot_id), []).append(cell)
    paid: dict[tuple[int, str], list[CostCell]] = {}
    for cost in costs:
        paid.setdefault((cost.period, cost.slot_id), []).append(cost)
    return [
        SlotFigures(
            slot_id=slot_id,
            start=periods[number][0],
            end=periods[number][1],
            figures=figures_with_costs(cells.get((number, slot_id), ()), paid.get((number, slot_id), ())),
        )
        for number, slot_id in sorted(cells.keys() | paid.keys(), key=lambda key: (key[0], slot_order(key[1])))
    ]


def _report(
    range: TimeRange,
    cells: list[StatsCell],
    costs: list[CostCell],
    mark: datetime | None,
    *,
    slots: Mapping[str, StatsSummary] = {},
) -> StatsReport:
    sorted_out: dict[int, list[StatsCell]] = {}
    for cell in cells:
        sorted_out.setdefault(cell.period, []).append(cell)
    costs_sorted_out: dict[int, list[CostCell]] = {}
    for cost in costs:
        costs_sorted_out.setdefault(cost.period, []).append(cost)
    periods = []
    for number, (start, end) in enumerate(range.periods):
        found, paid = sorted_out.get(number, []), costs_sorted_out.get(number, [])
        figures, providers = figures_with_costs(found, paid), by_provider_with_costs(found, paid)
        periods.append(PeriodFigures(start=start, end=end, figures=figures, providers=providers))
    return StatsReport(
        range=range,
        summary=figures_with_costs(cells, costs),
        providers=by_provider_with_costs(cells, costs),
        slots={**slots},
        last_reset_at=mark,
        periods=periods,
    )
