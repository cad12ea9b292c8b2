"""What a migration changes, as PostgreSQL's catalogs show it, and what hosts of the release before cannot live with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from photochanger.adapters.postgres.schema import SCHEMA
from sqlalchemy import Connection, event, text

_TABLES = text("""
    select relname, relkind::text as kind, oid::bigint as oid, relfilenode::bigint as file from pg_class
    where relnamespace = to_regnamespace(:schema) and relkind in ('r', 'p', 'v', 'm') and not relispartition
""")
_COLUMNS = text("""
    select c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
        (a.atthasdef or a.attidentity <> '' or a.attgenerated <> '') as filled, a.attgenerated <> '' as generated
    from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = to_regnamespace(:schema) and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
""")
_CONSTRAINTS = text("""
    select c.relname || '.' || k.conname, k.contype::text as kind, pg_get_constraintdef(k.oid) as definition
    from pg_constraint as k join pg_class as c on c.oid = k.conrelid
    where k.connamespace = to_regnamespace(:schema) and k.contype <> 'n'
""")
_UNIQUE_INDEXES = text("""
    select c.relname || '.' || i.relname, pg_get_indexdef(x.indexrelid) as definition
    from pg_index as x join pg_class as c on c.oid = x.indrelid join pg_class as i on i.oid = x.indexrelid
    where c.relnamespace = to_regnamespace(:schema) and x.indisunique
""")
_FUNCTIONS = text("""
    select proname || '(' || pg_get_function_identity_arguments(oid) || ')', pg_get_function_result(oid) as result,
        pg_get_function_arguments(oid) as arguments
    from pg_proc where pronamespace = to_regnamespace(:schema)
""")

_INDEX = re.compile(
    r"\bcreate\s+(?:unique\s+)?index\s+(?!concurrently)(?:if\s+not\s+exists\s+)?\S+\s+on\s+(?:only\s+)?(\S+)", re.I
)
_WRITE = re.compile(
    r"\b(?:update|delete\s+from|merge\s+into|truncate(?:\s+table)?)\s+(?:only\s+)?(photochanger\.\w+)", re.I
)
_BODY = re.compile(r"\$\w*\$.*?\$\w*\$", re.S)


class _Schema(NamedTuple):
    """The catalogs' rows by name."""

    tables: dict[str, Any]
    columns: dict[str, Any]
    constraints: dict[str, Any]
    unique: dict[str, Any]
    functions: dict[str, Any]


class Changes(NamedTuple):
    """What the step does. Both are lists of `subject: what`.

    `breaking`: code of the revision before fails with it, or reads what is wrong.
    `blocking`: requests wait for it while it runs, for as long as the table is large.
    """

    breaking: list[str]
    blocking: list[str]


def changes(connection: Connection, step: Callable[[], None]) -> Changes:
    """Take the step, and say what it changes in the schema of the service."""
    before = _read(connection)
    with _statements(connection) as executed:
        step()
    after = _read(connection)
    return Changes([*_breaking(before, after)], [*_blocking(before, after, executed)])


def _read(connection: Connection) -> _Schema:
    queries = (_TABLES, _COLUMNS, _CONSTRAINTS, _UNIQUE_INDEXES, _FUNCTIONS)
    found = [connection.execute(query, {"schema": SCHEMA}).all() for query in queries]
    return _Schema(*({row[0]: row for row in rows if not row[0].startswith("alembic_version")} for rows in found))


@contextmanager
def _statements(connection: Connection) -> Iterator[list[str]]:
    executed: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        executed.append(_BODY.sub("", statement))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(connection, "before_cursor_execute", note)


def _breaking(before: _Schema, after: _Schema) -> Iterator[str]:
    for name, table in before.tables.items():
        now = after.tables.get(name)
        if now is None:
            yield f"{name}: table removed or renamed"
        elif (now.oid, now.kind) != (table.oid, table.kind):
            yield f"{name}: replaced by another table or view"
    kept = before.tables.keys() & after.tables.keys()
    for name, column in before.columns.items():
        if name.partition(".")[0] in kept:
            yield from _of_column(name, column, after.columns.get(name))
    for name, column in after.columns.items():
        is_new = name.partition(".")[0] in kept and name not in before.columns
        if is_new and column.required and not column.filled:
            yield f"{name}: added, required and without a default"
    for word, old, new in (
        ("constraint", before.constraints, after.constraints),
        ("unique index", before.unique, after.unique),
    ):
        for name in sorted(old.keys() | new.keys()):
            if name.partition(".")[0] in kept and old.get(name) != new.get(name):
                yield f"{name}: {word} {'added' if name not in old else 'removed' if name not in new else 'changed'}"
    for name, function in before.functions.items():
        if name not in after.functions:
            yield f"{name}: function removed, renamed or with other arguments"
        elif after.functions[name] != function:
            yield f"{name}: result or defaults of the function changed"


def _of_column(name: str, before: Any, now: Any) -> Iterator[str]:
    if now is None:
        yield f"{name}: column removed or renamed"
        return
    if now.type != before.type:
        yield f"{name}: type changed"
    if now.generated != before.generated:
        yield f"{name}: generated or no longer"
    if now.required and not before.required:
        yield f"{name}: required now"
    if now.required and before.filled and not now.filled:
        yield f"{name}: default removed"


def _blocking(before: _Schema, after: _Schema, executed: list[str]) -> Iterator[str]:
    for name, table in before.tables.items():
        now = after.tables.get(name)
        if now is not None and now.oid == table.oid and now.file != table.file:
            yield f"{name}: rewritten"
    statements = "\n".join(executed)
    old = {f"{SCHEMA}.{name}" for name in before.tables}
    for table in {match[1] for match in _INDEX.finditer(statements)} & old:
        yield f"{table.partition('.')[2]}: index made without CONCURRENTLY"
    for table in {match[1].lower() for match in _WRITE.finditer(statements)} & old:
        yield f"{table.partition('.')[2]}: rows changed by the migration"
