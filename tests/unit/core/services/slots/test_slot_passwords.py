"""The ingest password of a slot: written and removed with its document, never read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from photochanger.core.domain.slots.slot import Slot, slot_document

from tests.support.slot_documents import ADA, document, field_errors, strict_world
from tests.support.world import SLOT, World

pytestmark = pytest.mark.anyio

PASSWORD = "of the rented booth"


async def put(world: World, **fields: Any) -> Slot:
    slot = await world.slot_service.get(SLOT)
    stored: Slot = await world.slot_service.put(SLOT, document(**fields), expected_version=slot.version, by=ADA)
    return stored


def changes(world: World) -> list[Any]:
    return [entry.detail["changed"].get("ingest_password") for entry in world.audit.entries]


async def test_a_password_is_kept_replaced_and_removed() -> None:
    world = await strict_world()
    first = await put(world, ingest_password=PASSWORD)
    assert first.ingest_password is not None
    assert (first.ingest_password.changed_by, first.ingest_password.digest is not None) == ("ada", True)
    kept = await put(world, name="Renamed")
    assert kept.ingest_password == first.ingest_password
    again = await put(world, name="Renamed", ingest_password=PASSWORD)
    assert again.ingest_password != first.ingest_password
    removed = await put(world, name="Renamed", ingest_password=None)
    assert removed.ingest_password is None
    assert removed.version == 5
    assert changes(world) == [[None, "set"], None, ["set", "set"], ["set", None]]
    assert await put(world, name="Renamed", ingest_password=None) == removed  # nothing to remove


async def test_the_password_is_in_no_document_and_no_record() -> None:
    world = await strict_world()
    slot = await put(world, ingest_password=PASSWORD)
    assert slot.ingest_password is not None
    assert "ingest_password" not in slot_document(slot)
    shown = f"{slot!r} {world.audit.entries!r} {msgspec.json.encode(slot_document(slot)).decode()}"
    for hidden in (PASSWORD, slot.ingest_password.hash, slot.ingest_password.digest or ""):
        assert hidden not in shown


async def test_what_was_read_can_be_sent_back() -> None:
    world = await strict_world()
    slot = await put(world, ingest_password=PASSWORD)
    read = slot_document(slot) | {"ingest_password_set": True}
    assert await world.slot_service.put(SLOT, read, expected_version=slot.version, by=ADA) == slot


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1025, 12345678, ["a list"]])
async def test_what_can_be_no_password_is_refused_before_it_is_hashed(password: object) -> None:
    world = await strict_world()
    assert (await field_errors(world, ingest_password=password)).keys() == {"ingest_password"}
    assert world.hasher.hashed == 0


async def test_checking_a_document_with_a_password_stores_and_hashes_nothing() -> None:
    world = await strict_world()
    checked = await world.slot_service.check(SLOT, document(ingest_password=PASSWORD))
    assert checked.ingest_password is None
    assert world.hasher.hashed == 0
