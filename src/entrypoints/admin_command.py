"""What `photochanger admin` and `photochanger ingest-password` show and do: who may come in, and with what."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from datetime import datetime
from io import StringIO

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from ..core.domain.accounts import COMMAND_LINE, Admin, Permission
from ..core.services.auth.admins import AdminService
from ..core.services.auth.signing_keys import SigningKeys
from ..core.services.settings.service import SettingsService
from .config import Settings
from .opened import opened

_WIDTH = 120
"""Of the table in characters where it goes to no terminal."""


class ListedAdmin(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator as the command shows them."""

    username: str
    permissions: tuple[Permission, ...]
    created_at: datetime
    disabled_at: datetime | None


async def describe(settings: Settings) -> list[ListedAdmin]:
    """The administrators by name. QueueUnavailable."""
    async with opened(settings) as container:
        return [
            ListedAdmin(
                username=admin.username,
                permissions=admin.permissions,
                created_at=admin.created_at,
                disabled_at=admin.disabled_at,
            )
            for admin in await (await container.get(AdminService)).list()
        ]


async def add(settings: Settings, username: str, password: str, *, permissions: Collection[Permission]) -> Admin:
    """Add an administrator. AdminExists, InvalidSettings, QueueUnavailable."""
    async with opened(settings) as container:
        admins: AdminService = await container.get(AdminService)
        return await admins.add(username, password, permissions=permissions, by=COMMAND_LINE)


async def set_password(settings: Settings, username: str, password: str) -> None:
    """Give an administrator another password. AdminNotFound, InvalidSettings, QueueUnavailable."""
    async with opened(settings) as container:
        await (await container.get(AdminService)).set_password(username, password, by=COMMAND_LINE)


async def disable(settings: Settings, username: str) -> None:
    """Shut an administrator out. AdminNotFound, InvalidSettings, QueueUnavailable."""
    async with opened(settings) as container:
        await (await container.get(AdminService)).disable(username, by=COMMAND_LINE)


async def enable(settings: Settings, username: str) -> None:
    """Let a disabled administrator in again. AdminNotFound, QueueUnavailable."""
    async with opened(settings) as container:
        await (await container.get(AdminService)).enable(username, by=COMMAND_LINE)


async def rotate_key(settings: Settings) -> str:
    """Sign tokens with a new key; its id. SecretKeyUnavailable, QueueUnavailable."""
    async with opened(settings) as container:
        return await (await container.get(SigningKeys)).rotate(by=COMMAND_LINE)


async def revoke_keys(settings: Settings) -> str:
    """The same, and end every token that is out. SecretKeyUnavailable, QueueUnavailable."""
    async with opened(settings) as container:
        return await (await container.get(SigningKeys)).revoke(by=COMMAND_LINE)


async def set_ingest_password(settings: Settings, password: str) -> None:
    """Give the cameras another password. InvalidSettings, QueueUnavailable."""
    async with opened(settings) as container:
        service = await container.get(SettingsService)
        await service.change({"ingest_password": password}, expected_version=None, by=COMMAND_LINE)


def json_text(admins: Sequence[ListedAdmin]) -> str:
    """For scripts."""
    return msgspec.json.format(msgspec.json.encode(admins), indent=2).decode()


def as_table(admins: Sequence[ListedAdmin]) -> str:
    """For people."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("Name", "May", "Added", "State"):
        table.add_column(heading, overflow="fold")
    for admin in admins:
        everything = set(admin.permissions) == set(Permission)
        table.add_row(
            admin.username,
            "everything" if everything else "\n".join(admin.permissions) or "nothing",
            f"{admin.created_at:%Y-%m-%d %H:%M} UTC",
            "enabled" if admin.disabled_at is None else f"disabled {admin.disabled_at:%Y-%m-%d %H:%M} UTC",
        )
    out = StringIO()
    width = shutil.get_terminal_size(fallback=(_WIDTH, 1)).columns
    Console(file=out, width=width, markup=False, highlight=False, emoji=False).print(table)
    return out.getvalue().rstrip()
