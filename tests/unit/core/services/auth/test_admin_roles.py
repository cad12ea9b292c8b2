"""Roles: what each may do, changes of them, owners that stay, and the own password."""

from __future__ import annotations

import asyncio

import pytest
from photochanger.core.domain.accounts import (
    COMMAND_LINE,
    MAX_FAILURES,
    ROLES,
    Actor,
    Identity,
    Permission,
    Role,
    role_of,
)
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidSettings, InvalidToken, TooManyAttempts
from photochanger.core.services.auth.admin_changes import AdminChange

from tests.support.logins import HERE, PASSWORD, Process, with_ada
from tests.support.world import SECOND

pytestmark = pytest.mark.anyio

NEW = "another, as long"
ADA = Actor("ada", HERE)


async def with_roles(**roles: Role) -> Process:
    """A process with these administrators beside the owner `ada`."""
    process = await with_ada()
    for username, role in roles.items():
        await process.admins.add(username, PASSWORD, permissions=ROLES[role], by=COMMAND_LINE)
    return process


async def signed_in(process: Process, username: str = "ada", *, session: bool = False) -> tuple[str, Identity]:
    return await process.admins.login(username, PASSWORD, address=HERE, session=session)


def refused_fields(error: InvalidSettings) -> list[tuple[str, str]]:
    return [(one.field, str(one.code)) for one in error.errors]


def test_a_role_is_the_set_of_its_permissions_and_no_other_set() -> None:
    assert [role_of(reversed_) for reversed_ in ([*ROLES[role]][::-1] for role in Role)] == [*Role]
    assert role_of(()) is None
    assert role_of(ROLES[Role.VIEWER][1:]) is None
    assert set(ROLES[Role.OWNER]) == set(Permission)
    only_owners = {Permission.ADMINS_READ, Permission.ADMINS_WRITE, Permission.SETTINGS_WRITE}
    assert set(Permission) - set(ROLES[Role.OPERATOR]) == only_owners
    assert set(ROLES[Role.VIEWER]) == {one for one in ROLES[Role.OPERATOR] if one.endswith(":read")}


async def test_a_new_role_holds_for_tokens_of_other_processes_within_a_second() -> None:
    process = await with_roles(grace=Role.VIEWER)
    other = process.another()
    token, _ = await signed_in(process, "grace")
    for role in (Role.OWNER, Role.OPERATOR):
        await other.admins.identify(token)
        await process.admins.change("grace", AdminChange(permissions=ROLES[role]), by=ADA)
        await process.clock.advance(SECOND)
        assert role_of((await other.admins.identify(token)).permissions) is role
    assert process.audited(AuditAction.ADMIN_ROLE_CHANGED) == [("ada", HERE, "grace")] * 2
    details = [one.detail for one in process.audit.entries if one.action is AuditAction.ADMIN_ROLE_CHANGED]
    assert details == [{"role": "owner"}, {"role": "operator"}]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (AdminChange(permissions=ROLES[Role.OPERATOR]), "role"),
        (AdminChange(disabled=True), "disabled"),
        (AdminChange(permissions=ROLES[Role.VIEWER], disabled=True), "disabled"),
    ],
)
async def test_the_last_owner_stays_one_and_nothing_of_the_change_is_made(change: AdminChange, field: str) -> None:
    process = await with_roles(grace=Role.OPERATOR, joan=Role.OWNER)
    await process.admins.disable("joan", by=ADA)
    before = await process.stored()
    with pytest.raises(InvalidSettings) as refused:
        await process.admins.reset_password("ada", change, by=ADA)
    assert refused_fields(refused.value) == [(field, "last_administrator")]
    assert await process.stored() == before
    await process.admins.change("grace", change, by=ADA)  # who is no owner can be changed
    await process.admins.enable("joan", by=ADA)
    await process.admins.change("ada", change, by=ADA)  # and one of two owners, too


