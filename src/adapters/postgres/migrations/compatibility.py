"""Which code may use which schema (ADR 83).

Hosts of two neighbouring releases use one database during an upgrade, so a migration only adds (it expands). What the
code of the release before still uses is removed one release later, by a migration that says so in a module attribute:

    oldest_code = "0014"  # the oldest revision whose code can use the schema from here on

The database records the newest such revision beside its own. Code whose revisions do not include the database's may use
it if they include the recorded one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from ..schema import SCHEMA

RELEASES = {"0.1.0": "0001", "0.2.0": "0011"}
"""The last revision of each release, oldest release first. A release adds its own (CONTRIBUTING.md)."""

FIRST_ROLLING = "0.3.0"
"""The first release whose code can use a newer schema: before it, hosts of two releases were never ready together."""

STRICT_UNTIL = RELEASES["0.2.0"]
"""The code of this revision and of older ones uses no schema but its own."""

READ_SCHEMA = text(f"select to_jsonb(only_row) from {SCHEMA}.alembic_version as only_row")
"""The revision and, once a migration after STRICT_UNTIL has run, `oldest_code`; as JSON, since the column is missing
before."""

_ADD_COLUMN = text(f"alter table {SCHEMA}.alembic_version add column if not exists oldest_code text")
_RECORD = text(
    f"update {SCHEMA}.alembic_version set oldest_code = greatest(coalesce(oldest_code, :strict), cast(:oldest as text))"
)


def record_oldest_code(connection: Connection, *, revision: str, oldest_code: str | None) -> None:
    """Record which code may use the schema from this revision on, in the transaction of the step to it."""
    if revision > STRICT_UNTIL:
        connection.execute(_ADD_COLUMN)
        connection.execute(_RECORD, {"strict": STRICT_UNTIL, "oldest": oldest_code})


def unusable(schema: dict[str, Any] | None, revisions: tuple[str, ...]) -> str | None:
    """Why code with these revisions, oldest first, cannot use this schema, as a sentence; None where it can."""
    head = revisions[-1]
    if schema is None:
        return f"The database schema is missing; this version needs {head}. Run `photochanger migrate`."
    revision, oldest = schema["version_num"], schema.get("oldest_code")
    if revision == head or (revision not in revisions and oldest in revisions):
        return None
    if revision in revisions:
        return f"The database schema is {revision}; this version needs {head}. Run `photochanger migrate`."
    known = f"code older than that of {oldest} cannot use it" if oldest else "only code that has it can use it"
    return (
        f"The database has the newer schema {revision}; {known}, and this version has {head}. "
        "Install the version of the other hosts."
    )
