"""A snapshot of all rows, copied to a file or another database by COPY.

COPY's text format is the same in every version of PostgreSQL and needs no program of the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from ...core.domain.errors import PhotoChangerError, QueueUnavailable
from .command_connection import CONNECT_TIMEOUT_SECONDS
from .connection import KEEPALIVE
from .migrate import known_revision, migrate
from .schema import SCHEMA
from .servers.connector import primary_url

_VERSION_TABLE = "alembic_version"
_FILLED_BY_MIGRATIONS = ("app_settings", "history")
"""Tables that are not empty in a new schema."""


class TargetNotEmpty(PhotoChangerError):
    """The target already contains data."""

    code = "target_not_empty"


class TransferFailed(PhotoChangerError):
    """The data did not arrive completely, or this version cannot read it; nothing was stored in the target."""

    code = "transfer_failed"


class TableShape(msgspec.Struct, frozen=True):
    """A table and its columns, without generated ones."""

    name: str
    columns: tuple[str, ...]


class Snapshot:
    """A consistent view of all tables; in `tables`, a table comes before those that refer to it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.revision: str = _scalar(connection, sql.SQL("select version_num from {}"), _table(_VERSION_TABLE))
        self.tables = tuple(_tables(connection))
        self.rows: dict[str, int] = {}

    def copy(self, table: TableShape) -> Iterator[bytes]:
        """The rows of a table in COPY's text format; sets their number in `rows` once all are read."""
        query = sql.SQL("copy (select {} from {}) to stdout").format(_columns(table), _table(table.name))
        with self._connection.cursor() as cursor:
            with cursor.copy(query) as copy:
                for chunk in copy:
                    yield bytes(chunk)
            self.rows[table.name] = cursor.rowcount


class DatabaseImport:
    """An import of rows in one transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def fill(self, table: TableShape, chunks: Iterable[bytes]) -> None:
        """Replace the rows of a table by rows in COPY's text format."""
        self._connection.execute(sql.SQL("delete from {}").format(_table(table.name)))
        query = sql.SQL("copy {} ({}) from stdin").format(_table(table.name), _columns(table))
        with self._connection.cursor() as cursor, cursor.copy(query) as copy:
            for chunk in chunks:
                copy.write(chunk)

    def finish(self, rows: dict[str, int]) -> None:
        """Set the sequences, and compare the number of rows with the source. TransferFailed."""
        for name, column in self._connection.execute(_NUMBERED, {"schema": SCHEMA}).fetchall():
            query = sql.SQL("select setval(pg_get_serial_sequence(%s, %s), max({0})) from {1} having count(*) > 0")
            self._connection.execute(query.format(sql.Identifier(column), _table(name)), (f"{SCHEMA}.{name}", column))
        for name, expected in rows.items():
            arrived = _count(self._connection, name)
            if arrived != expected:
                raise TransferFailed(f"Only {arrived} of {expected} rows of {name} arrived.")


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """A snapshot of the tables that concurrent writes do not change, for the length of the block.

    QueueUnavailable, TransferFailed (a database error, or no schema of PhotoChanger).
    """
    with _connected(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute(_SETTINGS)
        yield Snapshot(connection)


@contextmanager
def filling(url: str, revision: str) -> Iterator[DatabaseImport]:
    """Create the schema of this revision in an empty database, for an import that the end of the block commits.

    TargetNotEmpty, TransferFailed (a database error, or a revision of a newer version), QueueUnavailable.
    """
    require_known(revision)
    with _connected(url) as connection:
        connection.execute(_SETTINGS)
        _require_empty(connection)
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(SCHEMA)))
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
    migrate(url, to=revision)
    with _connected(url) as connection:
        connection.execute(_SETTINGS)
        yield DatabaseImport(connection)
        connection.execute("analyze")


def require_known(revision: str) -> None:
    """Raise TransferFailed if the revision is that of a newer version."""
    if not known_revision(revision):
        raise TransferFailed(f"The data has schema {revision}, which is newer than this version; update PhotoChanger.")


def require_empty(url: str) -> None:
    """Raise TargetNotEmpty if the database contains data of PhotoChanger. QueueUnavailable."""
    with _connected(url) as connection:
        _require_empty(connection)


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection without a statement timeout; the block is one transaction."""
    try:
        with psycopg.connect(
            primary_url(url),
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="photochanger transfer",
            prepare_threshold=None,
            **KEEPALIVE,
        ) as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise QueueUnavailable("The database cannot be reached.") from error
    except psycopg.DatabaseError as error:  # its text may contain values of a row
        raise TransferFailed(f"The database reported an error: {type(error).__name__}.") from error


def _require_empty(connection: psycopg.Connection[Any]) -> None:
    for table in _tables(connection):
        if table.name not in _FILLED_BY_MIGRATIONS and _count(connection, table.name):
            raise TargetNotEmpty(f"The database must be empty, but contains data of PhotoChanger (in {table.name}).")


def _tables(connection: psycopg.Connection[Any]) -> Iterator[TableShape]:
    """The tables of the schema; each comes before those that refer to it."""
    shapes = {
        name: TableShape(name, tuple(columns))
        for name, columns in connection.execute(_SHAPES, {"schema": SCHEMA}).fetchall()
        if name != _VERSION_TABLE
    }
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(shapes, ()))
    for name, referred in connection.execute(_REFERENCES, {"schema": SCHEMA}).fetchall():
        if name in shapes and referred in shapes:
            order.add(name, referred)
    return (shapes[name] for name in order.static_order())


def _count(connection: psycopg.Connection[Any], name: str) -> int:
    return int(_scalar(connection, sql.SQL("select count(*) from {}"), _table(name)))


def _scalar(connection: psycopg.Connection[Any], query: sql.SQL, *parts: sql.Composable) -> Any:
    row = connection.execute(query.format(*parts)).fetchone()
    if row is None:
        raise TransferFailed("The database has no schema of PhotoChanger.")
    return row[0]


def _table(name: str) -> sql.Identifier:
    return sql.Identifier(SCHEMA, name)


def _columns(table: TableShape) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column) for column in table.columns)


_SETTINGS = "select set_config('timezone', 'UTC', true), set_config('statement_timeout', '0', true)"
"""For the transaction, not for the session: a pooler may lend its connection to others afterwards."""

_SHAPES = """
    select c.relname, array_agg(a.attname::text order by a.attnum)
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    where c.relnamespace = to_regnamespace(%(schema)s) and c.relkind in ('r', 'p') and not c.relispartition
        and c.relpersistence = 'p'  -- an unlogged table is about processes that run
    group by c.relname
    order by c.relname
"""

_REFERENCES = """
    select child.relname, parent.relname
    from pg_constraint f
    join pg_class child on child.oid = f.conrelid
    join pg_class parent on parent.oid = f.confrelid
    where f.contype = 'f' and f.conrelid <> f.confrelid and child.relnamespace = to_regnamespace(%(schema)s)
"""

_NUMBERED = """
    select c.relname, a.attname
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = to_regnamespace(%(schema)s) and c.relkind in ('r', 'p') and not c.relispartition
        and pg_get_serial_sequence(format('%%I.%%I', %(schema)s, c.relname), a.attname) is not null
"""
