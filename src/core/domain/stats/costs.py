"""Costs in the statistics: the sums of the ledger with the counts of jobs.

A call counts in the period in which it began, with its own provider; a job in the one in which it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from ..costs.ledger import CostCell, sum_of
from .summary import StatsCell, StatsSummary, by_provider, figures_of

_NO_JOBS = StatsSummary()


def with_costs(figures: StatsSummary, costs: Iterable[CostCell]) -> StatsSummary:
    """The summary with the sum of these costs."""
    return msgspec.structs.replace(figures, cost=sum_of(cell.cost for cell in costs))


def figures_with_costs(cells: Iterable[StatsCell], costs: Iterable[CostCell]) -> StatsSummary:
    """The summary of these cells, with the sum of these costs."""
    return with_costs(figures_of(cells), costs)


def by_provider_with_costs(cells: Collection[StatsCell], costs: Iterable[CostCell]) -> dict[str, StatsSummary]:
    """The summary for each provider that ended a job or had a call in the ledger; '' is for jobs without one."""
    return _joined(by_provider(cells), grouped(costs, lambda cell: cell.provider_id))


def by_slot_with_costs(figures: Mapping[str, StatsSummary], costs: Iterable[CostCell]) -> dict[str, StatsSummary]:
    """The summaries of slots with their costs, also of slots that have only costs."""
    return _joined(figures, grouped(costs, lambda cell: cell.slot_id))


def grouped(costs: Iterable[CostCell], key: Callable[[CostCell], str]) -> dict[str, list[CostCell]]:
    """The cells by their slot, or by their provider."""
    groups: dict[str, list[CostCell]] = {}
    for cell in costs:
        groups.setdefault(key(cell), []).append(cell)
    return groups


def _joined(figures: Mapping[str, StatsSummary], costs: Mapping[str, list[CostCell]]) -> dict[str, StatsSummary]:
    names = sorted(figures.keys() | costs.keys())
    return {name: with_costs(figures.get(name, _NO_JOBS), costs.get(name, ())) for name in names}