async def test_of_owners_that_demote_each_other_at_once_one_stays() -> None:
    process = await with_roles(grace=Role.OWNER)
    demoted = AdminChange(permissions=ROLES[Role.VIEWER])
    ended = await asyncio.gather(
        process.admins.change("grace", demoted, by=ADA),
        process.another().admins.change("ada", demoted, by=Actor("grace")),
        return_exceptions=True,
    )
    assert [type(end) is InvalidSettings for end in ended].count(True) == 1
    assert [role_of(admin.permissions) for admin in await process.admins.list()].count(Role.OWNER) == 1


async def test_a_change_of_several_things_is_audited_for_each_and_what_changes_nothing_is_not() -> None:
    process = await with_roles(grace=Role.VIEWER)
    change = AdminChange(permissions=ROLES[Role.OPERATOR], disabled=True)
    await process.admins.reset_password("grace", change, by=ADA)
    await process.admins.change("grace", change, by=ADA)
    made = (AuditAction.ADMIN_ROLE_CHANGED, AuditAction.ADMIN_PASSWORD_CHANGED, AuditAction.ADMIN_DISABLED)
    assert [entry.action for entry in process.audit.entries if entry.action in made] == [*made]


async def test_a_generated_password_signs_in_and_a_reset_one_replaces_it() -> None:
    process = await with_ada()
    admin, first = await process.admins.add_generated("grace", Role.VIEWER, by=ADA)
    assert admin.last_login_at is None
    token = await process.login("grace", first)
    assert (await process.stored("grace")).last_login_at == process.clock.now()
    _, second = await process.admins.reset_password("grace", AdminChange(), by=ADA)
    assert first != second
    await process.refuses(token)
    await process.fail("grace", first)
    await process.login("grace", second)


@pytest.mark.parametrize("session", [False, True])
async def test_a_new_own_password_ends_all_other_tokens_and_this_session_goes_on(session: bool) -> None:
    process = await with_ada()
    (token, identity), (other, _) = await signed_in(process, session=session), await signed_in(process)
    renewed, claims = await process.admins.change_own_password(identity, current=PASSWORD, new=NEW, by=ADA)
    await process.refuses(token)
    await process.refuses(other)
    assert await process.admins.identify(renewed) == claims
    assert (claims.idle_until is not None) is session
    await process.fail(password=PASSWORD)
    await process.login(password=NEW)
    assert process.audited(AuditAction.ADMIN_PASSWORD_CHANGED) == [("ada", HERE, "ada")]


@pytest.mark.parametrize(
    ("current", "new", "refused_as"),
    [
        ("wrong", NEW, ("current_password", "password_wrong")),
        (PASSWORD, "short", ("new_password", "length_out_of_range")),
        (PASSWORD, "1234567890", ("new_password", "password_too_common")),
    ],
)
async def test_an_own_password_that_cannot_be_changed_stays(
    current: str, new: str, refused_as: tuple[str, str]
) -> None:
    process = await with_ada()
    token, identity = await signed_in(process)
    with pytest.raises(InvalidSettings) as refused:
        await process.admins.change_own_password(identity, current=current, new=new, by=ADA)
    assert refused_fields(refused.value) == [refused_as]
    await process.admins.identify(token)
    await process.login()


async def test_wrong_current_passwords_count_as_those_of_sign_ins() -> None:
    process = await with_ada()
    _, identity = await signed_in(process)
    for _ in range(MAX_FAILURES):
        with pytest.raises((InvalidSettings, TooManyAttempts)):
            await process.admins.change_own_password(identity, current="wrong", new=NEW, by=ADA)
    with pytest.raises(TooManyAttempts):
        await process.admins.change_own_password(identity, current="wrong", new=NEW, by=ADA)


async def test_a_session_that_ends_while_its_password_is_changed_changes_nothing() -> None:
    process = await with_ada()
    _, identity = await signed_in(process)
    hash_ = process.hasher.hash

    async def reset_meanwhile(password: str) -> str:
        process.hasher.hash = hash_  # type: ignore[method-assign]
        await process.another().admins.set_password("ada", "set by another", by=COMMAND_LINE)
        return await hash_(password)

    process.hasher.hash = reset_meanwhile  # type: ignore[method-assign]
    with pytest.raises(InvalidToken):
        await process.admins.change_own_password(identity, current=PASSWORD, new=NEW, by=ADA)
    await process.login(password="set by another")
