"""The FailureCounter contract: wrong passwords counted by key, exactly, until the count has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from photochanger.core.domain.accounts import MAX_FAILURES, MAX_SITE_FAILURES, WINDOW

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
SOON = NOW + WINDOW / 2
TICK = timedelta(microseconds=1)


async def fail(backend: SimpleNamespace, keys: Collection[str], times: int, *, at: datetime = NOW) -> None:
    """So many failures of all these keys, one after the other."""
    for _ in range(times):
        await backend.failures.failed(keys, now=at)


async def test_at_first_nothing_is_blocked(backend: SimpleNamespace) -> None:
    assert await backend.failures.blocked(now=NOW) == {}
    assert await backend.failures.blocked(now=NOW, keys=["address 10.0.0.1"]) == {}


async def test_a_key_is_blocked_from_its_last_allowed_failure_to_the_end_of_its_count(
    backend: SimpleNamespace,
) -> None:
    await fail(backend, ["camera 10.1.0.1"], 1)
    await fail(backend, ["camera 10.1.0.1"], MAX_FAILURES - 2, at=SOON)
    assert await backend.failures.blocked(now=SOON) == {}
    await fail(backend, ["camera 10.1.0.1"], 1, at=SOON)
    assert await backend.failures.blocked(now=SOON) == {"camera 10.1.0.1": NOW + WINDOW}
    assert await backend.failures.blocked(now=NOW + WINDOW - TICK) == {"camera 10.1.0.1": NOW + WINDOW}
    assert await backend.failures.blocked(now=NOW + WINDOW) == {}


async def test_failures_while_blocked_do_not_move_the_end(backend: SimpleNamespace) -> None:
    await fail(backend, ["camera 10.1.0.1"], MAX_FAILURES)
    await fail(backend, ["camera 10.1.0.1"], 3, at=SOON)
    assert await backend.failures.blocked(now=SOON) == {"camera 10.1.0.1": NOW + WINDOW}


async def test_an_expired_count_starts_again(backend: SimpleNamespace) -> None:
    await fail(backend, ["camera 10.1.0.1"], MAX_FAILURES)
    again = NOW + WINDOW
    await fail(backend, ["camera 10.1.0.1"], MAX_FAILURES - 1, at=again)
    assert await backend.failures.blocked(now=again) == {}
    await fail(backend, ["camera 10.1.0.1"], 1, at=again + TICK)
    assert await backend.failures.blocked(now=again + TICK) == {"camera 10.1.0.1": again + WINDOW}


async def test_each_key_is_counted_by_itself(backend: SimpleNamespace) -> None:
    await fail(backend, ["address 10.0.0.1", "camera 10.1.0.1"], MAX_FAILURES - 1)
    await fail(backend, ["camera 10.1.0.1", "camera 10.1.0.1"], 1)
    assert await backend.failures.blocked(now=NOW) == {"camera 10.1.0.1": NOW + WINDOW}
    await fail(backend, ["address 10.0.0.1"], 1)
    assert [*sorted(await backend.failures.blocked(now=NOW))] == ["address 10.0.0.1", "camera 10.1.0.1"]


async def test_only_the_requested_keys_are_returned(backend: SimpleNamespace) -> None:
    await fail(backend, ["camera 10.1.0.1", "camera 10.1.0.2"], MAX_FAILURES)
    asked = await backend.failures.blocked(now=NOW, keys=["camera 10.1.0.2", "camera 10.1.0.3"])
    assert asked == {"camera 10.1.0.2": NOW + WINDOW}
    assert await backend.failures.blocked(now=NOW, keys=[]) == {}


async def test_without_keys_nothing_is_counted(backend: SimpleNamespace) -> None:
    await fail(backend, ["camera 10.1.0.1"], MAX_FAILURES)
    await backend.failures.failed([], now=NOW)
    assert await backend.failures.blocked(now=NOW) == {"camera 10.1.0.1": NOW + WINDOW}


async def test_a_site_is_blocked_after_more_failures_than_a_host(backend: SimpleNamespace) -> None:
    site, host = "camera 2001:db8::/48", "camera 2001:db8::/64"
    await fail(backend, [site, host], MAX_SITE_FAILURES - 1)
    assert [*await backend.failures.blocked(now=NOW)] == [host]
    await fail(backend, [site], 1)
    assert {*await backend.failures.blocked(now=NOW, keys=[site, host])} == {site, host}


async def test_the_count_is_exact_under_concurrent_failures(backend: SimpleNamespace) -> None:
    keys = ["address 10.0.0.1", "camera 10.1.0.1"]
    calls = (backend.failures.failed(keys, now=NOW) for _ in range(MAX_FAILURES - 1))
    await asyncio.gather(*calls)
    assert await backend.failures.blocked(now=NOW) == {}
    await backend.failures.failed(keys, now=NOW)
    assert {*await backend.failures.blocked(now=NOW)} == {*keys}


async def test_calls_that_share_keys_never_stand_in_each_other_s_way(backend: SimpleNamespace) -> None:
    keys = [f"address 10.0.0.{number:03}" for number in range(250)]
    for key in keys[::-1]:  # so that they do not lie in the order of their names
        await backend.failures.failed([key], now=NOW)
    calls = [
        call
        for _ in range(5)
        for call in (
            backend.failures.failed(keys, now=NOW),
            backend.failures.failed(keys[::-1], now=NOW),
            backend.failures.failed(keys[::-3], now=NOW),
            backend.failures.prune(now=NOW + WINDOW),
        )
    ]
    await asyncio.gather(*calls)
    await fail(backend, keys, MAX_FAILURES)
    assert {*await backend.failures.blocked(now=NOW)} == {*keys}


async def test_only_counts_that_have_ended_are_pruned(backend: SimpleNamespace) -> None:
    await fail(backend, ["camera 10.1.0.1", "camera 10.1.0.2"], 1)
    await fail(backend, ["camera 10.1.0.3"], MAX_FAILURES, at=SOON)
    assert await backend.failures.prune(now=NOW + WINDOW - TICK) == 0
    assert await backend.failures.prune(now=NOW + WINDOW) == 2
    assert await backend.failures.prune(now=NOW + WINDOW) == 0
    assert await backend.failures.blocked(now=NOW + WINDOW) == {"camera 10.1.0.3": SOON + WINDOW}
