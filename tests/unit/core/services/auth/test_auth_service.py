"""The ingest password: one slow hash, then a fast path that a rotation ends; guessing is throttled and told of."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidPassword, QueueUnavailable, TooManyAttempts
from photochanger.core.domain.settings import StoredPassword
from photochanger.core.ports.repositories.settings_repository import SettingsUpdate
from photochanger.core.services.auth.ingest_password import AuthService
from photochanger.core.services.auth.login_throttle import LoginThrottle

from tests.support.world import SECOND, World

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse"
HERE, THERE = "192.0.2.1", "192.0.2.2"


async def world_with_password(password: str = PASSWORD) -> World:
    world = World()
    await world.settings.ensure_ingest_password(password)
    return world


async def rotate(world: World, password: str) -> None:
    """What the administrator does in another process."""
    hash = await world.hasher.hash(password)
    stored = await world.settings_records.get()
    update = SettingsUpdate(settings=stored, ingest_password=StoredPassword(hash, world.clock.now(), "admin"))
    await world.settings_records.save(update, expected_version=stored.version)


async def check(world: World, password: str = PASSWORD, *, address: str = HERE) -> None:
    await world.auth.check_ingest_password(password, address=address)


async def fail(world: World, times: int, *, address: str = HERE) -> None:
    for _ in range(times):
        with pytest.raises(InvalidPassword):
            await check(world, "wrong", address=address)


async def test_the_slow_hash_is_computed_once() -> None:
    world = await world_with_password()
    for _ in range(5):
        await check(world)
        await check(world, address=THERE)
        await world.clock.advance(10 * SECOND)
    assert world.hasher.verified == 1


async def test_guests_that_come_together_share_one_slow_hash() -> None:
    world = await world_with_password()
    await asyncio.gather(*(check(world, address=f"192.0.2.{number}") for number in range(20)))
    assert world.hasher.verified == 1


async def test_a_wrong_password_is_refused_before_and_after_the_right_one() -> None:
    world = await world_with_password()
    await fail(world, 1)
    await check(world)
    await fail(world, 1)
    assert world.hasher.verified == 3


async def test_without_a_password_nothing_is_right() -> None:
    world = World()
    for password in ("", "None", PASSWORD):
        with pytest.raises(InvalidPassword):
            await check(world, password)
    assert world.hasher.verified == 0


async def test_a_rotation_stops_the_old_password_within_a_second() -> None:
    world = await world_with_password()
    await check(world)
    await rotate(world, "new password")
    await world.clock.advance(SECOND)
    with pytest.raises(InvalidPassword):
        await check(world)
    await check(world, "new password")
    verified = world.hasher.verified
    await check(world, "new password")
    assert world.hasher.verified == verified


async def test_ten_wrong_passwords_close_the_door_for_the_rest_of_the_minute() -> None:
    world = await world_with_password()
    await fail(world, 1)
    await world.clock.advance(20 * SECOND)
    await fail(world, 9)
    verified = world.hasher.verified
    with pytest.raises(TooManyAttempts) as refused:
        await check(world)  # even the right one: else guessing could go on
    assert refused.value.retry_after == 40
    assert world.hasher.verified == verified
    with pytest.raises(TooManyAttempts):
        await world.auth.check_throttle(HERE)
    await world.clock.advance(40 * SECOND - timedelta(milliseconds=1))
    with pytest.raises(TooManyAttempts) as refused:
        await check(world)
    assert refused.value.retry_after == 1
    await world.clock.advance(timedelta(milliseconds=1))
    await world.auth.check_throttle(HERE)
    await check(world)


async def test_another_address_is_not_held_responsible() -> None:
    world = await world_with_password()
    await fail(world, 10)
    await world.auth.check_throttle(THERE)
    await check(world, address=THERE)


async def test_the_right_password_wipes_the_slate() -> None:
    world = await world_with_password()
    await fail(world, 9)
    await check(world)
    await fail(world, 9)
    await check(world)


async def test_failures_that_are_a_minute_apart_do_not_add_up() -> None:
    world = await world_with_password()
    await fail(world, 9)
    await world.clock.advance(60 * SECOND)
    await fail(world, 9)
    await check(world)


async def test_a_flood_of_wrong_passwords_costs_no_more_than_ten_slow_hashes() -> None:
    world = await world_with_password()
    answers = await asyncio.gather(*(check(world, "wrong") for _ in range(50)), return_exceptions=True)
    kinds = [type(answer) for answer in answers]
    assert (kinds.count(InvalidPassword), kinds.count(TooManyAttempts)) == (10, 40)
    assert world.hasher.verified == 10


async def test_passwords_up_to_1024_characters_are_looked_at_and_longer_ones_are_not() -> None:
    world = await world_with_password("x" * 1024)
    await check(world, "x" * 1024)
    verified = world.hasher.verified
    with pytest.raises(InvalidPassword):
        await check(world, "x" * 1025)
    assert world.hasher.verified == verified


async def test_a_password_of_any_characters_is_only_right_or_wrong() -> None:
    world = await world_with_password("pässwörd ✓ \x00")
    await check(world, "pässwörd ✓ \x00")
    await check(world, "pässwörd ✓ \x00")
    with pytest.raises(InvalidPassword):
        await check(world, "\ud800")


async def test_an_outdated_hash_is_renewed_once() -> None:
    world = await world_with_password()
    world.hasher.version = 3
    changed = (await world.settings_records.ingest_password()).changed_at
    await asyncio.gather(*(check(world, address=f"192.0.2.{number}") for number in range(20)))
    stored = await world.settings_records.ingest_password()
    assert (stored.hash, stored.changed_at) == (f"v3:2:{PASSWORD}", changed)
    assert (world.hasher.verified, world.hasher.hashed) == (1, 2)
    await world.clock.advance(10 * SECOND)
    await check(world)
    assert world.hasher.verified == 1


async def test_a_wrong_password_renews_nothing() -> None:
    world = await world_with_password()
    world.hasher.version = 3
    await fail(world, 1)
    assert (await world.settings_records.ingest_password()).hash == f"v2:1:{PASSWORD}"


async def test_renewing_a_hash_never_overwrites_a_rotated_password() -> None:
    world = await world_with_password()
    world.hasher.version = 3
    verify = world.hasher.verify

    async def rotated_meanwhile(password: str, hash: str) -> bool:
        right = await verify(password, hash)
        await rotate(world, "new password")
        return right

    world.hasher.verify = rotated_meanwhile  # type: ignore[method-assign]
    await check(world)  # it was right when it was asked about
    world.hasher.verify = verify  # type: ignore[method-assign]
    assert (await world.settings_records.ingest_password()).hash.endswith("new password")
    with pytest.raises(InvalidPassword):
        await check(world)
    await check(world, "new password")


async def test_an_outage_is_said_and_counts_as_no_failure() -> None:
    world = await world_with_password()
    world.settings_records.faults["*"] = QueueUnavailable("away")
    for _ in range(12):
        with pytest.raises(QueueUnavailable):
            await check(world)
    world.settings_records.faults.clear()
    await check(world)


async def test_a_right_password_that_is_known_asks_nobody() -> None:
    world = await world_with_password()
    await check(world)
    world.failures.calls.clear()
    world.settings_records.calls.clear()
    for _ in range(100):
        await world.auth.check_throttle(HERE)
        await check(world)
    assert world.failures.calls == []
    assert world.settings_records.calls == []
    assert world.hasher.verified == 1


async def test_wrong_passwords_are_counted_for_all_processes() -> None:
    world = await world_with_password()
    other = AuthService(
        world.settings, LoginThrottle(world.failures.inner, world.clock), world.hasher, world.audit, world.clock
    )
    await other.check_ingest_password(PASSWORD, address=HERE)
    verified = world.hasher.verified
    await fail(world, 10)
    with pytest.raises(TooManyAttempts):
        await other.check_ingest_password("wrong", address=HERE)
    assert world.hasher.verified == verified + 10
    with pytest.raises(TooManyAttempts):
        await other.check_ingest_password(PASSWORD, address=HERE)
    await other.check_ingest_password(PASSWORD, address=THERE)


async def test_hosts_of_one_ipv6_network_are_counted_together() -> None:
    world = await world_with_password()
    for number in range(10):
        await fail(world, 1, address=f"2001:db8::{number:x}")
    with pytest.raises(TooManyAttempts):
        await check(world, address="2001:db8::ffff")
    await check(world, address="2001:db8:0:1::1")


async def test_a_password_changed_in_this_process_holds_at_once() -> None:
    world = await world_with_password()
    await check(world)
    await world.settings.change({"ingest_password": "new password"}, expected_version=None, by=COMMAND_LINE)
    with pytest.raises(InvalidPassword):
        await check(world)
    await check(world, "new password")


async def test_each_wrong_password_is_told_of_and_never_shown() -> None:
    world = await world_with_password()
    await fail(world, 10)
    await check(world, address=THERE)
    with pytest.raises(TooManyAttempts):
        await check(world, "wrong")
    failures = [entry for entry in world.audit.entries if entry.action is AuditAction.INGEST_PASSWORD_FAILED]
    assert [(entry.actor, entry.address, entry.target, entry.detail) for entry in failures] == [
        ("camera", HERE, None, {})
    ] * 10
    assert "wrong" not in repr(world.audit.entries)


async def test_while_failures_cannot_be_counted_nobody_is_let_try() -> None:
    world = await world_with_password()
    world.failures.faults["*"] = QueueUnavailable("away")
    for password in ("wrong", PASSWORD):
        with pytest.raises(QueueUnavailable):
            await check(world, password)
    assert world.hasher.verified == 0
    world.failures.faults.clear()
    await check(world)
