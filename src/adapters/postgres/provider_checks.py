"""The ProviderCheckRepository port on PostgreSQL: one row per provider, the check as a JSON document."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from ...core.domain.routing.provider_check import ProviderCheck
from ...core.domain.stored_values import from_row
from .database import Database
from .schema import provider_checks as table


class PostgresProviderCheckRepository:
    """Rows of `provider_checks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, check: ProviderCheck) -> None:
        columns = {"checked_at": check.checked_at, "result": msgspec.to_builtins(check)}
        change = insert(table).values(provider_id=check.provider_id, **columns)
        change = change.on_conflict_do_update(
            index_elements=[table.c.provider_id], set_=columns, where=table.c.checked_at <= check.checked_at
        )
        async with self._database.begin() as connection:
            await connection.execute(change)

    async def all(self) -> list[ProviderCheck]:
        query = select(table.c.result).order_by(table.c.provider_id)
        async with self._database.begin() as connection:
            documents = (await connection.execute(query)).scalars()
        return [from_row(_check, document) for document in documents]


def _check(document: Any) -> ProviderCheck:
    return msgspec.convert(document, ProviderCheck)
