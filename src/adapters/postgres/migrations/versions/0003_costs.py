"""Costs: the ledger of calls to image services, its sums, and budgets of slots."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = """
create table photochanger.call_costs (
    id uuid primary key,
    job_id uuid not null,
    slot_id text not null,
    provider_id text not null,
    operation_id text not null,
    attempt integer not null,
    entry integer not null,
    call integer not null,
    at timestamptz not null,
    usd_micros bigint,
    exact boolean not null,
    charged text not null,
    model text
);
create index call_costs_job on photochanger.call_costs (job_id);
create index call_costs_at on photochanger.call_costs (at) include (slot_id, usd_micros, charged);
create index call_costs_slot on photochanger.call_costs (slot_id, at);
create table photochanger.cost_quarters (
    slot_id text not null,
    start timestamptz not null,
    provider_id text not null,
    usd_micros bigint not null,
    estimated_usd_micros bigint not null,
    unknown_usd_micros bigint not null,
    calls bigint not null,
    unpriced_calls bigint not null,
    primary key (slot_id, start, provider_id)
);
create index cost_quarters_start on photochanger.cost_quarters (start);
alter table photochanger.slots add column budget jsonb;
"""


def upgrade() -> None:
    """Add tables and column. Hosts of the version before do not know them."""
    op.execute(_TABLES)


def downgrade() -> None:
    """Drop them, costs and budgets included."""
    op.execute("alter table photochanger.slots drop column budget")
    op.execute("drop table photochanger.call_costs, photochanger.cost_quarters")
