"""Settings that apply right now, and the ingest password of the first start."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.errors import QueueUnavailable
from photochanger.core.settings import AppSettings, StoredPassword, StoredSettings
from world import SECOND, World

pytestmark = pytest.mark.anyio

MILLISECOND = timedelta(milliseconds=1)


async def test_what_is_stored_goes_over_the_defaults_field_by_field() -> None:
    defaults = AppSettings(max_active_jobs=5, max_upload_bytes=1000)
    world = World(settings=defaults)
    assert await world.settings.current() == defaults
    stored = {
        "sync_response": 20 * SECOND,
        "result_retention": timedelta(hours=1),
        "max_active_jobs": 7,
        "max_upload_bytes": 2000,
        "max_image_pixels": 3000,
    }
    for name, value in stored.items():
        world = World(settings=defaults)
        await world.settings_records.save(StoredSettings(**{name: value}))
        for field in stored:
            expected = value if field == name else getattr(defaults, field)
            assert getattr(await world.settings.current(), field) == expected, field


async def test_a_change_is_seen_after_a_second_and_not_read_before() -> None:
    world = World()
    await world.settings.current()
    await world.set_settings(max_active_jobs=7)
    world.settings_records.calls.clear()
    await world.clock.advance(SECOND - MILLISECOND)
    assert (await world.settings.current()).max_active_jobs == 64
    assert world.settings_records.calls == []
    await world.clock.advance(MILLISECOND)
    assert (await world.settings.current()).max_active_jobs == 7


async def test_settings_are_read_anew_before_they_are_too_old_so_that_nobody_waits() -> None:
    world = World()
    await world.settings.current()
    await world.set_settings(max_active_jobs=7)
    await world.clock.advance(SECOND * 0.6)
    world.settings_records.calls.clear()
    assert [(await world.settings.current()).max_active_jobs for _ in range(5)] == [64] * 5
    await world.clock.advance(SECOND * 0)
    assert world.settings_records.calls == ["get", "ingest_password"]
    assert (await world.settings.current()).max_active_jobs == 7


async def test_settings_that_cannot_be_read_ahead_hold_until_they_are_too_old() -> None:
    world = World()
    await world.settings.current()
    world.settings_records.trouble["*"] = QueueUnavailable("away")
    await world.clock.advance(SECOND * 0.6)
    await world.settings.current()
    await world.clock.advance(SECOND * 0.3)
    await world.settings.current()
    await world.clock.advance(SECOND * 0.2)
    with pytest.raises(QueueUnavailable):
        await world.settings.current()


async def test_many_that_ask_at_once_cost_one_reading() -> None:
    world = World()
    await asyncio.gather(*(world.settings.current() for _ in range(50)), world.settings.ingest_password())
    assert world.settings_records.calls == ["get", "ingest_password"]


async def test_an_outage_is_said_and_over_when_it_is_over() -> None:
    world = World()
    world.settings_records.trouble["get"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.settings.current()
    world.settings_records.trouble.clear()
    assert await world.settings.current() == AppSettings()


async def test_the_first_start_makes_a_password_once_and_tells_it_once() -> None:
    world = World()
    told = await world.settings.ensure_ingest_password(None)
    assert told is not None
    assert len(told) >= 12
    await world.auth.check_ingest_password(told, address="192.0.2.1")
    stored = await world.settings_records.ingest_password()
    assert await world.settings.ensure_ingest_password(None) is None
    assert await world.settings.ensure_ingest_password("another one") is None
    assert await world.settings_records.ingest_password() == stored


async def test_two_installations_get_different_passwords() -> None:
    assert await World().settings.ensure_ingest_password(None) != await World().settings.ensure_ingest_password(None)


async def test_a_password_that_was_given_is_set_and_not_told() -> None:
    world = World()
    await world.settings.ingest_password()  # looked at before the first start is through
    assert await world.settings.ensure_ingest_password("given by hand") is None
    await world.auth.check_ingest_password("given by hand", address="192.0.2.1")


async def test_of_two_processes_at_their_first_start_only_the_one_that_set_it_tells_its_password() -> None:
    world = World()
    first_told = await world.settings.ensure_ingest_password(None)
    holds = await world.settings_records.ingest_password()
    look = world.settings_records.inner.ingest_password

    async def not_yet() -> StoredPassword | None:
        world.settings_records.ingest_password = look
        return None

    world.settings_records.ingest_password = not_yet
    assert await world.settings.ensure_ingest_password(None) is None
    assert await look() == holds
    assert first_told is not None
    await world.auth.check_ingest_password(first_told, address="192.0.2.1")


def test_a_stored_password_does_not_show_its_hash() -> None:
    stored = StoredPassword("v1:secret-hash", World().clock.now(), "admin")
    assert "secret-hash" not in repr(stored)
