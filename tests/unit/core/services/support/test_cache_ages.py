"""What is cached is refreshed on time, also after the wall clock was set back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from photochanger.adapters.memory import FakeClock, MemorySecretRepository, memory_adapters
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import COMMAND_LINE, MAX_FAILURES, WINDOW, Actor
from photochanger.core.domain.errors import InvalidToken, TooManyAttempts
from photochanger.core.ports.accounts import FailureCounter
from photochanger.core.ports.repositories.audit_log import AuditLog
from photochanger.core.services.auth.login_throttle import LoginThrottle
from photochanger.core.services.media.disk_space import DiskSpace
from photochanger.core.services.providers.api_keys import ProviderKeys
from photochanger.core.services.providers.status_cache import ProviderStatusCache
from photochanger.core.services.support.refreshing_value import RefreshingValue

from tests.support.logins import HERE, PASSWORD, with_ada
from tests.support.world import SECOND, FaultInjector, World

pytestmark = pytest.mark.anyio

SET_BACK = 8 * SECOND


async def test_a_disabled_administrators_token_is_refused_within_a_second_of_the_clock_being_set_back() -> None:
    process = await with_ada()
    await process.admins.add("grace", PASSWORD, by=COMMAND_LINE)
    other = process.another()
    await process.clock.advance(SET_BACK)
    token = await process.login()
    await other.admins.identify(token)
    await process.admins.disable("ada", by=Actor("grace", HERE))
    process.clock.set_back(SET_BACK)
    await process.clock.advance(SECOND)
    with pytest.raises(InvalidToken):
        await other.admins.identify(token)


def _value(clock: FakeClock) -> tuple[Any, Callable[[], Awaitable[object]]]:
    reads = FaultInjector(Reads())
    return reads, RefreshingValue(reads.read, clock, what="the value").get


class Reads:
    """Something to read."""

    async def read(self) -> int:
        return 1


def _disk_space(clock: FakeClock) -> tuple[Any, Callable[[], Awaitable[object]]]:
    world = World()
    return world.store, DiskSpace(world.store, clock, floor_bytes=0).room


def _provider_status(clock: FakeClock) -> tuple[Any, Callable[[], Awaitable[object]]]:
    world = World()
    return world.limits, ProviderStatusCache(world.limits, clock).current


def _provider_keys(clock: FakeClock) -> tuple[Any, Callable[[], Awaitable[object]]]:
    records: Any = FaultInjector(MemorySecretRepository(memory_adapters(clock)[AuditLog]))
    box = AesSecretBox(lambda: "the secret of this service, which is long enough")
    keys = ProviderKeys(records, box, clock, environment={})
    return records, lambda: keys.key("gemini")


def _blocked_addresses(clock: FakeClock) -> tuple[Any, Callable[[], Awaitable[object]]]:
    counter: Any = FaultInjector(memory_adapters(clock)[FailureCounter])
    throttle = LoginThrottle(counter, clock)
    return counter, lambda: throttle.is_blocked(["address 192.0.2.1"])


@pytest.mark.parametrize(
    "cache",
    [_value, _disk_space, _provider_status, _provider_keys, _blocked_addresses],
    ids=lambda cache: cache.__name__,
)
async def test_a_cache_is_refreshed_on_time_after_the_clock_was_set_back(
    cache: Callable[[FakeClock], tuple[Any, Callable[[], Awaitable[object]]]],
) -> None:
    clock = FakeClock()
    source, get = cache(clock)
    await get()
    assert len(source.calls) == 1
    clock.set_back(SET_BACK)
    await get()
    assert len(source.calls) == 1
    await clock.advance(2 * SECOND)
    await get()
    assert len(source.calls) == 2


async def test_a_block_ends_with_its_window_also_where_the_clock_was_set_back() -> None:
    clock = FakeClock()
    counter: Any = memory_adapters(clock)[FailureCounter]
    throttle = LoginThrottle(counter, clock)
    for _ in range(MAX_FAILURES):
        await throttle.failed(["address 192.0.2.1"])
    clock.set_back(SET_BACK)
    with pytest.raises(TooManyAttempts) as refused:
        await throttle.failed(["address 192.0.2.1"])
    assert refused.value.retry_after == WINDOW.total_seconds()
