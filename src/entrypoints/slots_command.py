"""What `photochanger slots` does: all slots out to a file, and in again, checked whole before anything is stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from ..core.domain.accounts import COMMAND_LINE
from ..core.domain.errors import InvalidSettings, SlotNotFound, VersionConflict
from ..core.domain.field_errors import FieldError, FieldErrorCode, below
from ..core.domain.slot import (
    Slot,
    changed_fields,
    shipped_slots,
    slot_document,
)
from ..core.ports.slot_repository import SlotRepository
from ..core.services.slots.service import SlotService
from .config import Settings
from .opened import opened

_NOTHING = object()


class Import(msgspec.Struct, frozen=True):
    """A slot as it was and as the file has it."""

    before: Slot
    after: Slot


async def export(settings: Settings) -> list[Slot]:
    """Every slot, by id. QueueUnavailable."""
    async with _slots(settings) as service:
        return await service.list()


async def compare(settings: Settings, documents: Mapping[str, Any]) -> list[Import]:
    """What an import of these documents would make of each slot; nothing is stored.

    InvalidSettings with everything that does not fit in any of them; QueueUnavailable.
    """
    async with _slots(settings) as service:
        return await _checked(service, documents)


async def store(settings: Settings, documents: Mapping[str, Any]) -> list[Import]:
    """The same, and then each slot that differs is stored, one after the other.

    VersionConflict where somebody changes one of them meanwhile: its detail says which are stored already.
    """
    async with _slots(settings) as service:
        imports = await _checked(service, documents)
        done: list[str] = []
        for slot in imports:
            if not changed_fields(slot.before, slot.after):
                continue
            slot_id, version = slot.before.id, slot.before.version
            try:
                await service.put(slot_id, slot_document(slot.after), expected_version=version, by=COMMAND_LINE)
            except VersionConflict as error:
                raise VersionConflict(f"{error.detail} Stored until then: {', '.join(done) or 'nothing'}.") from error
            done.append(slot_id)
        return imports


def told_of(imports: Sequence[Import]) -> str:
    """The differences for people: slot by slot, a line for each place."""
    lines: list[str] = []
    for slot in imports:
        differences = [
            line
            for name, (was, now) in changed_fields(slot.before, slot.after).items()
            for line in _differences(was, now, at=name)
        ]
        if differences:
            lines += [slot.before.id, *(f"  {line}" for line in differences)]
    return "\n".join(map(_printable, lines))


def count_changed(imports: Iterable[Import]) -> int:
    """How many slots differ."""
    return sum(bool(changed_fields(slot.before, slot.after)) for slot in imports)


@asynccontextmanager
async def _slots(settings: Settings) -> AsyncIterator[SlotService]:
    """The service, over fifteen slots also where none was ever started here."""
    async with opened(settings) as container:
        await (await container.get(SlotRepository)).add_missing(shipped_slots())
        yield await container.get(SlotService)


async def _checked(service: SlotService, documents: Mapping[str, Any]) -> list[Import]:
    imports: list[Import] = []
    errors: list[FieldError] = []
    for slot_id, document in sorted(documents.items()):
        try:
            before = await service.get(slot_id)
            if not isinstance(document, dict):
                errors.append(FieldError(slot_id, FieldErrorCode.WRONG_TYPE, {"expected": "object"}))
                continue
            imports.append(Import(before, await service.check(slot_id, document)))
        except SlotNotFound:
            errors.append(FieldError(slot_id[:64], FieldErrorCode.SLOT_UNKNOWN, {"slot": slot_id[:64]}))
        except InvalidSettings as error:
            errors += [one.below(slot_id) for one in error.errors]
    if errors:
        lines = "\n".join(_printable(f"  {error}") for error in errors)
        raise InvalidSettings(errors, detail=f"The file is not valid; nothing was stored:\n{lines}")
    return imports


def _differences(was: Any, now: Any, *, at: str) -> Iterator[str]:
    """A line for each place where two JSON values differ."""
    if was == now and type(was) is type(now):
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for name in {**was, **now}:
            yield from _differences(was.get(name, _NOTHING), now.get(name, _NOTHING), at=below(at, name))
    elif isinstance(was, list | tuple) and isinstance(now, list | tuple):
        for number in range(max(len(was), len(now))):
            pair = (values[number] if number < len(values) else _NOTHING for values in (was, now))
            yield from _differences(*pair, at=below(at, str(number)))
    else:
        yield f"{at}: {_said(was)} -> {_said(now)}"


def _said(value: Any) -> str:
    return "nothing" if value is _NOTHING else json.dumps(value, ensure_ascii=False)


def _printable(line: str) -> str:
    """The line without what a terminal would obey."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in line
    )
