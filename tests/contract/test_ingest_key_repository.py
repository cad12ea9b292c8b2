"""The IngestKeyRepository contract: names are unique, the number is bounded, uses never go back in time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.booths.errors import IngestKeyExists, TooManyIngestKeys
from photochanger.core.domain.booths.ingest_key import IngestKey, KeyUse, digest_of, new_key

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def key(name: str) -> IngestKey:
    return IngestKey(id=uuid4(), name=name, digest=digest_of(new_key()), created_at=NOW, created_by="admin")


def use(minutes: int, slot_id: str = "slot-001") -> KeyUse:
    return KeyUse(at=NOW + timedelta(minutes=minutes), slot_id=slot_id, address="192.0.2.7")


def entry() -> AuditEntry:
    return audit_entry(AuditAction.INGEST_KEY_ADDED, COMMAND_LINE, now=NOW, target="Booth")


async def audit_entries(backend: SimpleNamespace) -> list[AuditEntry]:
    return [*(await backend.audit.find(limit=100)).items]


async def test_keys_come_back_as_they_were_added_by_name(backend: SimpleNamespace) -> None:
    assert await backend.ingest_keys.all() == []
    second, first = key("Будка 2"), key("Booth 1")
    for one in (second, first):
        await backend.ingest_keys.add(one, max_keys=10, audit=entry())
    assert await backend.ingest_keys.all() == [first, second]
    assert len(await audit_entries(backend)) == 2


async def test_a_taken_name_is_refused_and_nothing_is_written(backend: SimpleNamespace) -> None:
    first = key("Booth")
    await backend.ingest_keys.add(first, max_keys=10)
    with pytest.raises(IngestKeyExists):
        await backend.ingest_keys.add(key("Booth"), max_keys=10, audit=entry())
    assert await backend.ingest_keys.all() == [first]
    assert await audit_entries(backend) == []


async def test_the_number_is_exact_under_concurrent_additions(backend: SimpleNamespace) -> None:
    adding = (backend.ingest_keys.add(key(f"Booth {number}"), max_keys=3, audit=entry()) for number in range(8))
    results = await asyncio.gather(*adding, return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [TooManyIngestKeys] * 5
    assert len(await backend.ingest_keys.all()) == len(await audit_entries(backend)) == 3


async def test_a_key_is_removed_once(backend: SimpleNamespace) -> None:
    one = key("Booth")
    await backend.ingest_keys.add(one, max_keys=10)
    assert await backend.ingest_keys.remove(one.id, audit=entry())
    assert not await backend.ingest_keys.remove(one.id, audit=entry())
    assert await backend.ingest_keys.all() == []
    assert len(await audit_entries(backend)) == 1


async def test_the_last_use_is_the_latest_one(backend: SimpleNamespace) -> None:
    one, other = key("Booth 1"), key("Booth 2")
    for added in (one, other):
        await backend.ingest_keys.add(added, max_keys=10)
    await backend.ingest_keys.note_uses({})
    await backend.ingest_keys.note_uses({one.id: use(5, "slot-002"), uuid4(): use(1)})
    await backend.ingest_keys.note_uses({one.id: use(4), other.id: use(4)})
    assert [known.last_use for known in await backend.ingest_keys.all()] == [use(5, "slot-002"), use(4)]
