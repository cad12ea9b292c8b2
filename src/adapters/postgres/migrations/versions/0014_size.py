"""Storage of jobs: less is written for each photo, and the search for live jobs does not pass those that have ended."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

accepted = {
    "ingest_requests: rewritten": "one row for each slot",
    "provider_usage: rewritten": "one row for each provider",
}

# What is written once and may be long. A row above 2 kB moves it out of line, so that no update writes it again.
_LONG = {"route": "extended", "metadata": "extended", "inline_preview": "external"}

# What is short stays in the row, where every reader finds it.
_SHORT = (
    "slot_id",
    "source",
    "state",
    "route_provider",
    "photo",
    "payload_key",
    "sha256",
    "access_token",
    "idempotency_key",
    "trace",
    "worker",
    "failure_reason",
    "error_code",
    "error_detail",
    "provider_id",
    "operation_id",
    "provider_job_reference",
    "result",
    "result_stem",
    "places",
)

# No query has a condition on these, and their samples are long.
_WITHOUT_STATISTICS = (
    "route",
    "photo",
    "payload_key",
    "access_token",
    "metadata",
    "trace",
    "error_detail",
    "result",
    "inline_preview",
)

# Written with each photo, and of use for minutes: a crash of the server, or a failover, empties them.
_NOT_LOGGED = ("ingest_requests", "provider_usage")

_AUTOVACUUM = {
    # Pages become visible and frozen as they fill, instead of a fifth of the table at once.
    "processing_logs": {
        "autovacuum_vacuum_insert_scale_factor": "0",
        "autovacuum_vacuum_insert_threshold": "100000",
        "autovacuum_vacuum_scale_factor": "0.05",
    },
    "call_costs": {
        "autovacuum_vacuum_insert_scale_factor": "0",
        "autovacuum_vacuum_insert_threshold": "100000",
        "autovacuum_vacuum_scale_factor": "0.05",
    },
}


def upgrade() -> None:
    """Change how rows are stored from now on; the rows that exist stay as they are.

    Building the index reads the whole table, so it is built while photos come in. Hosts of the version before go on.
    """
    op.execute(f"alter table photochanger.jobs {_columns('storage', _storage())}")
    op.execute(f"alter table photochanger.jobs {_columns('statistics', dict.fromkeys(_WITHOUT_STATISTICS, '0'))}")
    op.execute("alter table photochanger.jobs set (toast_tuple_target = 128)")
    for table, options in _AUTOVACUUM.items():
        values = ", ".join(f"{name} = {value}" for name, value in options.items())
        op.execute(f"alter table photochanger.{table} set ({values})")
    for table in _NOT_LOGGED:
        op.execute(f"alter table photochanger.{table} set unlogged")
    op.execute("drop index photochanger.jobs_live_payload, photochanger.jobs_held")
    _replace_live("expires_at")


def downgrade() -> None:
    """Store rows as before."""
    op.execute("create index jobs_live_payload on photochanger.jobs (payload_key) where finalized_at is null")
    op.execute(
        "create index jobs_held on photochanger.jobs (slot_id, sha256) "
        "where finalized_at is null and held_by is not null"
    )
    _replace_live("created_at")
    for table in _NOT_LOGGED:
        op.execute(f"alter table photochanger.{table} set logged")
    for table, options in _AUTOVACUUM.items():
        op.execute(f"alter table photochanger.{table} reset ({', '.join(options)})")
    op.execute("alter table photochanger.jobs reset (toast_tuple_target)")
    op.execute(f"alter table photochanger.jobs {_columns('statistics', dict.fromkeys(_WITHOUT_STATISTICS, '-1'))}")
    op.execute(f"alter table photochanger.jobs {_columns('storage', dict.fromkeys(_storage(), 'extended'))}")


def _replace_live(column: str) -> None:
    """Let the index of live jobs be on this column, without a moment in which there is none."""
    with op.get_context().autocommit_block():
        op.execute("drop index if exists photochanger.jobs_live_new")  # of a run that was interrupted
        op.execute(
            f"create index concurrently jobs_live_new on photochanger.jobs ({column}) where finalized_at is null"
        )
    op.execute("drop index photochanger.jobs_live")
    op.execute("alter index photochanger.jobs_live_new rename to jobs_live")


def _storage() -> dict[str, str]:
    return _LONG | dict.fromkeys(_SHORT, "main")


def _columns(what: str, values: dict[str, str]) -> str:
    return ", ".join(f"alter column {name} set {what} {value}" for name, value in values.items())
