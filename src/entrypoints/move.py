"""Moving from the embedded PostgreSQL to an external one."""

from __future__ import annotations

from ..adapters.postgres import (
    EmbeddedServer,
    filling,
    migrate,
    snapshot,
)
from ..core.domain.errors import ConfigurationError
from .config import PREFIX, Settings
from .container import DATABASE


def move(settings: Settings, url: str) -> dict[str, int]:
    """Copy everything from the embedded server to the database at `url`, which must be empty; the rows by table.

    Blocks. The source stays as it is; nobody else can use it meanwhile. The rows are counted at both ends, and the
    target gets all of them or none. Raises ConfigurationError (nothing is embedded here), EmbeddedServerError (a
    service uses it), TargetNotEmpty, TransferFailed, QueueUnavailable.
    """
    if settings.database_url is not None:
        raise ConfigurationError(PREFIX + "DATABASE_URL", "is set: the database is an external one already")
    folder = settings.home / "postgres"
    if not (folder / "data" / "PG_VERSION").exists():
        raise ConfigurationError(PREFIX + "HOME", f"has no embedded database: {settings.home.absolute()}")
    with EmbeddedServer.start(folder) as server, server.alone():
        server.ensure_database(DATABASE)
        source = server.url(DATABASE)
        migrate(source)
        with snapshot(source) as tables, filling(url, tables.revision) as target:
            for table in tables.tables:
                target.fill(table, tables.copy(table))
            target.finish(tables.rows)
    return tables.rows
