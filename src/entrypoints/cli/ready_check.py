"""`photochanger ready-check`: test every active slot through a running service."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ...core.domain.accounts import COMMAND_LINE
from ...core.domain.slots.slot import slot_order
from ...core.domain.slots.slot_check import SlotCheck
from ..config import Settings
from ..diagnostics.ready_check_report import CheckFinished, Line, Quota, ReadyCheckStream, line_json
from .providers import check_text
from .runtime import configured, open_container, run_async
from .tables import BAD, GOOD, make_console, make_table

_WIDTH = 140
"""Columns of the tables where they go to no terminal."""


@click.command("ready-check")
@click.option("--json", "as_json", is_flag=True, help="Print each result as a line of JSON as soon as it is known.")
def ready_check(as_json: bool) -> None:
    """Test every active slot with a sample photo, and show what is left of each quota.

    The jobs go through the queue of a running service like those of guests, a few at a time. Providers count and charge
    these calls. The exit code is 0 only if every active slot made a picture.
    """
    if not run_async(_run(configured(), as_json=as_json)):
        sys.exit(1)


async def _run(settings: Settings, *, as_json: bool) -> bool:
    found: list[Line] = []
    async with open_container(settings) as container:
        report = await container.get(ReadyCheckStream)
        async with report.lines(await report.slots(), by=COMMAND_LINE) as lines:
            async for line in lines:
                found.append(line)
                if as_json:
                    click.echo(line_json(line).decode())
                elif isinstance(line, SlotCheck):
                    click.echo(f"{line.slot_id}: {line.outcome}", err=True)
    if not as_json:
        make_console(width=_WIDTH).print(as_tables(found))
    last = found[-1]
    return isinstance(last, CheckFinished) and last.ready


def as_tables(lines: Iterable[Line]) -> Group:
    """The slots by id, the providers, and one summary line."""
    slots = sorted((line for line in lines if isinstance(line, SlotCheck)), key=lambda line: slot_order(line.slot_id))
    parts: list[Table | Text] = [_slots(slots)]
    for line in lines:
        if isinstance(line, CheckFinished):
            summary = f"{line.slots_ready} of {line.slots_ready + line.slots_not_ready} active slots are ready"
            parts += [_providers(line.providers), Text(summary, style=GOOD if line.ready else BAD)]
    return Group(*parts)


def _slots(slots: list[SlotCheck]) -> Table | Text:
    if not slots:
        return Text("No slot is active")
    table = make_table("Slot", "Name", "Outcome", "Seconds", "Made by", "Calls", "Problems")
    for slot in slots:
        made_by = f"{slot.provider_id}/{slot.operation_id}" if slot.provider_id else "-"
        seconds = "-" if slot.latency is None else f"{slot.latency.total_seconds():.1f}"
        outcome = Text(slot.outcome, style=GOOD if slot.ready else BAD)
        table.add_row(slot.slot_id, slot.name, outcome, seconds, made_by, str(slot.calls), _problems(slot))
    return table


def _problems(slot: SlotCheck) -> str:
    reasons = [f"{failed.provider_id}: {failed.reason}" for failed in slot.troubles]
    if slot.detail is not None:
        reasons.insert(0, slot.detail)
    return "; ".join(dict.fromkeys(reasons)) or "-"


def _providers(providers: tuple[Quota, ...] | None) -> Table | Text:
    if providers is None:
        return Text("Providers: the database does not answer", style=BAD)
    if not providers:
        return Text("Providers: none")
    table = make_table("Provider", "Key", "Left this minute", "Left today", "Breaker", "Service", "Slots")
    for one in providers:
        keyless = one.key.state in ("missing", "unreadable")
        table.add_row(
            *(one.id, Text(one.key.state, style=BAD if keyless else "")),
            _left(one.left_this_minute, one.limits.per_minute),
            _left(one.left_today, one.limits.per_day),
            "-" if one.standing is None else one.standing.breaker.replace("_", "-"),
            check_text(one.check),
            ", ".join(slot_id.removeprefix("slot-") for slot_id in one.slots),
        )
    return table


def _left(left: int | None, limit: int | None) -> Text:
    return Text("no limit") if left is None else Text(f"{left} of {limit}", style="" if left else BAD)
