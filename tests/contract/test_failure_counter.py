"""The FailureCounter contract: wrong passwords counted by key, exactly, until the count has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from photochanger.core.domain.accounts import MAX_FAILURES, WINDOW

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
    await fail(backend, ["account ada"], 1)
    await fail(backend, ["account ada"], MAX_FAILURES - 2, at=SOON)
    assert await backend.failures.blocked(now=SOON) == {}
    await fail(backend, ["account ada"], 1, at=SOON)
    assert await backend.failures.blocked(now=SOON) == {"account ada": NOW + WINDOW}
    assert await backend.failures.blocked(now=NOW + WINDOW - TICK) == {"account ada": NOW + WINDOW}
    assert await backend.failures.blocked(now=NOW + WINDOW) == {}


async def test_failures_while_blocked_do_not_move_the_end(backend: SimpleNamespace) -> None:
    await fail(backend, ["account ada"], MAX_FAILURES)
    await fail(backend, ["account ada"], 3, at=SOON)
    assert await backend.failures.blocked(now=SOON) == {"account ada": NOW + WINDOW}


async def test_an_expired_count_starts_again(backend: SimpleNamespace) -> None:
    await fail(backend, ["account ada"], MAX_FAILURES)
    again = NOW + WINDOW
    await fail(backend, ["account ada"], MAX_FAILURES - 1, at=again)
    assert await backend.failures.blocked(now=again) == {}
    await fail(backend, ["account ada"], 1, at=again + TICK)
    assert await backend.failures.blocked(now=again + TICK) == {"account ada": again + WINDOW}


async def test_each_key_is_counted_by_itself(backend: SimpleNamespace) -> None:
    await fail(backend, ["address 10.0.0.1", "account ada"], MAX_FAILURES - 1)
    await fail(backend, ["account ada", "account ada"], 1)
    assert await backend.failures.blocked(now=NOW) == {"account ada": NOW + WINDOW}
    await fail(backend, ["address 10.0.0.1"], 1)
    assert [*sorted(await backend.failures.blocked(now=NOW))] == ["account ada", "address 10.0.0.1"]


async def test_only_the_requested_keys_are_returned(backend: SimpleNamespace) -> None:
    await fail(backend, ["account ada", "account bob"], MAX_FAILURES)
    asked = await backend.failures.blocked(now=NOW, keys=["account bob", "account carl"])
    assert asked == {"account bob": NOW + WINDOW}
    assert await backend.failures.blocked(now=NOW, keys=[]) == {}


async def test_without_keys_nothing_is_counted_or_forgotten(backend: SimpleNamespace) -> None:
    await fail(backend, ["account ada"], MAX_FAILURES)
    await backend.failures.failed([], now=NOW)
    await backend.failures.succeeded([])
    assert await backend.failures.blocked(now=NOW) == {"account ada": NOW + WINDOW}


async def test_success_forgets_the_failures_of_its_keys_alone(backend: SimpleNamespace) -> None:
    await fail(backend, ["account ada", "account bob"], MAX_FAILURES)
    await backend.failures.succeeded(["account ada", "account nobody"])
    assert [*await backend.failures.blocked(now=NOW)] == ["account bob"]
    await fail(backend, ["account ada"], MAX_FAILURES - 1)
    assert [*await backend.failures.blocked(now=NOW)] == ["account bob"]


async def test_the_count_is_exact_under_concurrent_failures(backend: SimpleNamespace) -> None:
    keys = ["address 10.0.0.1", "account ada"]
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
            backend.failures.succeeded(keys[::2]),
            backend.failures.failed(keys[::-1], now=NOW),
            backend.failures.succeeded(keys[::-3]),
            backend.failures.prune(now=NOW + WINDOW),
        )
    ]
    await asyncio.gather(*calls)
    await backend.failures.succeeded(keys)
    await fail(backend, keys, MAX_FAILURES)
    assert {*await backend.failures.blocked(now=NOW)} == {*keys}


async def test_only_counts_that_have_ended_are_pruned(backend: SimpleNamespace) -> None:
    await fail(backend, ["account ada", "account bob"], 1)
    await fail(backend, ["account carl"], MAX_FAILURES, at=SOON)
    assert await backend.failures.prune(now=NOW + WINDOW - TICK) == 0
    assert await backend.failures.prune(now=NOW + WINDOW) == 2
    assert await backend.failures.prune(now=NOW + WINDOW) == 0
    assert await backend.failures.blocked(now=NOW + WINDOW) == {"account carl": SOON + WINDOW}
