"""Which errors of the database are an outage, to be waited for, and which ones a wait does not help against."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ...core.domain.errors import QueueUnavailable
from ...core.domain.outside_text import cut

_OUTAGES = frozenset({"08", "25", "53", "57"})
"""SQLSTATE classes: connection lost, read-only after a failover, out of resources, shut down or starting up."""

_REFUSALS = ("28", "3D", "42501")
"""SQLSTATE classes and codes: not authorized, no such database, not permitted."""

_REFUSED_WORDS = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "authentication failed for user",
    "does not exist",
    "no such database",  # PgBouncer
    "is not permitted to log in",
    "permission denied",
    "invalid ",  # a connection option, such as the value of sslmode
)
"""libpq reports a connection that failed in words, without an SQLSTATE."""

_WAITED_FOR_WORDS = ("starting up", "shutting down", "too many", "remaining connection slots", "Connection refused")
"""With several hosts one may be refused and the other away: that is waited for."""

_MAX_REASON_CHARS = 500


class DatabaseUnavailable(QueueUnavailable):
    """The database cannot be used now. `reason` says why in one line, for the operator, not for HTTP clients."""

    def __init__(self, reason: str) -> None:
        super().__init__("The database cannot be reached right now.")
        self.reason = reason

    @property
    def explanation(self) -> str:
        return f"The database cannot be used: {self.reason}."


class DatabaseRefused(DatabaseUnavailable):
    """The database refuses this configuration, such as a wrong password or name: waiting does not help."""


class ReplyMissing(psycopg.OperationalError):
    """The database did not reply in time; the connection was closed."""


def is_outage(error: BaseException) -> bool:
    """Whether the statement may succeed later: the database is away, read-only, full, or the connection is lost."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (error.orig is not None and is_outage(error.orig))
    if isinstance(error, psycopg.Error):
        if error.sqlstate is not None and error.sqlstate[:2] in _OUTAGES:
            return True
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return isinstance(error, PoolTimeout | OSError)


def is_refusal(error: BaseException) -> bool:
    """Whether the database refuses the configuration: name, password, rights."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return False
    if cause.sqlstate is not None:
        return cause.sqlstate.startswith(_REFUSALS)
    if isinstance(cause, psycopg.ProgrammingError):  # a URL that libpq cannot read
        return True
    words = cut(str(cause), 4 * _MAX_REASON_CHARS)
    return any(word in words for word in _REFUSED_WORDS) and not any(word in words for word in _WAITED_FOR_WORDS)


def reason_of(error: BaseException) -> str:
    """What the database or libpq says, in one line. A connection URL is never quoted."""
    if isinstance(error, DatabaseUnavailable):
        return error.reason
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, psycopg.ProgrammingError) and cause.sqlstate is None:
        return "the connection URL cannot be read; check its form"  # libpq quotes the URL, password included
    if isinstance(cause, psycopg.Error) and cause.diag.message_primary:
        return cut(" ".join(cause.diag.message_primary.split()), _MAX_REASON_CHARS)
    words = " ".join(cut(str(cause), 4 * _MAX_REASON_CHARS).split())
    return cut(words or type(cause).__name__, _MAX_REASON_CHARS)


def outage_of(error: BaseException) -> DatabaseUnavailable:
    """The port's error for an outage or a refusal."""
    kind = DatabaseRefused if is_refusal(error) else DatabaseUnavailable
    return kind(reason_of(error))


@contextlib.contextmanager
def unavailable() -> Iterator[None]:
    """Raise DatabaseUnavailable in place of the errors of a lost, refused, read-only or stuck database."""
    try:
        yield
    except (psycopg.Error, DBAPIError, PoolTimeout, OSError) as error:
        if not is_outage(error):
            raise
        raise outage_of(error) from error
