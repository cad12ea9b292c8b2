"""`photochanger ingest-keys`: a key for each booth."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import click
import msgspec

from ...core.domain.accounts import COMMAND_LINE
from ...core.domain.booths.errors import IngestKeyNotFound
from ...core.domain.booths.ingest_key import IngestKey, KeyUse
from ...core.services.auth.ingest_keys import IngestKeys
from ..config import Settings
from .runtime import configured, open_container, run_async
from .tables import json_text, make_console, make_table


class ListedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as `ingest-keys list` shows it."""

    id: UUID
    name: str
    created_at: datetime
    created_by: str
    last_use: KeyUse | None


@click.group("ingest-keys")
def ingest_keys() -> None:
    """Manage the ingest keys of booths: add, list, revoke.

    A booth sends its key instead of the ingest password, or has it at the end of its address (.../k/KEY). A running
    service applies changes within a second.
    """


@ingest_keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_keys(as_json: bool) -> None:
    """List the keys and their last uses."""
    keys = run_async(_list(configured()))
    if as_json:
        click.echo(json_text([_listed(key) for key in keys]))
        return
    table = make_table("booth", "added", "by", "last photo", "slot", "address")
    for key in keys:
        use = key.last_use
        used = ("-", "-", "-") if use is None else (_time(use.at), use.slot_id, use.address)
        table.add_row(key.name, _time(key.created_at), key.created_by, *used)
    make_console().print(table)


@ingest_keys.command("add")
@click.argument("name", metavar="BOOTH")
def add_key(name: str) -> None:
    """Make a key for BOOTH and print it, this once."""
    click.echo(run_async(_add(configured(), name)))


@ingest_keys.command("revoke")
@click.argument("name", metavar="BOOTH")
def revoke_key(name: str) -> None:
    """Revoke the key of BOOTH: photos with it are refused."""
    run_async(_revoke(configured(), name))
    click.echo(f"Ingest key of {name} revoked.")


async def _list(settings: Settings) -> list[IngestKey]:
    async with open_container(settings) as container:
        return await (await container.get(IngestKeys)).all()


async def _add(settings: Settings, name: str) -> str:
    async with open_container(settings) as container:
        return (await (await container.get(IngestKeys)).add(name, by=COMMAND_LINE))[1]


async def _revoke(settings: Settings, name: str) -> None:
    async with open_container(settings) as container:
        keys = await container.get(IngestKeys)
        key = next((key for key in await keys.all() if key.name == name), None)
        if key is None:
            raise IngestKeyNotFound(f"There is no ingest key {name!r}. `photochanger ingest-keys list` shows them.")
        await keys.revoke(key.id, by=COMMAND_LINE)


def _listed(key: IngestKey) -> ListedKey:
    return ListedKey(
        id=key.id, name=key.name, created_at=key.created_at, created_by=key.created_by, last_use=key.last_use
    )


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
