"""Ingest passwords: right ones are recognised at once and never refused, wrong ones are counted and recorded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE, MAX_FAILURES, MAX_SITE_FAILURES
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidPassword, QueueUnavailable, TooManyAttempts
from photochanger.core.domain.settings import StoredPassword
from photochanger.core.services.auth.known_addresses import KnownAddresses

from tests.support.ingest_passwords import HERE, OWN_SLOT, PASSWORD, SLOT, THERE, CameraWorld, camera_world, restarted
from tests.support.wiring import get_now
from tests.support.world import SECOND

pytestmark = pytest.mark.anyio


async def refused(world: CameraWorld, password: str = "wrong", *, address: str = HERE) -> int:
    """The seconds to wait that a wrong password is answered with."""
    with pytest.raises(TooManyAttempts) as error:
        await world.check(password, address=address)
    return error.value.retry_after


async def test_right_and_wrong_passwords_are_told_apart_without_the_slow_hash() -> None:
    world = await camera_world()
    for _ in range(5):
        await world.check()
        await world.fail(address=THERE)
        await world.clock.advance(10 * SECOND)
    assert world.hasher.verified == 0


async def test_a_process_that_just_started_knows_the_password() -> None:
    world = restarted(await camera_world())
    wrong = (world.check(f"wrong {number}", address=f"192.0.2.{number}") for number in range(120))
    answers = await asyncio.gather(*wrong, world.check(), return_exceptions=True)
    assert answers.pop() is None
    assert {type(answer) for answer in answers} == {InvalidPassword}
    assert world.hasher.verified == 0


async def test_the_right_password_is_accepted_from_a_blocked_address() -> None:
    world = await camera_world()
    await world.fail(MAX_FAILURES)
    for _ in range(3):
        assert await refused(world) == 60
        await world.check()
    await restarted(world).check()


async def test_a_right_password_neither_resets_nor_asks_the_count() -> None:
    world = await camera_world()
    await world.fail(MAX_FAILURES - 1)
    world.failures.calls.clear()
    await world.check()
    assert world.failures.calls == []
    await world.fail()
    await refused(world)


async def test_a_right_password_is_accepted_while_failures_cannot_be_counted() -> None:
    world = await camera_world()
    world.failures.faults["*"] = QueueUnavailable("away")
    await world.check()
    with pytest.raises(QueueUnavailable):
        await world.check("wrong")


async def test_a_known_right_password_reads_nothing() -> None:
    world = await camera_world()
    await world.check()
    world.settings_records.calls.clear()
    for _ in range(100):
        await world.check()
    assert world.settings_records.calls == []


async def test_a_right_password_makes_its_address_known() -> None:
    world = await camera_world()
    known: Any = get_now(world.container, KnownAddresses)
    await world.fail(address=THERE)
    await world.check()
    assert HERE in known
    assert THERE not in known


async def test_without_a_password_nothing_is_right() -> None:
    world = await camera_world(None)
    for password in ("", "None", PASSWORD):
        with pytest.raises(InvalidPassword):
            await world.check(password)
    assert world.hasher.verified == 0


async def test_a_rotation_in_another_process_stops_the_old_password_within_a_second() -> None:
    world = await camera_world()
    await world.check()
    passwords = world.settings._passwords
    await world.rotate(await passwords.make("new password", at=world.clock.now(), by="admin"))
    await world.clock.advance(SECOND)
    with pytest.raises(InvalidPassword):
        await world.check()
    await world.check("new password")
    assert world.hasher.verified == 0


async def test_a_password_changed_in_this_process_holds_at_once() -> None:
    world = await camera_world()
    await world.check()
    await world.settings.change({"ingest_password": "new password"}, expected_version=None, by=COMMAND_LINE)
    with pytest.raises(InvalidPassword):
        await world.check()
    await world.check("new password")


async def test_the_digest_of_one_hash_says_nothing_about_another() -> None:
    world = await camera_world()
    old = await world.settings_records.ingest_password()
    hash = await world.hasher.hash("new password")
    await world.rotate(StoredPassword(hash, old.changed_at, old.changed_by, old.digest))
    await world.clock.advance(SECOND)
    await world.check("new password")
    with pytest.raises(InvalidPassword):
        await world.check()


async def test_wrong_passwords_are_refused_for_the_rest_of_the_minute() -> None:
    world = await camera_world()
    await world.fail()
    await world.clock.advance(20 * SECOND)
    await world.fail(MAX_FAILURES - 1)
    assert await refused(world) == 40
    await world.clock.advance(40 * SECOND - timedelta(milliseconds=1))
    assert await refused(world) == 1
    await world.clock.advance(timedelta(milliseconds=1))
    await world.fail()


async def test_a_missing_password_counts_as_a_wrong_one() -> None:
    world = await camera_world()
    for _ in range(MAX_FAILURES):
        await world.auth.missing_password(HERE)
    with pytest.raises(TooManyAttempts):
        await world.auth.missing_password(HERE)
    await refused(world)
    await world.check()
    assert [entry.action for entry in world.audit.entries] == [AuditAction.INGEST_PASSWORD_FAILED]


async def test_failures_that_are_a_minute_apart_do_not_add_up() -> None:
    world = await camera_world()
    for _ in range(3):
        await world.fail(MAX_FAILURES - 1)
        await world.clock.advance(60 * SECOND)
    await world.fail()


async def test_of_a_flood_from_one_address_ten_are_counted_and_the_rest_costs_no_write() -> None:
    world = await camera_world()
    world.failures.calls.clear()
    answers = await asyncio.gather(*(world.check("wrong") for _ in range(50)), return_exceptions=True)
    kinds = [type(answer) for answer in answers]
    assert (kinds.count(InvalidPassword), kinds.count(TooManyAttempts)) == (MAX_FAILURES, 50 - MAX_FAILURES)
    assert world.failures.calls.count("failed") == MAX_FAILURES


async def test_wrong_passwords_are_counted_for_all_processes() -> None:
    world = await camera_world()
    await world.fail(MAX_FAILURES)
    other = restarted(world)
    await refused(other)
    await other.check()
    with pytest.raises(InvalidPassword):
        await other.check("wrong", address=THERE)


async def test_hosts_of_one_ipv6_network_are_counted_together() -> None:
    world = await camera_world()
    for number in range(MAX_FAILURES):
        await world.fail(address=f"2001:db8::{number:x}")
    await refused(world, address="2001:db8::ffff")
    await world.fail(address="2001:db8:0:1::1")
    await world.check(address="2001:db8::ffff")


async def test_networks_of_one_ipv6_site_are_counted_together() -> None:
    world = await camera_world()
    for number in range(MAX_SITE_FAILURES):
        await world.fail(address=f"2001:db8:0:{number:x}::1")
    await refused(world, address="2001:db8:0:ffff::1")
    await world.fail(address="2001:db8:1::1")
    await world.check(address="2001:db8:0:ffff::1")


async def test_passwords_longer_than_1024_characters_are_wrong() -> None:
    world = await camera_world("x" * 1024)
    await world.check("x" * 1024)
    with pytest.raises(InvalidPassword):
        await world.check("x" * 1025)


async def test_a_password_of_any_characters_is_only_right_or_wrong() -> None:
    world = await camera_world("pässwörd ✓ \x00")
    await world.check("pässwörd ✓ \x00")
    with pytest.raises(InvalidPassword):
        await world.check("\ud800")


async def test_an_outage_is_raised_and_counts_as_no_failure() -> None:
    world = await camera_world()
    world.settings_records.faults["*"] = QueueUnavailable("away")
    for _ in range(MAX_FAILURES + 2):
        with pytest.raises(QueueUnavailable):
            await world.check()
    world.settings_records.faults.clear()
    await world.fail()


async def test_wrong_passwords_are_recorded_without_them() -> None:
    world = await camera_world()
    await world.fail(MAX_FAILURES)
    await refused(world, "another wrong one")
    await world.clock.advance(60 * SECOND)
    failures = [entry for entry in world.audit.entries if entry.action is AuditAction.INGEST_PASSWORD_FAILED]
    assert [(entry.actor, entry.address, entry.target, entry.detail) for entry in failures] == [
        ("camera", HERE, None, {}),
        ("camera", None, None, {"attempts": MAX_FAILURES}),
    ]
    assert "wrong" not in repr(world.audit.entries)


async def test_a_slot_with_an_own_password_accepts_only_that() -> None:
    world = await camera_world()
    await give_own_password(world, "of the booth")
    for process in (world, restarted(world)):
        await process.check("of the booth", slot_id=OWN_SLOT)
        await process.check(slot_id=SLOT)
        for password, slot_id in ((PASSWORD, OWN_SLOT), ("of the booth", SLOT)):
            with pytest.raises(InvalidPassword):
                await process.check(password, slot_id=slot_id)
        assert process.hasher.verified == 0


async def test_without_its_own_password_a_slot_accepts_the_general_one_again() -> None:
    world = await camera_world()
    await give_own_password(world, "of the booth")
    await give_own_password(world, None)
    await world.check(slot_id=OWN_SLOT)
    with pytest.raises(InvalidPassword):
        await world.check("of the booth", slot_id=OWN_SLOT)


async def give_own_password(world: CameraWorld, password: str | None) -> None:
    slot = await world.slots.get(OWN_SLOT)
    document = {
        "name": slot.name,
        "active": True,
        "route": [{"provider_id": "local", "operation_id": "enhance"}],
        "ingest_password": password,
    }
    await world.slot_service.put(OWN_SLOT, document, expected_version=slot.version, by=COMMAND_LINE)


async def test_texts_that_are_the_expected_password_are_recognised_before_it_is_sent() -> None:
    world = await camera_world()
    await give_own_password(world, "of the booth")
    other = restarted(world)
    assert not other.auth.was_right(PASSWORD, SLOT)
    for slot_id in (SLOT, OWN_SLOT):
        await other.auth.expect(await other.slots.get(slot_id))
    assert other.auth.was_right(PASSWORD, SLOT)
    assert other.auth.was_right("of the booth", OWN_SLOT)
    assert other.auth.was_right(PASSWORD, OWN_SLOT)
    assert not other.auth.was_right("of the booth", SLOT)
    assert not other.auth.was_right("wrong", SLOT)
