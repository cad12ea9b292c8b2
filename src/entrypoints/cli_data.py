"""`photochanger backup`, `restore` and `db` as commands: their options and last words."""

from __future__ import annotations

from pathlib import Path

import click

from .cli_run import configured, run_async


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write database, media and the service's secret to FILE, a tar archive. The service may run meanwhile.

    Guard FILE as you guard the service: it holds pictures of guests, and with secret.key the stored keys.
    """
    from .backup import back_up

    moved = run_async(back_up(configured(), file))
    click.echo(f"{moved.rows} rows and {moved.files} files are in {file}.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def restore(file: Path) -> None:
    """Bring the backup FILE into an empty home, or an empty database and media folder. Stop the service first."""
    from .backup import restore as run

    moved = run_async(run(configured(), file))
    click.echo(f"{moved.rows} rows and {moved.files} files are restored.")


@click.group()
def db() -> None:
    """The database as a whole."""


@db.command("move")
@click.argument("url", metavar="URL")
def move(url: str) -> None:
    """Copy everything from the embedded PostgreSQL to an empty database at URL (postgresql://...).

    Stop the service first. Leave the password out of URL, which other users of the machine could see: PGPASSWORD or
    ~/.pgpass is the place for it.
    """
    from .move import move as run

    if not url.startswith(("postgresql://", "postgres://")):
        raise click.BadParameter("begins with postgresql://", param_hint="URL")
    rows = run(configured(), url)
    click.echo(f"{sum(rows.values())} rows of {len(rows)} tables were copied and counted at both ends.")
    click.echo("Set PHOTOCHANGER_DATABASE_URL to this database for every process before you start the service again.")
    click.echo("The embedded data stays where it is, and nothing changes it any more: remove it when all works.")
