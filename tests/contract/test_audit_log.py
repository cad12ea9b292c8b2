"""The AuditLog contract: security events, newest first, page by page, forgotten when they are old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import WRONG_PASSWORDS, AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.pagination import Position

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
ADA = Actor("ada", "192.0.2.7")
BOB = Actor("bob")


def entry(
    action: AuditAction = AuditAction.LOGIN, by: Actor = ADA, *, minutes: int = 0, id: int | None = None, **fields: Any
) -> AuditEntry:
    recorded = audit_entry(action, by, now=NOW + timedelta(minutes=minutes), **fields)
    return recorded if id is None else msgspec.structs.replace(recorded, id=UUID(int=id))


async def appended(backend: SimpleNamespace, *entries: AuditEntry) -> list[AuditEntry]:
    for one in entries:
        await backend.audit.append(one)
    return [*entries]


async def found(backend: SimpleNamespace, **wanted: Any) -> list[AuditEntry]:
    return [*(await backend.audit.find(**{"limit": 100} | wanted)).items]


async def test_at_first_nothing_is_recorded(backend: SimpleNamespace) -> None:
    page = await backend.audit.find(limit=10)
    assert (page.items, page.next) == ((), None)


async def test_an_entry_comes_back_as_it_was_appended(backend: SimpleNamespace) -> None:
    detail = {"changed": {"name": ["“Ä”", None], "n": [1.5, {"deep": [True]}]}}
    recorded = entry(AuditAction.SLOT_CHANGED, target="slot-001", **detail)
    bare = entry(AuditAction.PURGED, BOB)
    await appended(backend, recorded, bare)
    assert sorted(await found(backend), key=lambda one: one.id) == sorted([recorded, bare], key=lambda one: one.id)


async def test_the_newest_come_first_however_they_were_appended(backend: SimpleNamespace) -> None:
    middle, oldest, newest = await appended(backend, entry(minutes=1), entry(), entry(minutes=2))
    assert await found(backend) == [newest, middle, oldest]


async def test_entries_of_one_moment_are_ordered_by_id(backend: SimpleNamespace) -> None:
    two, three, one = await appended(backend, entry(id=2), entry(id=3), entry(id=1))
    assert await found(backend) == [three, two, one]


async def test_pages_follow_each_other_without_gap_or_repetition_even_within_one_moment(
    backend: SimpleNamespace,
) -> None:
    entries = await appended(backend, *(entry(id=number, minutes=number // 4) for number in range(10)))
    pages: list[list[AuditEntry]] = []
    after: Position | None = None
    while not pages or after is not None:
        page = await backend.audit.find(limit=3, after=after)
        pages.append([*page.items])
        after = page.next
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    assert [one for page in pages for one in page] == entries[::-1]


async def test_a_last_page_that_is_full_names_no_next_one(backend: SimpleNamespace) -> None:
    await appended(backend, *(entry(id=number) for number in range(4)))
    assert (await backend.audit.find(limit=4)).next is None
    assert (await backend.audit.find(limit=3)).next == Position(NOW, UUID(int=1))


async def test_what_is_appended_meanwhile_moves_no_page(backend: SimpleNamespace) -> None:
    old = await appended(backend, *(entry(id=number) for number in range(4)))
    first = await backend.audit.find(limit=2)
    await appended(backend, entry(minutes=5), entry(id=99))
    assert await found(backend, after=first.next) == old[1::-1]


async def test_a_filter_lets_through_what_fits_and_filters_add_up(backend: SimpleNamespace) -> None:
    by_ada = entry(AuditAction.SLOT_CHANGED, ADA, target="slot-001")
    by_bob = entry(AuditAction.SLOT_CHANGED, BOB, target="slot-001", minutes=1)
    other_slot = entry(AuditAction.SLOT_CHANGED, ADA, target="slot-002", minutes=2)
    login = entry(AuditAction.LOGIN, ADA, minutes=3)
    await appended(backend, by_ada, by_bob, other_slot, login)
    assert await found(backend, action="slot_changed") == [other_slot, by_bob, by_ada]
    assert await found(backend, actor="ada") == [login, other_slot, by_ada]
    assert await found(backend, target="slot-001") == [by_bob, by_ada]
    assert await found(backend, action="slot_changed", actor="ada", target="slot-001") == [by_ada]
    assert await found(backend, actor="carl") == []
    assert await found(backend, action="no_such_action") == []


async def test_pages_of_a_filter_hold_what_fits_alone(backend: SimpleNamespace) -> None:
    fitting = [entry(by=BOB, id=number) for number in (1, 3, 5)]
    await appended(backend, *fitting, *(entry(id=number) for number in (0, 2, 4, 6)))
    page = await backend.audit.find(limit=2, actor="bob")
    assert [*page.items] == [fitting[2], fitting[1]]
    assert await found(backend, actor="bob", after=page.next) == [fitting[0]]


async def test_only_entries_from_before_the_moment_are_pruned(backend: SimpleNamespace) -> None:
    old, kept, newer = await appended(backend, entry(minutes=-1), entry(), entry(minutes=1))
    assert await backend.audit.prune(before=NOW, limit=10) == 1
    assert await found(backend) == [newer, kept]
    assert old not in await found(backend)
    assert await backend.audit.prune(before=NOW, limit=10) == 0


async def test_entries_of_some_actions_are_pruned_alone(backend: SimpleNamespace) -> None:
    login, failed = await appended(backend, entry(minutes=-2), entry(AuditAction.LOGIN_FAILED, minutes=-1))
    recent = entry(AuditAction.INGEST_PASSWORD_FAILED, minutes=1)
    await appended(backend, recent)
    assert await backend.audit.prune(before=NOW, limit=10, actions=[]) == 0
    assert await backend.audit.prune(before=NOW, limit=10, actions=WRONG_PASSWORDS) == 1
    assert await found(backend) == [recent, login]
    assert failed not in await found(backend)


async def test_pruning_stops_at_the_limit(backend: SimpleNamespace) -> None:
    await appended(backend, *(entry(id=number) for number in range(5)))
    later = NOW + timedelta(days=1)
    assert [await backend.audit.prune(before=later, limit=2) for _ in range(4)] == [2, 2, 1, 0]
