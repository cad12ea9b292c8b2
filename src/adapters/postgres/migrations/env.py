"""Alembic's entry: runs the steps on the connection that `migrate` hands in, each in a transaction of its own."""

from __future__ import annotations

from typing import Any

from alembic import context
from photochanger.adapters.postgres.migrations.compatibility import record_oldest_code
from photochanger.adapters.postgres.schema import SCHEMA, metadata
from sqlalchemy import Connection

connection: Connection = context.config.attributes["connection"]


def _record(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    if step.is_upgrade:
        oldest_code = getattr(step.up_revision.module, "oldest_code", None)
        record_oldest_code(connection, revision=step.up_revision_id, oldest_code=oldest_code)


context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    transaction_per_migration=True,
    on_version_apply=_record,
)
with context.begin_transaction():
    context.run_migrations()
