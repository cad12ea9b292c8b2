"""Settings that apply right now, and the ingest password of the first start."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidSettings, QueueUnavailable, VersionConflict
from photochanger.core.domain.routing.provider_usage import ProviderLimit
from photochanger.core.domain.settings import AppSettings, StoredPassword, StoredSettings
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.ports.repositories.settings_repository import SettingsUpdate

from tests.support.world import SECOND, ScriptedProvider, World

pytestmark = pytest.mark.anyio

MILLISECOND = timedelta(milliseconds=1)
ADA = Actor("ada", "192.0.2.1")
ANY_SLOT = shipped_slots()[0]


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
        await world.settings_records.save(SettingsUpdate(settings=StoredSettings(**{name: value})), expected_version=1)
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


async def test_settings_are_refreshed_before_they_expire() -> None:
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
    world.settings_records.faults["*"] = QueueUnavailable("away")
    await world.clock.advance(SECOND * 0.6)
    await world.settings.current()
    await world.clock.advance(SECOND * 0.3)
    await world.settings.current()
    await world.clock.advance(SECOND * 0.2)
    with pytest.raises(QueueUnavailable):
        await world.settings.current()


async def test_concurrent_readers_cost_one_read() -> None:
    world = World()
    await asyncio.gather(*(world.settings.current() for _ in range(50)), world.settings.ingest_password())
    assert world.settings_records.calls == ["get", "ingest_password"]


async def test_an_outage_is_said_and_over_when_it_is_over() -> None:
    world = World()
    world.settings_records.faults["get"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.settings.current()
    world.settings_records.faults.clear()
    assert await world.settings.current() == AppSettings()


async def test_the_first_start_generates_a_password_once_and_returns_it_once() -> None:
    world = World()
    password = await world.settings.ensure_ingest_password(None)
    assert password is not None
    assert len(password) >= 12
    await world.auth.check_ingest_password(password, slot=ANY_SLOT, address="192.0.2.1")
    stored = await world.settings_records.ingest_password()
    assert await world.settings.ensure_ingest_password(None) is None
    assert await world.settings.ensure_ingest_password("another one") is None
    assert await world.settings_records.ingest_password() == stored


async def test_two_installations_get_different_passwords() -> None:
    assert await World().settings.ensure_ingest_password(None) != await World().settings.ensure_ingest_password(None)


async def test_a_configured_password_is_set_and_not_returned() -> None:
    world = World()
    await world.settings.ingest_password()  # looked at before the first start is through
    assert await world.settings.ensure_ingest_password("given by hand") is None
    await world.auth.check_ingest_password("given by hand", slot=ANY_SLOT, address="192.0.2.1")


async def test_of_two_processes_at_their_first_start_only_the_one_that_set_the_password_returns_it() -> None:
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
    await world.auth.check_ingest_password(first_told, slot=ANY_SLOT, address="192.0.2.1")


def test_a_stored_password_does_not_show_its_hash() -> None:
    stored = StoredPassword("v1:secret-hash", World().clock.now(), "admin")
    assert "secret-hash" not in repr(stored)


# Shown and changed


async def change(world: World, *, expected_version: int | None = None, **document: Any) -> None:
    await world.settings.change(document, expected_version=expected_version, by=ADA)


async def refused(world: World, **document: Any) -> set[str]:
    """The places that a change is refused for; nothing of it may be stored."""
    before = await world.settings.describe()
    with pytest.raises(InvalidSettings) as error:
        await change(world, **document)
    assert await world.settings.describe() == before
    assert world.audit.entries == []
    return {one.field for one in error.value.errors}


async def test_what_holds_is_shown_with_what_was_set_here_and_no_password() -> None:
    world = World(ScriptedProvider("cloud"))
    await world.settings.ensure_ingest_password("open sesame")
    assert await world.settings.describe() == {
        "sync_response_seconds": 48,
        "result_retention_hours": 72,
        "max_active_jobs": 64,
        "max_upload_bytes": 64 * 1024 * 1024,
        "max_image_pixels": 100_000_000,
        "currency": "USD",
        "usd_rate": 1,
        "budget_per_day": None,
        "budget_at_limit": "refuse",
        "time_zone": "UTC",
        "stored": [],
        "provider_limits": {},
        "provider_keys": {},
        "ingest_password": {"changed_at": world.clock.now(), "changed_by": "first start"},
        "version": 1,
    }
    await change(world, sync_response_seconds=12.5, provider_limits={"cloud": {"per_day": 3}})
    after = await world.settings.describe()
    assert (after["sync_response_seconds"], after["stored"]) == (12.5, ["sync_response_seconds"])
    assert after["provider_limits"] == {"cloud": {"max_concurrent": None, "per_minute": None, "per_day": 3}}
    assert (await World().settings.describe())["ingest_password"] is None


async def test_a_change_applies_immediately_and_keeps_what_it_does_not_name() -> None:
    world = World(settings=AppSettings(max_active_jobs=5))
    await world.settings.current()
    await change(world, sync_response_seconds=10, result_retention_hours=0.5)
    await change(world, max_upload_bytes=2048, max_image_pixels=77)
    assert await world.settings.current() == AppSettings(
        sync_response=10 * SECOND,
        result_retention=timedelta(minutes=30),
        max_active_jobs=5,
        max_upload_bytes=2048,
        max_image_pixels=77,
    )


async def test_null_goes_back_to_the_default() -> None:
    world = World(settings=AppSettings(max_active_jobs=5))
    await change(world, max_active_jobs=7, sync_response_seconds=20)
    await change(world, max_active_jobs=None)
    described = await world.settings.describe()
    assert (described["max_active_jobs"], described["stored"]) == (5, ["sync_response_seconds"])


async def test_every_value_out_of_bounds_is_reported_at_once_and_nothing_is_stored() -> None:
    world = World(ScriptedProvider("cloud"))
    assert await refused(
        world,
        sync_response_seconds=9.9,
        result_retention_hours=0,
        max_active_jobs=0,
        max_upload_bytes=True,
        max_image_pixels="many",
        ingest_password="short",
        provider_limits={"nobody": {"per_day": 1}, "cloud": {"per_day": 0, "per_minute": 1_000_001, "colour": 1}},
        colour="red",
    ) == {
        "sync_response_seconds",
        "result_retention_hours",
        "max_active_jobs",
        "max_upload_bytes",
        "max_image_pixels",
        "ingest_password",
        "provider_limits.nobody",
        "provider_limits.cloud.per_day",
        "provider_limits.cloud.per_minute",
        "provider_limits.cloud.colour",
        "colour",
    }


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("sync_response_seconds", 10, 60),
        ("result_retention_hours", 1 / 60, 87_600),
        ("max_active_jobs", 1, 10_000),
        ("max_upload_bytes", 1024, 2**30),
        ("max_image_pixels", 1, 10**9),
    ],
)
async def test_the_bounds_themselves_are_within(name: str, low: float, high: float) -> None:
    world = World()
    for outside in (low - 1, high + 1, -high, float("nan"), float("inf")):
        assert await refused(world, **{name: outside}) == {name}
    for bound in (low, high):
        await change(world, **{name: bound})
        assert (await world.settings.describe())[name] == pytest.approx(bound)


@pytest.mark.parametrize("password", ["x" * 7, "x" * 1025, "", None, 12345678, ["x" * 8]])
async def test_what_is_no_ingest_password_is_refused(password: object) -> None:
    assert await refused(World(), ingest_password=password) == {"ingest_password"}


async def test_a_new_ingest_password_applies_immediately_unchanged_and_is_in_no_log() -> None:
    world = World()
    await world.settings.ensure_ingest_password("open sesame")
    await world.settings.current()
    await world.clock.advance(SECOND)
    new = " passwo\u0308rd "  # not composed: the cameras send it as it was typed
    await change(world, ingest_password=new)
    await world.auth.check_ingest_password(new, slot=ANY_SLOT, address="192.0.2.1")
    stored = await world.settings.ingest_password()
    assert stored is not None
    assert (stored.changed_at, stored.changed_by) == (world.clock.now(), "ada")
    (recorded,) = world.audit.entries
    assert (recorded.action, recorded.actor, recorded.detail) == (AuditAction.INGEST_PASSWORD_CHANGED, "ada", {})


async def test_limits_of_a_provider_are_set_and_removed_without_changing_others() -> None:
    world = World(ScriptedProvider("cloud"), ScriptedProvider("other"))
    await change(world, provider_limits={"cloud": {"max_concurrent": 2}, "other": {"per_minute": 5}})
    await change(world, provider_limits={"cloud": None})
    assert (await world.settings.current()).provider_limits == {"other": ProviderLimit(per_minute=5)}
    await world.settings.limit_provider("cloud", ProviderLimit(per_day=9), by=ADA)
    limits = (await world.settings.current()).provider_limits
    assert limits == {"other": ProviderLimit(per_minute=5), "cloud": ProviderLimit(per_day=9)}
    last = world.audit.entries[-1]
    assert (last.action, last.target) == (AuditAction.PROVIDER_LIMITS_CHANGED, "cloud")
    nothing = {"max_concurrent": None, "per_minute": None}
    assert last.detail == {"changed": {"cloud": [None, nothing | {"per_day": 9}]}}


async def test_limits_are_for_providers_that_are_here_and_not_on_this_machine() -> None:
    world = World(ScriptedProvider("cloud"))
    for wrong in ({"local": {"per_day": 1}}, {"nobody": None}):
        (provider_id,) = wrong
        assert await refused(world, provider_limits=wrong) == {f"provider_limits.{provider_id}"}
    assert await refused(world, provider_limits=None) == {"provider_limits"}
    assert await refused(world, provider_limits={"cloud": 7}) == {"provider_limits.cloud"}
    await world.settings.limit_provider("gone", ProviderLimit(per_day=9), by=ADA)
    await change(world, provider_limits={"gone": None})
    assert (await world.settings.current()).provider_limits == {}


async def test_each_kind_of_change_is_audited_with_before_and_after() -> None:
    world = World(ScriptedProvider("cloud"))
    await change(world, sync_response_seconds=20, max_active_jobs=64)
    await change(
        world,
        sync_response_seconds=30,
        max_active_jobs=64,  # as it is
        provider_limits={"cloud": {"per_day": 3}},
        ingest_password="a new password",
    )
    first, *others = world.audit.entries
    assert first.detail == {"changed": {"sync_response_seconds": [None, 20], "max_active_jobs": [None, 64]}}
    assert [entry.action for entry in others] == [
        AuditAction.SETTINGS_CHANGED,
        AuditAction.PROVIDER_LIMITS_CHANGED,
        AuditAction.INGEST_PASSWORD_CHANGED,
    ]
    assert others[0].detail == {"changed": {"sync_response_seconds": [20, 30]}}


async def test_a_change_to_what_holds_already_is_none() -> None:
    world = World()
    await change(world, max_active_jobs=7)
    version = (await world.settings.describe())["version"]
    await change(world, max_active_jobs=7)
    assert (await world.settings.describe())["version"] == version
    assert len(world.audit.entries) == 1


async def test_of_two_writers_that_name_the_version_one_wins() -> None:
    world = World()
    writing = [change(world, max_active_jobs=number, expected_version=1) for number in (7, 8, 9)]
    ends = await asyncio.gather(*writing, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", "VersionConflict", "VersionConflict"]
    with pytest.raises(VersionConflict):
        await change(world, ingest_password="a new password", expected_version=1)
    assert await world.settings.ingest_password() is None


async def test_writers_that_name_no_version_lose_nothing_of_each_other() -> None:
    world = World(ScriptedProvider("cloud"))
    await asyncio.gather(
        change(world, sync_response_seconds=33),
        change(world, max_active_jobs=12, provider_limits={"cloud": {"per_day": 3}}),
        change(world, result_retention_hours=5),
        world.settings.limit_provider("other", ProviderLimit(per_day=4), by=ADA),
    )
    described = await world.settings.describe()
    assert described["stored"] == ["sync_response_seconds", "result_retention_hours", "max_active_jobs"]
    assert described["provider_limits"].keys() == {"cloud", "other"}
    assert described["version"] == 5


async def test_a_change_with_a_version_may_be_of_several_kinds() -> None:
    world = World(ScriptedProvider("cloud"))
    limits = {"cloud": {"per_day": 3}}
    await change(world, max_active_jobs=7, provider_limits=limits, ingest_password="a password", expected_version=1)
    assert [entry.action for entry in world.audit.entries] == [
        AuditAction.SETTINGS_CHANGED,
        AuditAction.PROVIDER_LIMITS_CHANGED,
        AuditAction.INGEST_PASSWORD_CHANGED,
    ]
