"""What is spent in a day that has a budget, by slot: kept by the database with each change of the ledger."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# A day is in it from the first call that asks for a budget of that day; `''` is the sum of all slots, and says that the
# day is in it. Not logged: a crash of the server empties it, and the next call adds up the ledger as it is then.
_TABLE = """
create unlogged table photochanger.budget_days (
    slot_id text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    usd_micros bigint not null,
    primary key (slot_id, starts_at, ends_at)
) with (fillfactor = 50)
"""

# The statement that adds up a day holds the lock alone: changes of the ledger have ended by then, or see the day. The
# lock and the rows of all slots are taken before those of calls, and in one order: transactions wait for each other in
# one direction only.
_HOLD = """
create function photochanger.hold_budget_days() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(5093200008);
    perform from photochanger.budget_days where slot_id = '' order by starts_at, ends_at for update;
    return null;
end
$$;
create trigger hold_budget_days before insert or update or delete on photochanger.call_costs
    for each statement execute function photochanger.hold_budget_days()
"""

_COUNT = """
create function photochanger.{name}() returns trigger language plpgsql as $$
begin
    if exists (select from photochanger.budget_days where slot_id = '') then
        insert into photochanger.budget_days as sums (slot_id, starts_at, ends_at, usd_micros)
            select place.slot_id, day.starts_at, day.ends_at, sum(changed.usd_micros)
            from ({changed}) as changed
            join photochanger.budget_days as day
                on day.slot_id = '' and changed.at >= day.starts_at and changed.at < day.ends_at
            cross join lateral (values (''), (changed.slot_id)) as place (slot_id)
            group by 1, 2, 3
            having sum(changed.usd_micros) <> 0
            on conflict (slot_id, starts_at, ends_at)
                do update set usd_micros = sums.usd_micros + excluded.usd_micros;
    end if;
    return null;
end
$$
"""

_NEW = "select slot_id, at, usd_micros from new_rows where charged <> 'no' and usd_micros is not null"
_OLD = "select slot_id, at, -usd_micros as usd_micros from old_rows where charged <> 'no' and usd_micros is not null"

_TRIGGERS = {
    "count_entered": ("insert", "new table as new_rows", _NEW),
    "count_changed": ("update", "old table as old_rows new table as new_rows", f"{_NEW} union all {_OLD}"),
    "count_removed": ("delete", "old table as old_rows", _OLD),
}


def upgrade() -> None:
    """Add the table and the triggers, which count for hosts of the version before as well."""
    op.execute(_TABLE)
    op.execute(_HOLD)
    for name, (event, tables, changed) in _TRIGGERS.items():
        op.execute(_COUNT.format(name=name, changed=changed))
        op.execute(
            f"create trigger {name} after {event} on photochanger.call_costs referencing {tables} "
            f"for each statement execute function photochanger.{name}()"
        )


def downgrade() -> None:
    """Drop them."""
    for name in ("hold_budget_days", *_TRIGGERS):
        op.execute(f"drop trigger {name} on photochanger.call_costs")
        op.execute(f"drop function photochanger.{name}()")
    op.execute("drop table photochanger.budget_days")
