"""Logging in: right and wrong passwords, guessing, what is written of it, hashes that are renewed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE, MAX_FAILURES, TOKEN_LIFE, Permission
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidCredentials, TooManyAttempts

from tests.support.logins import HERE, PASSWORD, THERE, Process, with_ada
from tests.support.world import SECOND

pytestmark = pytest.mark.anyio

MILLISECOND = timedelta(milliseconds=1)


async def test_whoever_logs_in_gets_a_token_that_says_who_they_are() -> None:
    process = await with_ada(Permission.JOBS_READ, Permission.SLOTS_READ)
    token, identity = await process.admins.login("ada", PASSWORD, address=HERE)
    assert identity.username == "ada"
    assert identity.permissions == {Permission.JOBS_READ, Permission.SLOTS_READ}
    assert identity.expires_at - identity.issued_at == TOKEN_LIFE
    assert await process.admins.identify(token) == identity
    assert await process.another().admins.identify(token) == identity


async def test_every_login_gets_a_token_of_its_own() -> None:
    process = await with_ada()
    first = await process.admins.identify(await process.login())
    second = await process.admins.identify(await process.login())
    assert first.token_id != second.token_id


async def test_a_token_ends_with_its_time() -> None:
    process = await with_ada()
    token = await process.login()
    await process.clock.advance(TOKEN_LIFE - MILLISECOND)
    await process.admins.identify(token)
    await process.clock.advance(MILLISECOND)
    await process.refuses(token)


async def test_names_are_taken_however_they_are_typed() -> None:
    process = await with_ada()
    assert (await process.admins.identify(await process.login("  ADA "))).username == "ada"


async def test_a_password_is_the_same_however_a_keyboard_composes_it() -> None:
    process = Process()
    await process.admins.add("ada", "cafe\u0301 au lait", by=COMMAND_LINE)
    await process.login(password="caf\u00e9 au lait")
    await process.login(password="cafe\u0301 au lait")


async def test_whatever_is_wrong_the_answer_and_the_work_are_the_same() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    await process.admins.disable("grace", by=COMMAND_LINE)
    for username in ("ada", "grace"):
        await process.bring_along(username)  # so that the slow hash decides
    told: set[object] = set()
    tries = [
        ("ada", "wrong 1"),
        ("ada", ""),
        ("ada", PASSWORD + "x" * 1_000_000),
        ("nobody", PASSWORD),
        ("grace", PASSWORD),
        ("grace", "wrong 2"),
        ("no name at all!", "wrong 3"),
        ("", " "),
        ("\ud800\0", "\ud800\0"),
    ]
    for number, (username, password) in enumerate(tries):
        await process.bring_along("grace")  # a right password gets a digest also where it is refused
        hashed, verified = process.hasher.hashed, process.hasher.verified
        with pytest.raises(InvalidCredentials) as refused:
            await process.login(username, password, address=f"192.0.2.{number}")
        told.add((type(refused.value), refused.value.detail))
        assert (process.hasher.hashed, process.hasher.verified) == (hashed, verified + 1)
    assert len(told) == 1


async def test_without_administrators_a_login_takes_no_slow_hash() -> None:
    process = Process()
    await process.fail("nobody")
    assert (process.hasher.hashed, process.hasher.verified) == (0, 0)


async def test_unknown_names_take_the_time_of_known_ones() -> None:
    """A hash with older parameters takes another time: it must not tell its name from those that are not known."""
    process = await with_ada()
    process.hasher.version = 3
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    for username in ("ada", "grace"):
        await process.bring_along(username)
    checked: list[str] = []

    def watch(one: Process) -> None:
        verify = one.hasher.verify

        async def seen(password: str, hash: str) -> bool:
            checked.append(hash)
            return await verify(password, hash)

        one.hasher.verify = seen  # type: ignore[method-assign]

    other = process.another()
    watch(process)
    watch(other)
    names = [f"name-{number}" for number in range(40)]
    for number, name in enumerate(names):
        for one, typed in ((process, name), (other, f" {name.upper()} ")):
            await one.fail(typed, f"wrong {number}", address=f"192.0.2.{number}")
    first, again = checked[::2], checked[1::2]
    assert first == again  # always the same time, in every process
    assert {*first} == {admin.password_hash for admin in await process.admins.list()}


async def test_the_password_of_somebody_else_opens_nothing() -> None:
    process = await with_ada()
    await process.fail("nobody", PASSWORD)


async def test_an_endless_password_is_not_hashed_whole() -> None:
    process = await with_ada()
    await process.bring_along()
    seen: list[int] = []
    verify = process.hasher.verify

    async def measured(password: str, hash: str) -> bool:
        seen.append(len(password))
        return await verify(password, hash)

    process.hasher.verify = measured  # type: ignore[method-assign]
    await process.fail(password="x" * 1_000_000)
    assert seen == [1024]


async def test_the_beginning_of_a_long_password_is_not_the_password() -> None:
    process = Process()
    await process.admins.add("ada", "x" * 1024, by=COMMAND_LINE)
    await process.login(password="x" * 1024)
    await process.fail(password="x" * 1025)
    await process.fail(password="x" * 1_000_000)


async def test_of_a_thousand_wrong_logins_ten_are_counted_and_the_rest_is_refused() -> None:
    process = await with_ada()
    answers = await asyncio.gather(*(process.login(password="wrong") for _ in range(1000)), return_exceptions=True)
    kinds = [type(answer) for answer in answers]
    assert (kinds.count(InvalidCredentials), kinds.count(TooManyAttempts)) == (MAX_FAILURES, 1000 - MAX_FAILURES)
    assert process.hasher.verified == 0
    assert len(process.audited(AuditAction.LOGIN_FAILED)) == 1
    await process.login()


async def test_guessing_at_many_names_from_one_address_is_refused_and_the_right_password_is_not() -> None:
    process = await with_ada()
    for number in range(MAX_FAILURES):
        await process.fail(f"name-{number}")
    with pytest.raises(TooManyAttempts) as refused:
        await process.login(password="wrong")
    assert refused.value.retry_after == 60
    await process.login()
    await process.another().login()


async def test_failures_from_other_addresses_do_not_lock_an_administrator_out() -> None:
    process = await with_ada()
    for number in range(10 * MAX_FAILURES):
        await process.fail(address=f"192.0.2.{number}")
    other = process.another()
    await other.login(address="198.51.100.1")
    await other.fail(address="198.51.100.1")


async def test_whoever_has_an_account_cannot_guess_at_others_without_end() -> None:
    process = await with_ada()
    await process.admins.add("grace", "another password", by=COMMAND_LINE)
    for number in range(MAX_FAILURES):
        await process.login("ada")
        await process.fail(f"name-{number}")
    with pytest.raises(TooManyAttempts):
        await process.login("grace", "wrong")


async def test_failures_are_counted_by_address_alone() -> None:
    process = await with_ada()
    for username in ["My Secret Passphrase!", "ada"] * (MAX_FAILURES // 2):
        await process.fail(username)
    with pytest.raises(TooManyAttempts):
        await process.login("My Secret Passphrase!")
    assert list(await process.failures.inner.blocked(now=process.clock.now())) == [f"address {HERE}"]
    assert list(process.failures.inner._counts) == [f"address {HERE}"]


async def test_logins_and_failures_are_in_the_audit_log_and_what_was_typed_is_not() -> None:
    process = await with_ada()
    await process.login()
    await process.fail(" ADA ", "s3cret-one")
    await process.fail("s3cret-two", "x", address=THERE)
    await process.fail("S3cret Three!", "x", address=THERE)
    await process.clock.advance(60 * SECOND)
    assert process.audited(AuditAction.LOGIN) == [("ada", HERE, "ada")]
    assert process.audited(AuditAction.LOGIN_FAILED) == [
        ("unknown", HERE, "ada"),
        ("unknown", THERE, None),
        ("unknown", None, None),  # the number of further ones
    ]
    assert "s3cret" not in repr(process.audit.entries).lower()
    assert PASSWORD not in repr(process.audit.entries)


async def test_an_outdated_hash_is_renewed_at_the_next_login() -> None:
    process = await with_ada()
    process.hasher.version = 3
    await process.fail()
    assert (await process.stored()).password_hash.startswith("v2:")
    token = await process.login()
    assert (await process.stored()).password_hash.startswith("v3:")
    await process.admins.identify(token)
    hashed = process.hasher.hashed
    await process.login()
    assert process.hasher.hashed == hashed


async def test_renewing_a_hash_never_overwrites_a_new_password() -> None:
    process = await with_ada()
    process.hasher.version = 3
    verify = process.hasher.verify

    async def changed_meanwhile(password: str, hash: str) -> bool:
        right = await verify(password, hash)
        await process.another().admins.set_password("ada", "new password", by=COMMAND_LINE)
        return right

    process.hasher.verify = changed_meanwhile  # type: ignore[method-assign]
    token = await process.login()
    process.hasher.verify = verify  # type: ignore[method-assign]
    assert (await process.stored()).password_hash.endswith("new password")
    await process.refuses(token)  # it was given for the old password
    await process.fail()
