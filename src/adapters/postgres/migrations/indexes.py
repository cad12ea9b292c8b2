"""Indexes of tables that hosts use, made without a lock on writes."""

from __future__ import annotations

from alembic import op

from ..schema import SCHEMA


def create_index(name: str, definition: str) -> None:
    """Create an index, defined as `table (columns) where …`, while hosts write to its table.

    It must be the only step of its migration: it is outside of a transaction, and is repeated if it was interrupted.
    """
    with op.get_context().autocommit_block():
        op.execute(f"drop index concurrently if exists {SCHEMA}.{name}")  # one that was interrupted is invalid
        op.execute(f"create index concurrently {name} on {SCHEMA}.{definition}")


def drop_index(name: str) -> None:
    """Drop an index while hosts use its table; the only step of its migration."""
    with op.get_context().autocommit_block():
        op.execute(f"drop index concurrently if exists {SCHEMA}.{name}")
