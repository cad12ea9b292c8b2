"""Whether a transaction was committed whose end was not confirmed: the connection was lost in its last moment.

Only what the database itself says counts. The number of a transaction alone is no proof: after a crash or a failover
the number of one that was lost is given again. An audited change is recognised by its audit entry, which is written in
the same transaction; another one that may have been made stays unconfirmed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...core.domain.errors import ChangeUnconfirmed, QueueUnavailable
from ...core.services.support.repeated_calls import DatabasePatience
from .outages import DatabaseUnavailable
from .schema import audit_log

_ENTRY = "audit entry"
_NUMBER = "select pg_current_xact_id_if_assigned()::text"
_STATUS = text("select pg_xact_status(cast(:number as xid8))")
_OF_THE_FUTURE = "22023"
"""SQLSTATE: the server has not given that number yet, so it has lost the transaction."""

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


def note_entry(connection: AsyncConnection, entry: UUID) -> None:
    """Note the audit entry that proves the change of the transaction under way."""
    connection.info[_ENTRY] = entry


def forget_entry(connection: AsyncConnection) -> None:
    """Forget what an earlier transaction on the same connection has noted."""
    connection.info.pop(_ENTRY, None)


class Change(msgspec.Struct, frozen=True):
    """A transaction that has changed something: its number, and the audit entry in it, if any."""

    number: str
    entry: UUID | None

    @classmethod
    async def of(cls, connection: AsyncConnection, used: psycopg.AsyncConnection[Any]) -> Change | None:
        """That of the transaction under way; None where it has changed nothing so far. psycopg.Error.

        `used` is the driver's connection, which is asked directly: many reads pass here (a third of the time).
        """
        row = await (await used.execute(_NUMBER)).fetchone()
        number = None if row is None else row[0]
        return None if number is None else cls(number, connection.info.get(_ENTRY))

    async def confirm(self, begin: Begin, patience: DatabasePatience, lost: DatabaseUnavailable) -> None:
        """Return where it was committed; raise `lost` where it was not, and ChangeUnconfirmed where that stays open."""

        async def ask() -> bool:
            status = await self._status(begin)
            if status == "in progress":  # its connection is lost, which the server has not noticed yet
                raise QueueUnavailable("The database has not ended the transaction yet.")
            if status != "committed":
                return False
            if self.entry is None:
                raise _unconfirmed()
            async with begin() as connection:  # a further statement, which sees what was committed meanwhile
                return await connection.scalar(select(audit_log.c.id).where(audit_log.c.id == self.entry)) is not None

        try:
            is_committed = await patience(ask)
        except ChangeUnconfirmed:
            raise
        except QueueUnavailable as error:
            raise _unconfirmed() from error
        if not is_committed:
            raise lost

    async def _status(self, begin: Begin) -> str | None:
        try:
            async with begin() as connection:
                status: str | None = await connection.scalar(_STATUS, {"number": self.number})
                return status
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _OF_THE_FUTURE:
                return None
            raise


def _unconfirmed() -> ChangeUnconfirmed:
    return ChangeUnconfirmed(
        "The database did not confirm the change, which may have been made. See whether it was before you repeat it."
    )
