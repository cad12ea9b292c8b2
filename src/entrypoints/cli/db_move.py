"""`photochanger db move`: copy everything from the embedded PostgreSQL to an external one."""

from __future__ import annotations

import click

from ...adapters.postgres import EmbeddedServer, filling, migrate, snapshot
from ...core.domain.errors import ConfigurationError
from ..adapter_wiring import DATABASE
from ..config import PREFIX, Settings
from ..config_urls import postgres_url
from .runtime import configured


@click.group()
def db() -> None:
    """Manage the database."""


@db.command("move")
@click.argument("url", metavar="URL")
def move(url: str) -> None:
    """Copy everything from the embedded PostgreSQL to an empty one at URL (postgresql://..., or keywords of libpq).

    Stop the service first. Do not put the password into URL, which other users of the machine could see: use PGPASSWORD
    or ~/.pgpass.
    """
    try:
        target = postgres_url(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="URL") from None
    rows = move_database(configured(), target)
    click.echo(f"Copied {sum(rows.values())} rows of {len(rows)} tables; the counts match.")
    click.echo("Set PHOTOCHANGER_DATABASE_URL to this database for every process before you start the service again.")
    click.echo("The embedded data is unchanged and no longer used; delete it once everything works.")


def move_database(settings: Settings, url: str) -> dict[str, int]:
    """Copy everything from the embedded server to the empty database at `url`; returns the number of rows by table.

    Blocks. The source is unchanged, and cannot be used by others meanwhile. The rows are counted at both ends; the
    target gets all of them or none. ConfigurationError (no embedded database), EmbeddedServerError (a service uses it),
    TargetNotEmpty, TransferFailed, QueueUnavailable.
    """
    if settings.database_url is not None:
        raise ConfigurationError(PREFIX + "DATABASE_URL", "is set: the database is already an external one")
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
