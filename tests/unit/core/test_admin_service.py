"""Administrators: coming in, what a token is worth and until when, and how those are held off who only guess."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.memory import FakeClock, memory_adapters
from photochanger.adapters.security import AesSecretBox, JwtTokens
from photochanger.core.audit import AuditAction
from photochanger.core.errors import (
    AdminExists,
    AdminNotFound,
    InvalidCredentials,
    InvalidSettings,
    InvalidToken,
    QueueUnavailable,
    TooManyAttempts,
)
from photochanger.core.people import COMMAND_LINE, MAX_FAILURES, TOKEN_LIFE, Actor, Admin, Permission
from photochanger.core.ports.repositories import AuditLog
from photochanger.core.ports.secrets import SigningKeyRepository
from photochanger.core.ports.security import AdminRepository, FailureCounter
from photochanger.core.services.admin_service import Admins
from photochanger.core.services.signing_keys import SigningKeys
from photochanger.core.services.throttle import Throttle
from world import SECOND, SlowMarkedHasher, Troubled

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse"
HERE, THERE = "192.0.2.1", "192.0.2.2"
MILLISECOND = timedelta(milliseconds=1)


class Process:
    """A process with its administrators; `another` is one more on the same database."""

    def __init__(self, *, of: Process | None = None) -> None:
        self.clock: FakeClock = of.clock if of else FakeClock()
        adapters: Any = of.adapters if of else memory_adapters(self.clock)
        self.adapters = adapters
        self.records: Any = Troubled(adapters[AdminRepository])
        self.failures: Any = Troubled(adapters[FailureCounter])
        self.audit: Any = adapters[AuditLog]
        self.hasher = SlowMarkedHasher()
        box = AesSecretBox(lambda: "the secret of this service, which is long enough")
        self.keys = SigningKeys(adapters[SigningKeyRepository], box, self.clock)
        self.admins = Admins(
            admins=self.records,
            keys=self.keys,
            tokens=JwtTokens(),
            throttle=Throttle(self.failures, self.clock),
            hasher=self.hasher,
            audit=self.audit,
            clock=self.clock,
        )

    def another(self) -> Process:
        return Process(of=self)

    async def login(self, username: str = "ada", password: str = PASSWORD, *, address: str = HERE) -> str:
        """The token."""
        token, _ = await self.admins.login(username, password, address=address)
        return token

    async def fail(self, username: str = "ada", password: str = "wrong", *, address: str = HERE) -> None:
        with pytest.raises(InvalidCredentials):
            await self.login(username, password, address=address)

    async def refuses(self, token: str) -> None:
        with pytest.raises(InvalidToken):
            await self.admins.identify(token)

    async def stored(self, username: str = "ada") -> Admin:
        return next(admin for admin in await self.records.inner.all() if admin.username == username)

    def told(self, *actions: AuditAction) -> list[tuple[str, str | None, str | None]]:
        """Actor, address and target of the audit entries of these actions."""
        return [(entry.actor, entry.address, entry.target) for entry in self.audit.entries if entry.action in actions]


async def with_ada(*permissions: Permission) -> Process:
    """A process whose one administrator is `ada`, with all permissions unless some are named."""
    process = Process()
    await process.admins.add("ada", PASSWORD, permissions=permissions or tuple(Permission), by=COMMAND_LINE)
    return process


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
    await process.login()  # the hash that stands for those who are not known is made now
    told, work = set(), set()
    tries = [
        ("ada", "wrong"),
        ("ada", ""),
        ("ada", PASSWORD + "x" * 1_000_000),
        ("nobody", PASSWORD),
        ("grace", PASSWORD),
        ("grace", "wrong"),
        ("no name at all!", "wrong"),
        ("", ""),
        ("\ud800\0", "\ud800\0"),
    ]
    for number, (username, password) in enumerate(tries):
        hashed, verified = process.hasher.hashed, process.hasher.verified
        with pytest.raises(InvalidCredentials) as refused:
            await process.login(username, password, address=f"192.0.2.{number}")
        told.add((type(refused.value), refused.value.detail))
        work.add((process.hasher.hashed - hashed, process.hasher.verified - verified))
    assert len(told) == 1
    assert work == {(0, 1)}


@pytest.mark.parametrize("username", ["ada", "nobody"])
async def test_the_first_login_of_a_process_takes_the_same_work_for_all(username: str) -> None:
    process = (await with_ada()).another()
    await process.fail(username)
    assert (process.hasher.hashed, process.hasher.verified) == (1, 1)


async def test_an_endless_password_is_not_hashed_whole() -> None:
    process = await with_ada()
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


async def test_a_thousand_wrong_logins_cost_ten_hashes_and_the_rest_is_told_to_wait() -> None:
    process = await with_ada()
    answers = await asyncio.gather(*(process.login(password="wrong") for _ in range(1000)), return_exceptions=True)
    kinds = [type(answer) for answer in answers]
    assert (kinds.count(InvalidCredentials), kinds.count(TooManyAttempts)) == (MAX_FAILURES, 1000 - MAX_FAILURES)
    assert process.hasher.verified == MAX_FAILURES
    assert len(process.told(AuditAction.LOGIN_FAILED)) == MAX_FAILURES


async def test_guessing_at_many_names_from_one_address_is_stopped() -> None:
    process = await with_ada()
    for number in range(MAX_FAILURES):
        await process.fail(f"name-{number}")
    with pytest.raises(TooManyAttempts) as refused:
        await process.login()
    assert refused.value.retry_after == 60
    await process.login(address=THERE)


@pytest.mark.parametrize("username", ["ada", "nobody"])
async def test_guessing_at_one_name_from_many_addresses_is_stopped_whether_it_exists_or_not(username: str) -> None:
    process = await with_ada()
    for number in range(MAX_FAILURES):
        await process.fail(username, address=f"192.0.2.{number}")
    other = process.another()
    with pytest.raises(TooManyAttempts):
        await other.login(username.upper(), address="198.51.100.1")
    await process.clock.advance(60 * SECOND)
    await other.fail(username, address="198.51.100.1")


async def test_a_right_password_wipes_the_slate_of_the_account() -> None:
    process = await with_ada()
    for round in range(3):
        for number in range(MAX_FAILURES - 1):
            await process.fail(address=f"192.0.2.{10 * round + number}")
        await process.login(address=THERE)


async def test_whoever_has_an_account_cannot_guess_at_others_without_end() -> None:
    process = await with_ada()
    await process.admins.add("grace", "another password", by=COMMAND_LINE)
    for number in range(MAX_FAILURES):
        await process.login("ada")
        await process.fail(f"name-{number}")
    with pytest.raises(TooManyAttempts):
        await process.login("grace", "wrong")


async def test_what_can_be_no_name_is_counted_by_address_alone_and_kept_nowhere() -> None:
    process = await with_ada()
    for _ in range(MAX_FAILURES):
        await process.fail("My Secret Passphrase!")
    with pytest.raises(TooManyAttempts):
        await process.login("My Secret Passphrase!")
    blocked = await process.failures.inner.blocked(now=process.clock.now())
    assert list(blocked) == [f"address {HERE}"]


async def test_logins_and_failures_are_in_the_audit_log_and_what_was_typed_is_not() -> None:
    process = await with_ada()
    await process.login()
    await process.fail(" ADA ", "s3cret-one")
    await process.fail("s3cret-two", "x", address=THERE)
    await process.fail("S3cret Three!", "x", address=THERE)
    assert process.told(AuditAction.LOGIN) == [("ada", HERE, "ada")]
    assert process.told(AuditAction.LOGIN_FAILED) == [
        ("unknown", HERE, "ada"),
        ("unknown", THERE, None),
        ("unknown", THERE, None),
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
    assert process.told(AuditAction.ADMIN_DISABLED, AuditAction.ADMIN_ENABLED) == [("grace", HERE, "ada")] * 2


async def test_disabling_twice_is_told_once() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    for change in (process.admins.enable, process.admins.disable, process.admins.disable):
        await change("grace", by=COMMAND_LINE)
    assert process.told(AuditAction.ADMIN_DISABLED, AuditAction.ADMIN_ENABLED) == [("command line", None, "grace")]


async def test_the_last_who_may_do_everything_cannot_be_disabled() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, permissions=[Permission.JOBS_READ], by=COMMAND_LINE)
    await process.admins.add("joan", PASSWORD, by=COMMAND_LINE)
    await process.admins.disable("joan", by=COMMAND_LINE)
    with pytest.raises(InvalidSettings) as refused:
        await process.admins.disable("ada", by=COMMAND_LINE)
    assert [place for place, _ in refused.value.errors] == ["username"]
    await process.admins.disable("grace", by=COMMAND_LINE)
    await process.admins.enable("joan", by=COMMAND_LINE)
    await process.admins.disable("ada", by=COMMAND_LINE)


async def test_a_token_allows_no_more_than_its_administrator_still_may() -> None:
    process = await with_ada(Permission.JOBS_READ, Permission.JOBS_WRITE)
    token = await process.login()
    stored = await process.stored()
    less = Admin(
        **{name: getattr(stored, name) for name in stored.__struct_fields__}
        | {"permissions": (Permission.JOBS_READ, Permission.SLOTS_WRITE)}
    )
    await process.records.inner.save(less)
    await process.clock.advance(SECOND)
    assert (await process.admins.identify(token)).permissions == {Permission.JOBS_READ}


async def test_a_token_of_one_who_was_added_a_moment_ago_elsewhere_holds() -> None:
    process = await with_ada()
    other = process.another()
    await other.admins.identify(await process.login())
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    assert (await other.admins.identify(await process.login("grace"))).username == "grace"


async def test_a_token_for_nobody_does_not_hold() -> None:
    process = await with_ada()
    token = await process.login()
    other = Process()
    other.keys = process.keys
    stranger = Admins(
        admins=other.records,
        keys=process.keys,
        tokens=JwtTokens(),
        throttle=Throttle(other.failures, other.clock),
        hasher=other.hasher,
        audit=other.audit,
        clock=other.clock,
    )
    with pytest.raises(InvalidToken):
        await stranger.identify(token)


async def test_identifying_asks_nobody_while_what_is_known_is_fresh() -> None:
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
    assert process.told(AuditAction.ADMIN_ADDED) == [("command line", None, "ada"), ("command line", None, "grace")]
    assert process.audit.entries[1].detail == {"permissions": ["stats:read"]}


@pytest.mark.parametrize(
    ("username", "password", "places"),
    [
        ("", PASSWORD, ["username"]),
        ("Ada Lovelace", PASSWORD, ["username"]),
        ("x" * 65, PASSWORD, ["username"]),
        ("ada\0", PASSWORD, ["username"]),
        ("ada", "seven77", ["password"]),
        ("ada", "x" * 1025, ["password"]),
        ("ada", "e\u0301" * 7, ["password"]),
        (".", "", ["username", "password"]),
    ],
)
async def test_names_and_passwords_that_cannot_be_used_are_told_together(
    username: str, password: str, places: list[str]
) -> None:
    process = Process()
    with pytest.raises(InvalidSettings) as refused:
        await process.admins.add(username, password, by=COMMAND_LINE)
    assert [place for place, _ in refused.value.errors] == places
    assert await process.admins.list() == []
    assert process.hasher.hashed == 0


async def test_a_password_that_cannot_be_used_changes_nothing() -> None:
    process = await with_ada()
    token = await process.login()
    with pytest.raises(InvalidSettings):
        await process.admins.set_password("ada", "short", by=COMMAND_LINE)
    await process.admins.identify(token)
    assert process.told(AuditAction.ADMIN_PASSWORD_CHANGED) == []
    await process.admins.set_password("ada", "long enough", by=COMMAND_LINE)
    assert process.told(AuditAction.ADMIN_PASSWORD_CHANGED) == [("command line", None, "ada")]


async def test_nobody_of_that_name_is_said() -> None:
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
    assert process.told(AuditAction.ADMIN_ADDED) == [("first start", None, "admin")]


async def test_a_first_password_that_was_given_is_not_told() -> None:
    process = Process()
    assert await process.admins.ensure_first("Ada", PASSWORD) is None
    await process.admins.identify(await process.login())


async def test_of_processes_that_start_first_together_one_tells_its_password() -> None:
    process = Process()
    starts = [one.admins.ensure_first(None, None) for one in (process, *(process.another() for _ in range(4)))]
    (told,) = [told for told in await asyncio.gather(*starts) if told is not None]
    await process.login(*told)
    assert len(process.told(AuditAction.ADMIN_ADDED)) == 1


async def test_an_outage_is_told_and_counts_as_no_failure() -> None:
    process = await with_ada()
    token = await process.login()
    await process.clock.advance(SECOND)
    process.records.trouble["*"] = QueueUnavailable("away")
    for _ in range(MAX_FAILURES + 2):
        with pytest.raises(QueueUnavailable):
            await process.login(password="wrong")
        with pytest.raises(QueueUnavailable):
            await process.admins.identify(token)
    process.records.trouble.clear()
    await process.login()
    other = process.another()
    other.failures.trouble["*"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await other.login()
    assert other.hasher.verified == 0


async def test_no_password_hash_or_token_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    process = await with_ada()
    token = await process.login()
    await process.fail(password="s3cret guess")
    stored = await process.stored()
    shown = f"{stored!r} {process.admins!r} {process.audit.entries!r} {caplog.text}"
    for hidden in (PASSWORD, "s3cret guess", stored.password_hash, token):
        assert hidden not in shown
