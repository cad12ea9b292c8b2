"""The findings of a readiness check as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from .diagnostics.ready_check_report import (
    CheckFinished,
    Line,
    Quota,
    SlotChecked,
)

_WRONG = "bold red"
_GOOD = "green"


def as_tables(lines: Iterable[Line]) -> Group:
    """The slots by id, the providers, and one line that sums up."""
    slots = sorted((line for line in lines if isinstance(line, SlotChecked)), key=lambda line: line.slot_id)
    parts: list[Table | Text] = [_slots(slots)]
    for line in lines:
        if isinstance(line, CheckFinished):
            said = f"{line.slots_ready} of {line.slots_ready + line.slots_not_ready} active slots are ready"
            parts += [_providers(line.providers), Text(said, style=_GOOD if line.ready else _WRONG)]
    return Group(*parts)


def _slots(slots: list[SlotChecked]) -> Table | Text:
    if not slots:
        return Text("No slot is active")
    table = _table("Slot", "Name", "Outcome", "Seconds", "Made by", "Calls", "Reason")
    for slot in slots:
        made_by = f"{slot.provider_id}/{slot.operation_id}" if slot.provider_id else "-"
        table.add_row(
            *(slot.slot_id, Text(slot.name), Text(slot.outcome, style=_GOOD if slot.ready else _WRONG)),
            "-" if slot.latency_ms is None else f"{slot.latency_ms / 1000:.1f}",
            *(Text(made_by), str(slot.calls), Text(_trouble(slot))),
        )
    return table


def _trouble(slot: SlotChecked) -> str:
    told = [f"{trouble.provider_id}: {trouble.reason}" for trouble in slot.troubles]
    if slot.detail is not None:
        told.insert(0, slot.detail)
    return "; ".join(dict.fromkeys(told)) or "-"


def _providers(providers: tuple[Quota, ...] | None) -> Table | Text:
    if providers is None:
        return Text("Providers: the database does not answer", style=_WRONG)
    if not providers:
        return Text("Providers: none")
    table = _table("Provider", "Key", "Left this minute", "Left today", "Breaker", "Slots")
    for one in providers:
        keyless = one.key.state in ("missing", "unreadable")
        table.add_row(
            *(Text(one.id), Text(one.key.state, style=_WRONG if keyless else "")),
            _left(one.left_this_minute, one.limits.per_minute),
            _left(one.left_today, one.limits.per_day),
            "-" if one.standing is None else one.standing.breaker.replace("_", "-"),
            ", ".join(slot_id.removeprefix("slot-") for slot_id in one.slots),
        )
    return table


def _left(left: int | None, limit: int | None) -> Text:
    return Text("no limit") if left is None else Text(f"{left} of {limit}", style="" if left else _WRONG)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
