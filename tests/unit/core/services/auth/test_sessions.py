"""The end of tokens and browser sessions: by signing out, here and in other processes, and by not being used."""

from __future__ import annotations

from datetime import timedelta

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE, IDLE_LIMIT, RENEWED_AFTER, TOKEN_LIFE, Actor, Identity
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidToken
from photochanger.core.ports.accounts import RevokedTokens
from photochanger.core.services.auth.retention import AuthRetention
from photochanger.core.services.support.refreshing_value import MAX_AGE

from tests.support.logins import HERE, PASSWORD, Process, with_ada
from tests.support.world import SECOND

pytestmark = pytest.mark.anyio

ADA = Actor("ada", HERE)
MINUTE = timedelta(minutes=1)


async def session(process: Process) -> tuple[str, Identity]:
    return await process.admins.login("ada", PASSWORD, address=HERE, session=True)


async def test_a_token_that_signed_out_is_refused_at_once_and_the_others_are_not() -> None:
    process = await with_ada()
    token, kept = await process.login(), await process.login()
    await process.admins.sign_out(await process.admins.identify(token), by=ADA)
    await process.refuses(token)
    await process.admins.identify(kept)
    assert process.audited(AuditAction.LOGOUT) == [("ada", HERE, "ada")]


async def test_other_processes_refuse_it_within_a_second() -> None:
    process = await with_ada()
    other = process.another()
    token = await process.login()
    identity = await other.admins.identify(token)
    await process.admins.sign_out(identity, by=ADA)
    await process.clock.advance(MAX_AGE)
    await other.refuses(token)


async def test_a_process_that_starts_later_knows_earlier_sign_outs() -> None:
    process = await with_ada()
    token = await process.login()
    await process.admins.sign_out(await process.admins.identify(token), by=ADA)
    await process.clock.advance(TOKEN_LIFE / 2)
    await process.another().refuses(token)


async def test_a_sign_out_is_remembered_as_long_as_its_token_could_be_used() -> None:
    process = await with_ada()
    token = await process.login()
    await process.admins.sign_out(await process.admins.identify(token), by=ADA)
    steps = int(TOKEN_LIFE / (10 * MINUTE))
    for _ in range(steps - 1):
        await process.clock.advance(10 * MINUTE)
        await process.refuses(token)


async def test_signing_out_twice_is_written_once() -> None:
    process = await with_ada()
    identity = await process.admins.identify(await process.login())
    await process.admins.sign_out(identity, by=ADA)
    await process.admins.sign_out(identity, by=ADA)
    assert len(process.audited(AuditAction.LOGOUT)) == 1


async def test_signing_out_everywhere_ends_all_tokens_of_this_administrator() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    tokens = [await process.login() for _ in range(3)]
    of_grace = await process.login("grace")
    await process.admins.sign_out(await process.admins.identify(tokens[0]), everywhere=True, by=ADA)
    for token in tokens:
        await process.refuses(token)
    await process.admins.identify(of_grace)
    await process.admins.identify(await process.login())
    (entry,) = [entry for entry in process.audit.entries if entry.action is AuditAction.LOGOUT]
    assert entry.detail == {"everywhere": True}


async def test_a_session_ends_after_two_hours_without_use() -> None:
    process = await with_ada()
    token, _ = await session(process)
    await process.clock.advance(IDLE_LIMIT - SECOND)
    await process.admins.identify(token)
    await process.clock.advance(SECOND)
    await process.refuses(token)


async def test_a_token_of_a_program_has_no_idle_limit() -> None:
    process = await with_ada()
    token = await process.login()
    await process.clock.advance(TOKEN_LIFE - SECOND)
    identity = await process.admins.identify(token)
    assert await process.admins.renewed(identity) is None


async def test_a_session_in_use_goes_on_to_the_end_of_its_token() -> None:
    process = await with_ada()
    token, begun = await session(process)
    while (now := process.clock.now()) + 90 * MINUTE < begun.expires_at:
        await process.clock.advance(90 * MINUTE)
        identity = await process.admins.identify(token)
        renewed = await process.admins.renewed(identity)
        assert renewed is not None
        token = renewed
        again = await process.admins.identify(token)
        assert (again.token_id, again.issued_at, again.expires_at) == (
            begun.token_id,
            begun.issued_at,
            begun.expires_at,
        )
        assert again.permissions == begun.permissions
        assert now < process.clock.now()
    await process.clock.advance(begun.expires_at - process.clock.now())
    await process.refuses(token)


async def test_a_session_is_renewed_once_a_minute_at_most() -> None:
    process = await with_ada()
    _, identity = await session(process)
    await process.clock.advance(RENEWED_AFTER - SECOND)
    assert await process.admins.renewed(identity) is None
    await process.clock.advance(2 * SECOND)
    assert await process.admins.renewed(identity) is not None


async def test_signing_out_ends_every_cookie_of_the_session() -> None:
    process = await with_ada()
    first, identity = await session(process)
    await process.clock.advance(2 * RENEWED_AFTER)
    second = await process.admins.renewed(identity)
    assert second is not None
    await process.admins.sign_out(await process.admins.identify(second), by=ADA)
    await process.refuses(first)
    await process.refuses(second)


async def test_a_renewed_session_still_ends_with_a_new_password() -> None:
    process = await with_ada()
    _, identity = await session(process)
    await process.clock.advance(MINUTE)
    await process.admins.set_password("ada", "another good password", by=COMMAND_LINE)
    await process.clock.advance(2 * MINUTE)
    renewed = await process.admins.renewed(identity)
    assert renewed is not None
    await process.refuses(renewed)


async def test_maintenance_forgets_sign_outs_of_expired_tokens_only() -> None:
    process = await with_ada()
    revoked = process.adapters[RevokedTokens]
    tasks = AuthRetention(process.audit, process.failures, revoked, process.clock).tasks()
    (prune,) = [task for task in tasks if task.name == "revoked_tokens"]
    token = await process.login()
    await process.admins.sign_out(await process.admins.identify(token), by=ADA)
    await process.clock.advance(TOKEN_LIFE)
    assert await prune.run() == 0
    await process.clock.advance(10 * MINUTE)
    assert await prune.run() == 1
    with pytest.raises(InvalidToken):
        await process.admins.identify(token)
