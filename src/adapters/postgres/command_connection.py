"""Connections outside of an event loop: for migrations, which each process makes as it starts, and for commands."""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from .connection import KEEPALIVE, require_encoding
from .outages import ReplyMissing, outage_of

CONNECT_TIMEOUT_SECONDS = 5
REPLY_SECONDS = 10.0
"""Limit for the reply to a short statement."""

_Answer = TypeVar("_Answer")


class CommandConnection(psycopg.Connection[Any]):
    """A connection that is closed when a reply takes longer than `reply_within` seconds (None: no limit): ReplyMissing.

    A start would wait for ever where the network, or what stands between, swallows a statement or its reply.
    """

    reply_within: float | None = REPLY_SECONDS

    def wait(self, gen: PQGen[_Answer], *args: Any, **options: Any) -> _Answer:
        limit = self.reply_within
        try:
            return super().wait(gen, *args, **{"timeout": limit, **options})
        except psycopg.OperationalError as error:
            if limit is None or self.closed or error.sqlstate is not None:
                raise
            self.pgconn.finish()  # what the reply would be read for is unknown
            raise ReplyMissing(f"no reply within {limit:g} s") from error


def connect_now(url: str, **options: Any) -> CommandConnection:
    """A connection for a command. DatabaseUnavailable, DatabaseRefused.

    It prepares no statement: a pooler may run the next transaction where that is unknown.
    """
    try:
        connection = CommandConnection.connect(
            url, connect_timeout=CONNECT_TIMEOUT_SECONDS, prepare_threshold=None, **KEEPALIVE, **options
        )
    except (psycopg.Error, OSError) as error:
        raise outage_of(error) from error
    require_encoding(connection)
    return connection
