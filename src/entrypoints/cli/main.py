"""The `photochanger` command: a table of its commands, each loaded when it is called, and the exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple

import click

from ...core.domain.errors import ConfigurationError, PhotoChangerError
from . import INTERRUPTED


class _Lazy(NamedTuple):
    """Where a command is defined, and its line in `photochanger --help`."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "admin": _Lazy("admin", "admin", "Manage administrators: add, list, disable, change passwords."),
    "backup": _Lazy("backup", "backup", "Write database, media and secret key to one file."),
    "db": _Lazy("db_move", "db", "Manage the database."),
    "demo": _Lazy("demo", "demo", "Send sample photos through a temporary service."),
    "doctor": _Lazy("doctor", "doctor", "Check the configuration and say how to fix it."),
    "fetch": _Lazy("fetch.command", "fetch", "Download the pictures of an evening; resumes."),
    "healthcheck": _Lazy("healthcheck", "healthcheck", "Check that the service on this machine answers."),
    "ingest-keys": _Lazy("ingest_keys", "ingest_keys", "Manage the ingest keys of booths: add, list, revoke."),
    "ingest-password": _Lazy("admin", "ingest_password", "Change the ingest password."),
    "jobs": _Lazy("jobs", "jobs", "Erase guests."),
    "media": _Lazy("media.command", "media", "Move the files between folder and bucket."),
    "migrate": _Lazy("serve", "migrate", "Update the database schema."),
    "providers": _Lazy("providers", "providers", "List providers; manage their keys and limits."),
    "ready-check": _Lazy("ready_check", "ready_check", "Test every active slot with a sample photo."),
    "restore": _Lazy("backup", "restore", "Restore a backup into an empty installation."),
    "send": _Lazy("send.command", "send", "Send photos to a service and save the pictures."),
    "serve": _Lazy("serve", "serve", "Serve HTTP and run the workers."),
    "slots": _Lazy("slots", "slots", "Export and import slots."),
    "stats": _Lazy("stats", "stats", "Manage statistics."),
    "status": _Lazy("status", "status", "Show queue, workers, providers, disk and failures."),
    "sweep": _Lazy("serve", "sweep", "Delete expired and orphaned files."),
    "watch": _Lazy("watch.command", "watch", "Send every photo that appears in a folder."),
    "worker": _Lazy("serve", "worker", "Run workers without HTTP."),
}


ON_WINDOWS = sys.platform == "win32"

_ON_WINDOWS_TOO = frozenset({"fetch", "send", "watch"})


class LazyGroup(click.Group):
    """A group that imports the module of a command only to run it: `send` loads no server, `serve` no client."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (lazy := COMMANDS.get(cmd_name)) is None:
            return None
        if ON_WINDOWS and cmd_name not in _ON_WINDOWS_TOO:
            other = "On Windows use `photochanger send`, `watch` and `fetch`."
            detail = f"`photochanger {cmd_name}` needs Linux or macOS. {other}"
            raise click.ClickException(detail)
        command: click.Command = getattr(import_module(f".{lazy.module}", __package__), lazy.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup)
@click.version_option(package_name="photochanger", message="%(prog)s %(version)s", prog_name="photochanger")
def cli() -> None:
    """PhotoChanger: photos in, finished pictures out, before the deadline."""


def main() -> None:
    """Run the command line and exit: 0 success, 1 failure, 2 wrong usage or configuration, 130 Ctrl-C."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigurationError as error:
        click.echo(f"photochanger: {error.detail}", err=True)
        sys.exit(2)
    except PhotoChangerError as error:
        click.echo(f"photochanger: {error.explanation}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"photochanger: {error}", err=True)
        sys.exit(1)
