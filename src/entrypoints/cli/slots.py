"""`photochanger slots`: export all slots to a file, and import them; a file is checked whole before it is stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from ...core.domain.accounts import COMMAND_LINE
from ...core.domain.errors import InvalidSettings, SlotNotFound, VersionConflict
from ...core.domain.field_errors import FieldError, FieldErrorCode, below
from ...core.domain.slots.slot import Slot, changed_fields, shipped_slots, slot_document, slot_order
from ...core.ports.repositories.slot_repository import SlotRepository
from ...core.services.slots.service import SlotService
from ..config import Settings
from .runtime import configured, open_container, run_async
from .slots_file import as_yaml, read_file, write_file

_MISSING = object()


class Import(msgspec.Struct, frozen=True):
    """A slot as it was and as the file has it. `password` is its new ingest password, None to remove it."""

    before: Slot
    after: Slot
    password: str | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def changes(self) -> bool:
        """Whether something would be stored."""
        removes_nothing = self.password is None and self.before.ingest_password is None
        changes_password = self.password is not msgspec.UNSET and not removes_nothing
        return changes_password or bool(changed_fields(self.before, self.after))

    def document(self) -> dict[str, Any]:
        """What is stored."""
        document = slot_document(self.after)
        return document if self.password is msgspec.UNSET else document | {"ingest_password": self.password}

    def __repr__(self) -> str:
        return f"Import({self.before.id})"


@click.group()
def slots() -> None:
    """Export and import slots."""


@slots.command("export")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def export_slots(file: Path | None) -> None:
    """Write all slots to FILE: as JSON if its name ends with .json, else as YAML. Default: standard output."""
    found = run_async(_export(configured()))
    if file is None:
        click.echo(as_yaml(found), nl=False)
    else:
        write_file(file, found)
        click.echo(f"{len(found)} slots written to {file}.")


@slots.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check the file and show the changes without storing them.")
def import_slots(file: Path, dry_run: bool) -> None:
    """Store the slots of FILE, as written by `slots export`. Slots that the file does not name are unchanged.

    The file is checked first: if one field of one slot is invalid, nothing is stored. Template pictures are referred to
    by id and are not part of the file. Ingest passwords of slots are not exported; a file may set them.
    """
    settings = configured()
    imports = run_async((compare if dry_run else store)(settings, read_file(file)))
    if differences := describe_changes(imports):
        click.echo(differences)
    changed = sum(slot.changes for slot in imports)
    click.echo(f"{changed} of {len(imports)} slots {'would change' if dry_run else 'changed'}.")


async def _export(settings: Settings) -> list[Slot]:
    async with _slots(settings) as service:
        return await service.list()


async def compare(settings: Settings, documents: Mapping[str, Any]) -> list[Import]:
    """Check an import of these documents without storing it. InvalidSettings with all errors, QueueUnavailable."""
    async with _slots(settings) as service:
        return await _checked(service, documents)


async def store(settings: Settings, documents: Mapping[str, Any]) -> list[Import]:
    """Check the documents, then store each slot that differs, one after the other.

    InvalidSettings and QueueUnavailable as `compare`. VersionConflict if a slot is modified at the same time: its
    detail names the slots that are stored already.
    """
    async with _slots(settings, uses_key=True) as service:
        imports = await _checked(service, documents)
        done: list[str] = []
        for slot in imports:
            if not slot.changes:
                continue
            slot_id, version = slot.before.id, slot.before.version
            try:
                await service.put(slot_id, slot.document(), expected_version=version, by=COMMAND_LINE)
            except VersionConflict as error:
                raise VersionConflict(f"{error.detail} Already stored: {', '.join(done) or 'nothing'}.") from error
            done.append(slot_id)
        return imports


def describe_changes(imports: Sequence[Import]) -> str:
    """The differences for people: slot by slot, one line for each changed value."""
    lines: list[str] = []
    for slot in imports:
        differences = [
            line
            for name, (was, now) in changed_fields(slot.before, slot.after).items()
            for line in _differences(was, now, at=name)
        ]
        if slot.changes and slot.password is not msgspec.UNSET:
            differences.append(f"ingest_password: {'removed' if slot.password is None else 'set'}")
        if differences:
            lines += [slot.before.id, *(f"  {line}" for line in differences)]
    return "\n".join(map(_printable, lines))


@asynccontextmanager
async def _slots(settings: Settings, *, uses_key: bool = False) -> AsyncIterator[SlotService]:
    """The slot service. Slots of a new installation that was never started are added first."""
    async with open_container(settings, uses_key=uses_key) as container:
        await (await container.get(SlotRepository)).add_missing(shipped_slots(settings.slot_count))
        yield await container.get(SlotService)


async def _checked(service: SlotService, documents: Mapping[str, Any]) -> list[Import]:
    imports: list[Import] = []
    errors: list[FieldError] = []
    for slot_id, document in sorted(documents.items(), key=lambda item: slot_order(item[0])):
        try:
            before = await service.get(slot_id)
            if not isinstance(document, dict):
                errors.append(FieldError(slot_id, FieldErrorCode.WRONG_TYPE, {"expected": "object"}))
                continue
            after = await service.check(slot_id, document)
            imports.append(Import(before, after, document.get("ingest_password", msgspec.UNSET)))
        except SlotNotFound:
            errors.append(FieldError(slot_id[:64], FieldErrorCode.SLOT_UNKNOWN, {"slot": slot_id[:64]}))
        except InvalidSettings as error:
            errors += [one.below(slot_id) for one in error.errors]
    if errors:
        lines = "\n".join(_printable(f"  {error}") for error in errors)
        raise InvalidSettings(errors, detail=f"The file is invalid; nothing was stored:\n{lines}")
    return imports


def _differences(was: Any, now: Any, *, at: str) -> Iterator[str]:
    """One line for each place where two JSON values differ."""
    if was == now and type(was) is type(now):
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for name in {**was, **now}:
            yield from _differences(was.get(name, _MISSING), now.get(name, _MISSING), at=below(at, name))
    elif isinstance(was, list | tuple) and isinstance(now, list | tuple):
        for number in range(max(len(was), len(now))):
            pair = (values[number] if number < len(values) else _MISSING for values in (was, now))
            yield from _differences(*pair, at=below(at, str(number)))
    else:
        yield f"{at}: {_value_text(was)} -> {_value_text(now)}"


def _value_text(value: Any) -> str:
    return "nothing" if value is _MISSING else json.dumps(value, ensure_ascii=False)


def _printable(line: str) -> str:
    """The line with its control characters escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in line
    )
