"""The tables of statistics and costs: what is noted, and the sums of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from ....core.domain.costs.ledger import CostSum

_moment = DateTime(timezone=True)

_UPDATED = {"fillfactor": "60"}
"""Of sums: a page keeps room for updates, which then write no index."""


def add_tables(metadata: MetaData) -> None:
    """Add the tables; their statements name them in words."""
    Table(
        "stats_ended",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("slot_id", Text, nullable=False),
        Column("at", _moment, nullable=False),
        Column("provider_id", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("latency_ms", BigInteger),
    )

    sums = Table(
        "stats_quarters",
        metadata,
        Column("slot_id", Text, primary_key=True),
        Column("start", _moment, primary_key=True),
        *_cell(),
        postgresql_with=_UPDATED,
    )
    Index("stats_quarters_start", sums.c.start)

    Table(
        "stats_hours",
        metadata,
        Column("hour", _moment, primary_key=True),
        *_cell(),
        postgresql_with=_UPDATED,
    )

    Table(
        "stats_days",
        metadata,
        Column("start", _moment, primary_key=True),
        *_cell(),
        postgresql_with=_UPDATED,
    )

    Table(
        "stats_spans",
        metadata,
        Column("slot_id", Text, primary_key=True),
        Column("start", _moment, primary_key=True),
        Column("days", SmallInteger, primary_key=True),
        *_cell(),
        postgresql_with=_UPDATED,
    )

    calls = Table(
        "call_costs",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("job_id", Uuid, nullable=False),
        Column("slot_id", Text, nullable=False),
        Column("provider_id", Text, nullable=False),
        Column("operation_id", Text, nullable=False),
        *(Column(name, Integer, nullable=False) for name in ("attempt", "entry", "call")),
        Column("at", _moment, nullable=False),
        Column("usd_micros", BigInteger),
        Column("exact", Boolean, nullable=False),
        Column("charged", Text, nullable=False),
        Column("model", Text),
        postgresql_with={"fillfactor": "80"},
    )
    Index("call_costs_job", calls.c.job_id)
    Index("call_costs_at", calls.c.at)
    Index("call_costs_slot", calls.c.slot_id, calls.c.at)

    Table(
        "budget_days",
        metadata,
        Column("slot_id", Text, primary_key=True),
        Column("starts_at", _moment, primary_key=True),
        Column("ends_at", _moment, primary_key=True),
        Column("usd_micros", BigInteger, nullable=False),
        postgresql_with={"fillfactor": "50"},
        prefixes=["UNLOGGED"],
    )

    quarters = Table(
        "cost_quarters",
        metadata,
        Column("slot_id", Text, primary_key=True),
        Column("start", _moment, primary_key=True),
        Column("provider_id", Text, primary_key=True),
        *(Column(name, BigInteger, nullable=False) for name in CostSum.__struct_fields__),
    )
    Index("cost_quarters_start", quarters.c.start)


def _cell() -> tuple[Column[Any], ...]:
    return (
        Column("provider_id", Text, primary_key=True),
        Column("outcome", Text, primary_key=True),
        Column("bucket", SmallInteger, primary_key=True),
        Column("count", BigInteger, nullable=False),
    )
