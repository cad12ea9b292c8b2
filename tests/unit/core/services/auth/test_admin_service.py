"""Administrators and their tokens: added, disabled, given new passwords; what a token still allows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
import pytest
from photochanger.adapters.security import JwtTokens
from photochanger.core.domain.accounts import COMMAND_LINE, MAX_FAILURES, Actor, Permission
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import AdminExists, AdminNotFound, InvalidSettings, InvalidToken, QueueUnavailable
from photochanger.core.ports.accounts import RevokedTokens
from photochanger.core.services.auth.admin_changes import AdminChange
from photochanger.core.services.auth.admins import AdminService
from photochanger.core.services.auth.signed_out import SignedOut

from tests.support.logins import HERE, PASSWORD, Process, with_ada
from tests.support.world import SECOND

pytestmark = pytest.mark.anyio

MILLISECOND = timedelta(milliseconds=1)


async def test_a_new_password_ends_the_tokens_from_before_also_those_of_the_same_second() -> None:
    process = await with_ada()
    await process.clock.advance(300 * MILLISECOND)
    before = await process.login()
    await process.clock.advance(300 * MILLISECOND)
    await process.admins.set_password("ada", "new password", by=COMMAND_LINE)
    after = await process.login(password="new password")
    await process.refuses(before)
    await process.admins.identify(after)
    await process.fail(password=PASSWORD)
    await process.admins.set_password("ada", "newer password", by=COMMAND_LINE)
    await process.refuses(after)
    await process.admins.identify(await process.login(password="newer password"))


async def test_a_new_password_holds_in_other_processes_within_a_second() -> None:
    process = await with_ada()
    other = process.another()
    token = await process.login()
    await other.admins.identify(token)
    await process.admins.set_password("ada", "new password", by=COMMAND_LINE)
    await other.fail()  # a login asks at once
    await process.clock.advance(SECOND)
    await other.refuses(token)


async def test_a_disabled_administrator_cannot_come_in_and_their_tokens_end() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    other = process.another()
    token = await process.login()
    await other.admins.identify(token)
    await process.admins.disable("ada", by=Actor("grace", HERE))
    await process.refuses(token)
    await process.fail(password=PASSWORD)
    await process.clock.advance(SECOND)
    await other.refuses(token)
    await process.admins.enable("ada", by=Actor("grace", HERE))
    await process.refuses(token)  # tokens from before stay void
    await process.admins.identify(await process.login())
    assert process.audited(AuditAction.ADMIN_DISABLED, AuditAction.ADMIN_ENABLED) == [("grace", HERE, "ada")] * 2


async def test_disabling_twice_is_audited_once() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    for change in (process.admins.enable, process.admins.disable, process.admins.disable):
        await change("grace", by=COMMAND_LINE)
    assert process.audited(AuditAction.ADMIN_DISABLED, AuditAction.ADMIN_ENABLED) == [("command line", None, "grace")]


async def test_the_last_who_may_do_everything_cannot_be_disabled() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, permissions=[Permission.JOBS_READ], by=COMMAND_LINE)
    await process.admins.add("joan", PASSWORD, by=COMMAND_LINE)
    await process.admins.disable("joan", by=COMMAND_LINE)
    with pytest.raises(InvalidSettings) as refused:
        await process.admins.disable("ada", by=COMMAND_LINE)
    assert [error.field for error in refused.value.errors] == ["disabled"]
    await process.admins.disable("grace", by=COMMAND_LINE)
    await process.admins.enable("joan", by=COMMAND_LINE)
    await process.admins.disable("ada", by=COMMAND_LINE)


async def test_of_changes_at_once_none_undoes_the_other() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    hash_ = process.hasher.hash

    async def disabled_meanwhile(password: str) -> str:
        await process.another().admins.disable("ada", by=COMMAND_LINE)
        return await hash_(password)

    process.hasher.hash = disabled_meanwhile  # type: ignore[method-assign]
    await process.admins.set_password("ada", "new password", by=COMMAND_LINE)
    stored = await process.stored()
    assert stored.disabled_at is not None
    assert stored.password_hash.endswith("new password")
    await process.fail(password="new password")


async def test_of_two_that_disable_each_other_at_once_one_stays() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    changes = [
        process.admins.disable("grace", by=COMMAND_LINE),
        process.another().admins.disable("ada", by=COMMAND_LINE),
    ]
    ended = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(type(end) is InvalidSettings for end in ended) == [False, True]
    assert len([admin for admin in await process.admins.list() if admin.disabled_at is None]) == 1


async def test_a_token_allows_what_its_administrator_may_now() -> None:
    process = await with_ada(Permission.JOBS_READ, Permission.JOBS_WRITE)
    token = await process.login()
    other = (Permission.JOBS_READ, Permission.SLOTS_WRITE)
    await process.admins.change("ada", AdminChange(permissions=other), by=COMMAND_LINE)
    assert (await process.admins.identify(token)).permissions == {*other}


async def test_a_token_with_fewer_permissions_allows_no_more_than_its_administrator_still_may() -> None:
    process = await with_ada(Permission.JOBS_READ, Permission.JOBS_WRITE)
    _, identity = await process.admins.login("ada", PASSWORD, address=HERE)
    narrow = {Permission.JOBS_READ, Permission.SLOTS_WRITE}
    key_id, secret = await process.keys.current()
    fewer = msgspec.structs.replace(identity, permissions=frozenset(narrow), follows_admin=False)
    token = JwtTokens().issue(fewer, key_id=key_id, secret=secret)
    assert (await process.admins.identify(token)).permissions == {Permission.JOBS_READ}


async def test_a_token_of_one_who_was_added_a_moment_ago_elsewhere_holds() -> None:
    process = await with_ada()
    other = process.another()
    await other.admins.identify(await process.login())
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    assert (await other.admins.identify(await process.login("grace"))).username == "grace"


async def test_a_token_of_an_unknown_administrator_is_refused() -> None:
    process = await with_ada()
    token = await process.login()
    other = Process()
    other.keys = process.keys
    stranger = AdminService(
        admins=other.records,
        keys=process.keys,
        tokens=JwtTokens(),
        attempts=other.attempts,
        passwords=other.passwords,
        signed_out=SignedOut(other.adapters[RevokedTokens], other.clock),
        clock=other.clock,
    )
    with pytest.raises(InvalidToken):
        await stranger.identify(token)


async def test_identify_uses_the_cached_administrators() -> None:
    process = await with_ada()
    token = await process.login()
    await process.admins.identify(token)
    process.records.calls.clear()
    for _ in range(100):
        await process.admins.identify(token)
    assert process.records.calls == []


async def test_after_a_key_is_revoked_everybody_logs_in_again() -> None:
    process = await with_ada()
    token = await process.login()
    await process.keys.rotate(by=COMMAND_LINE)
    await process.admins.identify(token)
    await process.keys.revoke(by=COMMAND_LINE)
    await process.refuses(token)
    await process.admins.identify(await process.login())


async def test_administrators_are_added_once_and_listed_by_name() -> None:
    process = await with_ada()
    added = await process.admins.add(" Grace ", PASSWORD, permissions=[Permission.STATS_READ], by=COMMAND_LINE)
    assert (added.username, added.permissions) == ("grace", (Permission.STATS_READ,))
    assert [admin.username for admin in await process.admins.list()] == ["ada", "grace"]
    with pytest.raises(AdminExists):
        await process.admins.add("ADA", PASSWORD, by=COMMAND_LINE)
    assert process.audited(AuditAction.ADMIN_ADDED) == [("command line", None, "ada"), ("command line", None, "grace")]
    assert process.audit.entries[1].detail == {"permissions": ["stats:read"]}


@pytest.mark.parametrize(
    ("username", "password", "places"),
    [
        ("", PASSWORD, ["username"]),
        ("Ada Lovelace", PASSWORD, ["username"]),
        ("x" * 65, PASSWORD, ["username"]),
        ("x" + " " * 64, PASSWORD, ["username"]),
        ("ada\0", PASSWORD, ["username"]),
        ("ada", "nine 9999", ["password"]),
        ("ada", "Qwertyuiop", ["password"]),
        ("ada.lovelace", "Ada.Lovelace", ["password"]),
        ("ada", "x" * 1025, ["password"]),
        ("ada", "e\u0301" * 9, ["password"]),
        (".", "", ["username", "password"]),
    ],
)
async def test_invalid_names_and_passwords_are_reported_together(
    username: str, password: str, places: list[str]
) -> None:
    process = Process()
    with pytest.raises(InvalidSettings) as refused:
        await process.admins.add(username, password, by=COMMAND_LINE)
    assert [error.field for error in refused.value.errors] == places
    assert await process.admins.list() == []
    assert process.hasher.hashed == 0


async def test_a_password_that_cannot_be_used_changes_nothing() -> None:
    process = await with_ada()
    token = await process.login()
    with pytest.raises(InvalidSettings):
        await process.admins.set_password("ada", "short", by=COMMAND_LINE)
    await process.admins.identify(token)
    assert process.audited(AuditAction.ADMIN_PASSWORD_CHANGED) == []
    await process.admins.set_password("ada", "long enough", by=COMMAND_LINE)
    assert process.audited(AuditAction.ADMIN_PASSWORD_CHANGED) == [("command line", None, "ada")]


async def test_an_unknown_administrator_is_not_found() -> None:
    process = await with_ada()
    changes: list[Callable[[], Awaitable[None]]] = [
        lambda: process.admins.set_password("grace", PASSWORD, by=COMMAND_LINE),
        lambda: process.admins.disable("grace", by=COMMAND_LINE),
        lambda: process.admins.enable("no name!", by=COMMAND_LINE),
    ]
    for change in changes:
        with pytest.raises(AdminNotFound):
            await change()


async def test_the_first_start_makes_an_administrator_and_tells_the_password_once() -> None:
    process = Process()
    told = await process.admins.ensure_first(None, None)
    assert told is not None
    name, password = told
    assert name == "admin"
    assert len(password) >= 16
    identity = await process.admins.identify(await process.login(name, password))
    assert identity.permissions == set(Permission)
    assert await process.admins.ensure_first(None, None) is None
    assert await process.admins.ensure_first("ada", PASSWORD) is None
    assert [admin.username for admin in await process.admins.list()] == ["admin"]
    assert process.audited(AuditAction.ADMIN_ADDED) == [("first start", None, "admin")]


async def test_a_configured_first_password_is_not_returned() -> None:
    process = Process()
    assert await process.admins.ensure_first("Ada", PASSWORD) is None
    await process.admins.identify(await process.login())


async def test_of_processes_that_start_first_together_one_tells_its_password() -> None:
    process = Process()
    starts = [one.admins.ensure_first(None, None) for one in (process, *(process.another() for _ in range(4)))]
    (told,) = [told for told in await asyncio.gather(*starts) if told is not None]
    await process.login(*told)
    assert len(process.audited(AuditAction.ADMIN_ADDED)) == 1


async def test_an_outage_is_raised_and_does_not_count_as_a_failed_login() -> None:
    process = await with_ada()
    token = await process.login()
    await process.clock.advance(SECOND)
    process.records.faults["*"] = QueueUnavailable("away")
    for _ in range(MAX_FAILURES + 2):
        with pytest.raises(QueueUnavailable):
            await process.login(password="wrong")
        with pytest.raises(QueueUnavailable):
            await process.admins.identify(token)
    process.records.faults.clear()
    await process.login()
    other = process.another()
    other.failures.faults["*"] = QueueUnavailable("away")
    await other.login()  # a right password does not ask the count
    with pytest.raises(QueueUnavailable):
        await other.login(password="wrong")


async def test_no_password_hash_or_token_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    process = await with_ada()
    token = await process.login()
    await process.fail(password="s3cret guess")
    stored = await process.stored()
    shown = f"{stored!r} {process.admins!r} {process.audit.entries!r} {caplog.text}"
    for hidden in (PASSWORD, "s3cret guess", stored.password_hash, token):
        assert hidden not in shown
