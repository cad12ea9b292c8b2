"""`photochanger admin` and `photochanger ingest-password`: administrators, signing keys, the cameras' password."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import click
import msgspec
from rich.table import Table

from ...core.domain.accounts import COMMAND_LINE, ROLES, Admin, Permission, Role, role_of
from ...core.domain.errors import ConfigurationError
from ...core.services.auth.admin_changes import AdminChange
from ...core.services.auth.admins import AdminService
from ...core.services.auth.shared_secret_key import SharedSecretKey
from ...core.services.auth.signing_keys import SigningKeys
from ...core.services.settings.service import SettingsService
from ..config import Settings
from .runtime import MAX_INPUT_BYTES, configured, open_container, run_async
from .tables import json_text, make_console, make_table

_ROLES = [str(role) for role in Role]


class ListedAdmin(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator as `admin list` shows them."""

    username: str
    role: Role | None
    permissions: tuple[Permission, ...]
    created_at: datetime
    disabled_at: datetime | None
    last_login_at: datetime | None


@click.group()
def admin() -> None:
    """Manage administrators: add, list, disable, change roles and passwords.

    Passwords are prompted for twice, or read from standard input where it is no terminal. They are never taken from an
    argument, which other users of the machine could see. A running service applies changes within a second.
    """


@admin.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_admins(as_json: bool) -> None:
    """List the administrators."""
    admins = run_async(_list(configured()))
    if as_json:
        click.echo(json_text(admins))
    else:
        make_console().print(_table(admins))


@admin.command("add")
@click.argument("username", metavar="NAME")
@click.option("--role", type=click.Choice(_ROLES), help="Owner by default.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    type=click.Choice([str(permission) for permission in Permission]),
    help="A permission to grant instead of those of a role; may be repeated.",
)
def add_admin(username: str, role: str | None, permissions: tuple[str, ...]) -> None:
    """Add an administrator."""
    if role is not None and permissions:
        raise click.UsageError("--role and --permission exclude each other.")
    settings = configured()
    password = _new_password("Password")
    granted = [Permission(permission) for permission in permissions] or ROLES[Role(role or Role.OWNER)]
    added = run_async(_add(settings, username, password, granted))
    click.echo(f"Administrator {added.username} added.")


@admin.command("set-role")
@click.argument("username", metavar="NAME")
@click.argument("role", metavar="ROLE", type=click.Choice(_ROLES))
def set_role(username: str, role: str) -> None:
    """Make an administrator an owner, operator or viewer. Existing tokens have the new permissions within a second."""
    changed = run_async(_set_role(configured(), username, Role(role)))
    click.echo(f"Administrator {changed.username} is now {role}.")


@admin.command("passwd")
@click.argument("username", metavar="NAME")
def change_password(username: str) -> None:
    """Change an administrator's password. Existing tokens are revoked."""
    settings = configured()
    run_async(_set_password(settings, username, _new_password("New password")))
    click.echo(f"Password of {username} changed.")


@admin.command("disable")
@click.argument("username", metavar="NAME")
def disable_admin(username: str) -> None:
    """Disable an administrator: no login, and existing tokens are revoked."""
    run_async(_disable(configured(), username))
    click.echo(f"Administrator {username} disabled.")


@admin.command("enable")
@click.argument("username", metavar="NAME")
def enable_admin(username: str) -> None:
    """Let a disabled administrator log in again."""
    run_async(_enable(configured(), username))
    click.echo(f"Administrator {username} enabled.")


@admin.command("rotate-key")
@click.option("--revoke", is_flag=True, help="Revoke all existing tokens: everybody has to log in again.")
def rotate_key(revoke: bool) -> None:
    """Sign access tokens with a new key. Existing tokens stay valid until they expire."""
    key_id = run_async(_rotate_key(configured(), revoke=revoke))
    click.echo(f"Access tokens are now signed with key {key_id}.")


@admin.command("change-secret-key")
def change_secret_key() -> None:
    """Make the secret key of this host that of the database. Stop all hosts first.

    What was stored under the old key cannot be decrypted: everybody has to log in again, and each provider's key and
    webhook's secret has to be set again. `photochanger doctor` names them.
    """
    run_async(_change_secret_key(configured()))
    click.echo("The secret key of this host is now that of the database. Set the same one on every other host.")


@click.command("ingest-password")
def ingest_password() -> None:
    """Change the ingest password; a running service applies it within a second.

    It is prompted for twice, or read from standard input where it is no terminal. Photos in progress are not affected.
    """
    settings = configured()
    run_async(_set_ingest_password(settings, _new_password("New ingest password")))
    click.echo("Ingest password changed; a running service applies it within a second.")


def _new_password(prompt: str) -> str:
    """Prompt twice at a terminal, else read standard input without its final newline. ConfigurationError."""
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True))
    try:
        return sys.stdin.buffer.read(MAX_INPUT_BYTES).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError("standard input", "is not UTF-8") from None


async def _list(settings: Settings) -> list[ListedAdmin]:
    async with open_container(settings) as container:
        return [
            ListedAdmin(
                username=admin.username,
                role=role_of(admin.permissions),
                permissions=admin.permissions,
                created_at=admin.created_at,
                disabled_at=admin.disabled_at,
                last_login_at=admin.last_login_at,
            )
            for admin in await (await container.get(AdminService)).list()
        ]


async def _add(settings: Settings, username: str, password: str, permissions: Sequence[Permission]) -> Admin:
    async with open_container(settings, uses_key=True) as container:
        admins: AdminService = await container.get(AdminService)
        return await admins.add(username, password, permissions=permissions, by=COMMAND_LINE)


async def _set_role(settings: Settings, username: str, role: Role) -> Admin:
    async with open_container(settings) as container:
        admins: AdminService = await container.get(AdminService)
        return await admins.change(username, AdminChange(permissions=ROLES[role]), by=COMMAND_LINE)


async def _set_password(settings: Settings, username: str, password: str) -> None:
    async with open_container(settings, uses_key=True) as container:
        await (await container.get(AdminService)).set_password(username, password, by=COMMAND_LINE)


async def _disable(settings: Settings, username: str) -> None:
    async with open_container(settings) as container:
        await (await container.get(AdminService)).disable(username, by=COMMAND_LINE)


async def _enable(settings: Settings, username: str) -> None:
    async with open_container(settings) as container:
        await (await container.get(AdminService)).enable(username, by=COMMAND_LINE)


async def _rotate_key(settings: Settings, *, revoke: bool) -> str:
    async with open_container(settings, uses_key=True) as container:
        keys = await container.get(SigningKeys)
        return await (keys.revoke if revoke else keys.rotate)(by=COMMAND_LINE)


async def _change_secret_key(settings: Settings) -> None:
    async with open_container(settings) as container:
        await (await container.get(SharedSecretKey)).change(by=COMMAND_LINE)


async def _set_ingest_password(settings: Settings, password: str) -> None:
    async with open_container(settings, uses_key=True) as container:
        service = await container.get(SettingsService)
        await service.change({"ingest_password": password}, expected_version=None, by=COMMAND_LINE)


def _table(admins: Sequence[ListedAdmin]) -> Table:
    table = make_table("Name", "Role", "Added", "Last sign-in", "State")
    for admin in admins:
        table.add_row(
            admin.username,
            str(admin.role) if admin.role is not None else "\n".join(("custom:", *admin.permissions)),
            _minute(admin.created_at),
            "never" if admin.last_login_at is None else _minute(admin.last_login_at),
            "enabled" if admin.disabled_at is None else f"disabled {_minute(admin.disabled_at)}",
        )
    return table


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
