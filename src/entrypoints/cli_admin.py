"""`photochanger admin` and `photochanger ingest-password` as commands: their options, questions and last words."""

from __future__ import annotations

import sys

import click

from ..core.domain.accounts import Permission
from ..core.domain.errors import ConfigurationError
from .cli_run import configured, run_async

_MAX_INPUT_BYTES = 64 * 1024


@click.group()
def admin() -> None:
    """Administrators: add and list them, change their passwords, shut them out.

    Passwords are asked for twice, or read from standard input where that is no terminal: never from an argument, which
    other users of the machine could see. What is changed here holds in a running service within a second.
    """


@admin.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_admins(as_json: bool) -> None:
    """List the administrators."""
    from .admin_command import as_table, describe, json_text

    admins = run_async(describe(configured()))
    click.echo(json_text(admins) if as_json else as_table(admins))


@admin.command("add")
@click.argument("username", metavar="NAME")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    type=click.Choice([str(permission) for permission in Permission]),
    help="What they may do; all of it where this is not given.",
)
def add_admin(username: str, permissions: tuple[str, ...]) -> None:
    """Add an administrator."""
    from .admin_command import add

    settings = configured()
    password = _new_password("Password")
    chosen = [Permission(permission) for permission in permissions] or list(Permission)
    added = run_async(add(settings, username, password, permissions=chosen))
    click.echo(f"The administrator {added.username} is added.")


@admin.command("passwd")
@click.argument("username", metavar="NAME")
def change_password(username: str) -> None:
    """Give an administrator another password; tokens from before hold no more."""
    from .admin_command import set_password

    settings = configured()
    run_async(set_password(settings, username, _new_password("New password")))
    click.echo(f"The password of {username} is changed.")


@admin.command("disable")
@click.argument("username", metavar="NAME")
def disable_admin(username: str) -> None:
    """Shut an administrator out: no login, and their tokens end."""
    from .admin_command import disable

    run_async(disable(configured(), username))
    click.echo(f"The administrator {username} is disabled.")


@admin.command("enable")
@click.argument("username", metavar="NAME")
def enable_admin(username: str) -> None:
    """Let a disabled administrator log in again."""
    from .admin_command import enable

    run_async(enable(configured(), username))
    click.echo(f"The administrator {username} is enabled.")


@admin.command("rotate-key")
@click.option("--revoke", is_flag=True, help="End every token that is out: everybody has to log in again.")
def rotate_key(revoke: bool) -> None:
    """Sign access tokens with a new key; those that are out hold until they end."""
    from .admin_command import revoke_keys, rotate_key

    key_id = run_async((revoke_keys if revoke else rotate_key)(configured()))
    click.echo(f"Access tokens are signed with the new key {key_id}.")


@click.command("ingest-password")
def ingest_password() -> None:
    """Give the cameras another password; a running service takes it within a second.

    It is asked for twice, or read from standard input where that is no terminal. Photos that are under way go on.
    """
    from .admin_command import set_ingest_password

    settings = configured()
    run_async(set_ingest_password(settings, _new_password("New ingest password")))
    click.echo("The ingest password is changed; a running service takes it within a second.")


def _new_password(what: str) -> str:
    """Asked for twice where somebody can answer, else all of standard input but the end of its line.

    ConfigurationError.
    """
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, confirmation_prompt=True, err=True))
    try:
        return sys.stdin.buffer.read(_MAX_INPUT_BYTES).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError("standard input", "is not UTF-8") from None
