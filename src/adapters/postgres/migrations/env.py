"""Alembic's entry: runs the steps on the connection that `migrate` hands in."""

from __future__ import annotations

from alembic import context
from photochanger.adapters.postgres.schema import SCHEMA, metadata
from sqlalchemy import Connection

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table_schema=SCHEMA, include_schemas=True)
with context.begin_transaction():
    context.run_migrations()
