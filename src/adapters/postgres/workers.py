"""The WorkerRegistry port on PostgreSQL: one row per worker process, with the database's times."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from ...core.domain.worker import WorkerReport, WorkerStatus
from .database import Database
from .schema import idle_workers
from .schema import workers as table


class PostgresWorkerRegistry:
    """Rows of `workers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heartbeat(self, report: WorkerReport) -> None:
        fields = msgspec.structs.asdict(report)
        change = insert(table).values(**fields, started_at=func.now(), seen_at=func.now())
        change = change.on_conflict_do_update(index_elements=[table.c.name], set_={**fields, "seen_at": func.now()})
        async with self._database.begin() as connection:
            await connection.execute(change)

    async def deregister(self, name: str) -> None:
        async with self._database.begin() as connection:
            await connection.execute(delete(table).where(table.c.name == name))

    async def all(self) -> list[WorkerStatus]:
        age = func.greatest(func.now() - table.c.seen_at, timedelta(0)).label("age")
        query = select(table, age).order_by(table.c.host.collate("C"), table.c.name.collate("C"))
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [
            WorkerStatus(
                report=WorkerReport(**{name: getattr(row, name) for name in WorkerReport.__struct_fields__}),
                started_at=row.started_at,
                seen_at=row.seen_at,
                age=row.age,
            )
            for row in rows
        ]

    async def prune(self, *, silent_for: timedelta) -> int:
        async with self._database.begin() as connection:
            await connection.execute(delete(idle_workers).where(idle_workers.c.seen_at <= func.now() - silent_for))
            return (await connection.execute(delete(table).where(table.c.seen_at <= func.now() - silent_for))).rowcount
