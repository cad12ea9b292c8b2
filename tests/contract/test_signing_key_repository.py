"""The SigningKeyRepository contract: sealed keys, of which at most one is signed with, under concurrent changes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.ports.secrets import SigningKey

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def key(id: str, *, minutes: int = 0) -> SigningKey:
    return SigningKey(id=id, sealed=f"v1.{id}", created_at=NOW + timedelta(minutes=minutes))


def retired(one: SigningKey, *, by: SigningKey) -> SigningKey:
    return msgspec.structs.replace(one, retired_at=by.created_at)


def entry() -> AuditEntry:
    return audit_entry(AuditAction.SIGNING_KEY_ROTATED, COMMAND_LINE, now=NOW)


async def audit_entries(backend: SimpleNamespace) -> list[AuditEntry]:
    return [*(await backend.audit.find(limit=100)).items]


async def test_at_first_there_is_none(backend: SimpleNamespace) -> None:
    assert await backend.signing_keys.all() == []


async def test_a_first_key_comes_back_as_it_was_added(backend: SimpleNamespace) -> None:
    await backend.signing_keys.add_first(key("one"))
    assert await backend.signing_keys.all() == [key("one")]


async def test_where_a_key_is_signed_with_no_first_one_is_added(backend: SimpleNamespace) -> None:
    await backend.signing_keys.add_first(key("one"))
    await backend.signing_keys.add_first(key("two", minutes=1))
    assert await backend.signing_keys.all() == [key("one")]


async def test_of_processes_that_start_together_one_adds_its_key(backend: SimpleNamespace) -> None:
    await asyncio.gather(*(backend.signing_keys.add_first(key(str(number))) for number in range(8)))
    (kept,) = await backend.signing_keys.all()
    assert kept.retired_at is None


async def test_a_new_key_retires_the_one_before_it_and_is_audited(backend: SimpleNamespace) -> None:
    one, two, recorded = key("one"), key("two", minutes=5), entry()
    await backend.signing_keys.add_first(one)
    await backend.signing_keys.rotate(two, retired_after=NOW, audit=recorded)
    assert await backend.signing_keys.all() == [two, retired(one, by=two)]
    assert await audit_entries(backend) == [recorded]


async def test_a_retired_key_stays_retired_after_when_it_was(backend: SimpleNamespace) -> None:
    one, two, three = key("one"), key("two", minutes=5), key("three", minutes=9)
    for new in (one, two, three):
        await backend.signing_keys.rotate(new, retired_after=NOW)
    assert await backend.signing_keys.all() == [three, retired(two, by=three), retired(one, by=two)]


async def test_concurrent_rotations_leave_one_current_key_and_lose_none(backend: SimpleNamespace) -> None:
    await backend.signing_keys.add_first(key("first"))
    rotations = [
        backend.signing_keys.rotate(key(f"key {n}", minutes=n + 1), retired_after=NOW, audit=entry()) for n in range(8)
    ]
    firsts = [backend.signing_keys.add_first(key(f"other first {n}", minutes=20)) for n in range(4)]
    await asyncio.gather(*rotations, *firsts)
    keys = await backend.signing_keys.all()
    assert {one.id for one in keys} == {"first", *(f"key {n}" for n in range(8))}
    assert sum(one.retired_at is None for one in keys) == 1
    assert len(await audit_entries(backend)) == 8


async def test_rotating_removes_the_keys_that_retired_before(backend: SimpleNamespace) -> None:
    one, two, three, four = (key(name, minutes=n * 5) for n, name in enumerate(("one", "two", "three", "four")))
    for new in (one, two, three):
        await backend.signing_keys.rotate(new, retired_after=NOW)
    await backend.signing_keys.rotate(four, retired_after=three.created_at)
    assert await backend.signing_keys.all() == [four, retired(three, by=four)]


async def test_revoking_removes_every_other_key(backend: SimpleNamespace) -> None:
    one, two, three = key("one"), key("two", minutes=5), key("three", minutes=9)
    for new in (one, two):
        await backend.signing_keys.rotate(new, retired_after=NOW)
    await backend.signing_keys.rotate(three, retired_after=None)
    assert await backend.signing_keys.all() == [three]


def test_a_signing_key_does_not_show_what_is_sealed() -> None:
    shown = repr(SigningKey(id="9f", sealed="v1.hush", created_at=NOW))
    assert "hush" not in shown
    assert "9f" in shown
