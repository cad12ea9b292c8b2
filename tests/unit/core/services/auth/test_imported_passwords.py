"""An ingest password without a usable digest: one slow hash, taken in turn, and then none."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.errors import InvalidPassword, QueueUnavailable, TooManyAttempts
from photochanger.core.ports.secrets import SecretKeyUnavailable
from photochanger.core.services.auth.known_addresses import KnownAddresses

from tests.support.ingest_passwords import (
    HERE,
    OWN_SLOT,
    PASSWORD,
    SLOT,
    THERE,
    CameraWorld,
    Gate,
    camera_world,
    restarted,
)
from tests.support.wiring import get_now

pytestmark = pytest.mark.anyio

NOW = timedelta(0)


async def imported() -> CameraWorld:
    world = await camera_world(None)
    await world.bring_along()
    return world


async def test_one_slow_hash_makes_a_digest_for_every_process() -> None:
    world = await imported()
    for _ in range(3):
        await world.check()
    assert world.hasher.verified == 1
    other = restarted(world)
    await other.check()
    await other.fail()
    assert other.hasher.verified == 0
    stored = await world.settings_records.ingest_password()
    assert (stored.changed_by, stored.digest is not None) == ("somebody", True)


async def test_cameras_that_come_together_share_one_slow_hash() -> None:
    world = await imported()
    await asyncio.gather(*(world.check(address=f"192.0.2.{number}") for number in range(20)))
    assert world.hasher.verified == 1


async def test_the_same_wrong_password_is_hashed_once() -> None:
    world = await imported()
    for number in range(5):
        with pytest.raises(InvalidPassword):
            await world.check("an old one", address=f"192.0.2.{number}")
    assert world.hasher.verified == 1


async def test_an_outdated_hash_is_replaced_once() -> None:
    world = await imported()
    world.hasher.version = 3
    changed = (await world.settings_records.ingest_password()).changed_at
    await world.fail()
    await asyncio.gather(*(world.check(address=f"192.0.2.{number}") for number in range(20)))
    stored = await world.settings_records.ingest_password()
    assert (stored.hash, stored.changed_at) == (f"v3:2:{PASSWORD}", changed)
    await restarted(world).check()
    assert world.hasher.hashed == 2


async def test_an_outdated_hash_with_a_digest_is_replaced_while_the_camera_goes_on() -> None:
    world = await camera_world()
    world.hasher.version = 3
    for _ in range(3):
        await world.check()
    assert (await world.settings_records.ingest_password()).hash.startswith("v2:")
    await world.clock.advance(NOW)
    assert (await world.settings_records.ingest_password()).hash.startswith("v3:")
    assert (world.hasher.verified, world.hasher.hashed) == (0, 2)
    await restarted(world).check()


async def test_renewing_never_overwrites_a_rotated_password() -> None:
    world = await imported()
    gate = Gate(world.hasher)
    checking = await world.start(world.check())
    await world.bring_along("new password")
    gate.opened.set()
    await checking  # it was right when it was asked about
    assert (await world.settings_records.ingest_password()).hash.endswith("new password")
    await world.check("new password")
    with pytest.raises(InvalidPassword):
        await world.check()


async def test_a_database_that_cannot_be_written_costs_one_slow_hash_and_no_photo() -> None:
    world = await imported()
    world.settings_records.faults["replace_ingest_password"] = QueueUnavailable("read-only")
    for _ in range(3):
        await world.check()
        await world.fail()
    assert world.hasher.verified == 1


async def test_without_the_secret_key_one_slow_hash_decides_for_the_process(caplog: pytest.LogCaptureFixture) -> None:
    world = await camera_world()
    other = restarted(world)
    other.box.faults["digest"] = SecretKeyUnavailable("Cannot read secret.key: Permission denied.")
    for _ in range(3):
        await other.check()
    await other.fail()
    assert other.hasher.verified == 1
    assert [record.message for record in caplog.records if "slow hash" in record.message] == [
        "passwords are checked by their slow hash only: Cannot read secret.key: Permission denied."
    ]
    other.box.faults.clear()
    await restarted(other).check()


async def test_a_new_secret_key_costs_one_slow_hash() -> None:
    world = await camera_world()
    stored = await world.settings_records.ingest_password()
    other = restarted(world)
    other.box.inner._kept = b"another secret of this service, long enough"
    await other.check()
    assert other.hasher.verified == 1
    renewed = await other.settings_records.ingest_password()
    assert renewed.hash == stored.hash
    assert renewed.digest != stored.digest


async def test_the_own_password_of_a_slot_gets_a_digest_too() -> None:
    world = await camera_world()
    made: Any = await world.settings._passwords.make("of the booth", at=world.clock.now(), by="admin")
    slot = await world.slots.get(OWN_SLOT)
    world.slots._slots[OWN_SLOT] = type(slot)(
        id=slot.id,
        name=slot.name,
        active=True,
        route=slot.route,
        ingest_password=type(made)(made.hash, made.changed_at, made.changed_by),
    )
    await world.check("of the booth", slot_id=OWN_SLOT)
    assert (await world.slots.get(OWN_SLOT)).ingest_password == made
    assert (await world.slots.get(OWN_SLOT)).version == 1
    await world.check(slot_id=SLOT)
    assert world.hasher.verified == 1


async def test_known_cameras_come_first_and_then_each_address_in_turn() -> None:
    world = await imported()
    gate = Gate(world.hasher)
    known: Any = get_now(world.container, KnownAddresses)
    known.note(THERE)
    first = await world.start(fails(world, "first", "198.51.100.1"))
    flood = [await world.start(fails(world, f"flood {number}", "198.51.100.2")) for number in range(5)]
    other = await world.start(fails(world, "other", "198.51.100.3"))
    camera = await world.start(fails(world, "camera", THERE))
    gate.opened.set()
    await asyncio.gather(first, *flood, other, camera)
    assert gate.checked == ["first", "camera", "flood 0", "other", "flood 1", "flood 2", "flood 3", "flood 4"]


async def test_a_blocked_address_has_one_place_in_the_line() -> None:
    world = await imported()
    await world.fail(10)
    gate = Gate(world.hasher)
    first = await world.start(fails(world, "first", THERE))
    second = await world.start(fails_or_waits(world, "second", HERE))
    with pytest.raises(TooManyAttempts):
        await world.check("third", address=HERE)
    gate.opened.set()
    await asyncio.gather(first, second)
    assert gate.checked == ["first", "second"]


async def test_after_the_first_right_password_those_who_wait_are_decided_at_once() -> None:
    world = await imported()
    gate = Gate(world.hasher)
    camera = await world.start(world.check())
    flood = [await world.start(fails(world, f"flood {number}", f"198.51.100.{number}")) for number in range(30)]
    gate.opened.set()
    await asyncio.gather(camera, *flood)
    assert gate.checked == [PASSWORD]


async def fails(world: CameraWorld, password: str, address: str) -> None:
    with pytest.raises(InvalidPassword):
        await world.check(password, address=address)


async def fails_or_waits(world: CameraWorld, password: str, address: str) -> None:
    with pytest.raises(TooManyAttempts):
        await world.check(password, address=address)
