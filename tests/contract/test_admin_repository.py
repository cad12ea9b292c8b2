"""The AdminRepository contract: administrators by name, kept and changed together with their audit entries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from photochanger.adapters.memory import FakeClock
from photochanger.core.domain.accounts import COMMAND_LINE, ROLES, Admin, Permission, Role, role_of
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.errors import AdminExists, AdminNotFound, InvalidSettings
from photochanger.core.services.auth.admin_changes import AdminChange, edit_of

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


def admin(username: str, **fields: Any) -> Admin:
    """An administrator who was added just now and may do everything."""
    return Admin(
        **{"username": username, "password_hash": "$argon2id$", "created_at": NOW, "tokens_from": NOW} | fields
    )


def entry(action: AuditAction = AuditAction.ADMIN_ADDED) -> AuditEntry:
    return audit_entry(action, COMMAND_LINE, now=LATER, target="ada")


async def audit_entries(backend: SimpleNamespace) -> list[AuditEntry]:
    return [*(await backend.audit.find(limit=100)).items]


async def test_at_first_there_is_no_administrator(backend: SimpleNamespace) -> None:
    assert await backend.admins.all() == []


async def test_everyone_comes_back_as_added_by_name(backend: SimpleNamespace) -> None:
    few = admin("zoe", permissions=(Permission.JOBS_READ, Permission.SLOTS_READ), disabled_at=LATER)
    everyone = [admin("a-b"), admin("a.b"), admin("ada"), admin("b", permissions=()), few]
    for one in reversed(everyone):
        await backend.admins.add(one)
    assert await backend.admins.all() == everyone


async def test_a_name_is_given_once_and_the_second_is_not_audited(backend: SimpleNamespace) -> None:
    first, recorded = admin("ada"), entry()
    await backend.admins.add(first, audit=recorded)
    with pytest.raises(AdminExists):
        await backend.admins.add(admin("ada", password_hash="other"), audit=entry())
    assert await backend.admins.all() == [first]
    assert await audit_entries(backend) == [recorded]


async def test_of_concurrent_additions_of_one_name_one_succeeds(backend: SimpleNamespace) -> None:
    adds = (backend.admins.add(admin("ada", password_hash=str(number)), audit=entry()) for number in range(8))
    ended = await asyncio.gather(*adds, return_exceptions=True)
    assert sorted(type(end) is AdminExists for end in ended) == [False] + [True] * 7
    assert len(await audit_entries(backend)) == 1


async def test_the_first_one_is_added_only_where_none_exists(backend: SimpleNamespace) -> None:
    first, recorded = admin("ada"), entry()
    assert await backend.admins.add_first(first, audit=recorded)
    assert not await backend.admins.add_first(admin("bob"), audit=entry())
    assert await backend.admins.all() == [first]
    assert await audit_entries(backend) == [recorded]


async def test_a_disabled_administrator_counts_as_existing(backend: SimpleNamespace) -> None:
    await backend.admins.add(admin("ada", disabled_at=LATER))
    assert not await backend.admins.add_first(admin("bob"))


async def test_of_processes_that_start_together_one_adds_its_first(backend: SimpleNamespace) -> None:
    adds = (backend.admins.add_first(admin(f"first-{number}"), audit=entry()) for number in range(8))
    assert sorted(await asyncio.gather(*adds)) == [False] * 7 + [True]
    assert len(await backend.admins.all()) == 1
    assert len(await audit_entries(backend)) == 1


async def test_a_first_one_that_comes_with_others_never_breaks(backend: SimpleNamespace) -> None:
    """The name is stored once whichever is first, and only the addition by name may be refused."""
    firsts = [backend.admins.add_first(admin("ada")) for _ in range(4)]
    *added, end = await asyncio.gather(*firsts, backend.admins.add(admin("ada")), return_exceptions=True)
    assert added.count(True) + (end is None) == 1
    assert added.count(True) + added.count(False) == 4
    assert end is None or isinstance(end, AdminExists)


async def test_a_changed_administrator_is_kept_whole_and_the_others_stay(backend: SimpleNamespace) -> None:
    ada, bob = admin("ada"), admin("bob")
    await backend.admins.add(ada)
    await backend.admins.add(bob)
    changed = admin(
        "ada", password_hash="new", permissions=(Permission.STATS_READ,), tokens_from=LATER, disabled_at=LATER
    )
    recorded = entry(AuditAction.ADMIN_DISABLED)
    seen: list[Mapping[str, Admin]] = []

    def edit(everyone: Mapping[str, Admin]) -> tuple[Admin, list[AuditEntry]]:
        seen.append(everyone)
        return changed, [recorded]

    await backend.admins.change(edit)
    assert seen == [{"ada": ada, "bob": bob}]
    assert await backend.admins.all() == [changed, bob]
    assert await audit_entries(backend) == [recorded]


async def test_a_change_that_finds_nothing_to_change_leaves_all_as_it_is(backend: SimpleNamespace) -> None:
    await backend.admins.add(admin("ada"))
    await backend.admins.change(lambda everyone: None)
    assert await backend.admins.all() == [admin("ada")]
    assert await audit_entries(backend) == []


async def test_what_a_change_raises_goes_through_and_nothing_is_stored(backend: SimpleNamespace) -> None:
    def refuse(everyone: Mapping[str, Admin]) -> None:
        raise AdminNotFound("There is no administrator of this name.")

    await backend.admins.add(admin("ada"))
    with pytest.raises(AdminNotFound):
        await backend.admins.change(refuse)
    await backend.admins.change(lambda everyone: (everyone["ada"], [entry()]))  # and does not block the next one
    assert await backend.admins.all() == [admin("ada")]


async def test_concurrent_changes_are_all_kept(backend: SimpleNamespace) -> None:
    await backend.admins.add(admin("ada", password_hash="0"))

    def count_up(everyone: Mapping[str, Admin]) -> tuple[Admin, list[AuditEntry]]:
        now = everyone["ada"]
        return msgspec.structs.replace(now, password_hash=str(int(now.password_hash) + 1)), [entry()]

    async def renew() -> bool:
        renewed: bool = await backend.admins.renew_hash("ada", hash="100", digest=None, expected_hash="0")
        return renewed

    renewed, *_ = await asyncio.gather(renew(), *(backend.admins.change(count_up) for _ in range(8)))
    (after,) = await backend.admins.all()
    assert after.password_hash == ("108" if renewed else "8")
    assert len(await audit_entries(backend)) == 8


async def test_a_hash_is_renewed_only_if_it_is_still_the_expected_one(backend: SimpleNamespace) -> None:
    ada, bob = admin("ada", password_hash="old"), admin("bob", password_hash="old")
    await backend.admins.add(ada)
    await backend.admins.add(bob)
    assert not await backend.admins.renew_hash("ada", hash="new", digest="d", expected_hash="another")
    assert not await backend.admins.renew_hash("nobody", hash="new", digest="d", expected_hash="old")
    assert await backend.admins.all() == [ada, bob]
    assert await backend.admins.renew_hash("ada", hash="new", digest="d", expected_hash="old")
    assert await backend.admins.all() == [admin("ada", password_hash="new", password_digest="d"), bob]


async def test_a_renewed_hash_leaves_tokens_as_they_are(backend: SimpleNamespace) -> None:
    before = admin("ada", password_hash="old", tokens_from=LATER - timedelta(days=1))
    await backend.admins.add(before)
    await backend.admins.renew_hash("ada", hash="new", digest="d", expected_hash="old")
    (after,) = await backend.admins.all()
    assert after.tokens_from == before.tokens_from


async def test_all_entries_of_a_change_are_written(backend: SimpleNamespace) -> None:
    await backend.admins.add(admin("ada"))
    made = [entry(AuditAction.ADMIN_ROLE_CHANGED), entry(AuditAction.ADMIN_DISABLED)]
    await backend.admins.change(lambda everyone: (everyone["ada"], made))
    assert sorted(await audit_entries(backend), key=lambda one: one.action) == sorted(made, key=lambda one: one.action)


async def test_the_last_sign_in_is_kept_with_its_entry_and_never_goes_back(backend: SimpleNamespace) -> None:
    await backend.admins.add(admin("ada"))
    await backend.admins.add(admin("bob"))
    signed_in = [entry(AuditAction.LOGIN) for _ in range(3)]
    for moment, recorded in zip((NOW, LATER, NOW), signed_in, strict=True):
        await backend.admins.note_login("ada", at=moment, audit=recorded)
    assert await backend.admins.all() == [admin("ada", last_login_at=LATER), admin("bob")]
    assert {one.id for one in await audit_entries(backend)} == {one.id for one in signed_in}


@pytest.mark.parametrize(
    "change", [AdminChange(disabled=True), AdminChange(permissions=ROLES[Role.VIEWER])], ids=["disabled", "demoted"]
)
async def test_of_concurrent_changes_of_all_owners_one_owner_stays(
    backend: SimpleNamespace, change: AdminChange
) -> None:
    names = [f"owner-{number}" for number in range(6)]
    for name in names:
        await backend.admins.add(admin(name))
    clock = FakeClock()
    edits = (edit_of(name, change, by=COMMAND_LINE, clock=clock) for name in names)
    ended = await asyncio.gather(*(backend.admins.change(edit) for edit in edits), return_exceptions=True)
    assert [type(end) for end in ended if end is not None] == [InvalidSettings]
    after = await backend.admins.all()
    assert len([one for one in after if one.disabled_at is None and role_of(one.permissions) is Role.OWNER]) == 1
    assert len(await audit_entries(backend)) == 5
