"""The ProviderLimits contract: what all workers together may ask of a provider, and what they know of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from photochanger.core.domain.job import Claim
from photochanger.core.domain.routing.provider_usage import (
    BREAKER_FAILURES,
    Breaker,
    CallOutcome,
    CallRecord,
    LimitKind,
    ProviderLimit,
)

from tests.support.builders import new_job, outcome_failed, route
from tests.support.queue_steps import LEASE, MANY, NO_LEASE

pytestmark = pytest.mark.anyio

FREE = ProviderLimit()
ONE = ProviderLimit(max_concurrent=1)
PICTURE = CallRecord("enhance", CallOutcome.PICTURE, timedelta(seconds=3))
DOWN = CallRecord("enhance", CallOutcome.DOWN, timedelta(seconds=1))


async def claims(backend: SimpleNamespace, count: int, *providers: str, **options: object) -> list[Claim]:
    """Jobs in a worker's hands, whose routes ask these providers."""
    for _ in range(count):
        await backend.queue.enqueue(new_job(route=route(*providers or ("cloud",))), max_active=MANY)
    return list(await backend.queue.acquire("worker-1", n=count, lease=options.pop("lease", LEASE), **options))


async def acquire(backend: SimpleNamespace, claim: Claim, limit: ProviderLimit, *, entry: int = 0) -> LimitKind | None:
    """What stood in the way of a call to the provider `cloud`."""
    admission = await backend.limits.acquire(claim, "cloud", entry=entry, limit=limit)
    assert admission.granted == (admission.block is None)
    assert admission.granted or admission.wait > timedelta(0)
    return admission.block


async def test_no_limit_lets_everybody_through(backend: SimpleNamespace) -> None:
    for claim in await claims(backend, 5):
        assert await acquire(backend, claim, FREE) is None


async def test_no_more_calls_are_under_way_than_allowed_and_a_place_that_is_left_is_free(
    backend: SimpleNamespace,
) -> None:
    one, two = await claims(backend, 2)
    assert await acquire(backend, one, ONE) is None
    assert await acquire(backend, two, ONE) is LimitKind.CONCURRENCY
    await backend.limits.release(one, "cloud", entry=0, report=PICTURE)
    assert await acquire(backend, two, ONE) is None


async def test_the_limit_is_exact_under_concurrent_calls(backend: SimpleNamespace) -> None:
    taken = await claims(backend, 30)
    blocks = await asyncio.gather(*(acquire(backend, claim, ProviderLimit(max_concurrent=7)) for claim in taken))
    assert blocks.count(None) == 7
    assert blocks.count(LimitKind.CONCURRENCY) == 23


async def test_the_rate_is_exact_under_concurrent_calls(backend: SimpleNamespace) -> None:
    taken = await claims(backend, 20)
    blocks = await asyncio.gather(*(acquire(backend, claim, ProviderLimit(per_minute=7)) for claim in taken))
    assert blocks.count(None) == 7
    assert blocks.count(LimitKind.PER_MINUTE) == 13


async def test_calls_of_the_day_are_counted(backend: SimpleNamespace) -> None:
    one, two = await claims(backend, 2)
    assert await acquire(backend, one, ProviderLimit(per_day=1)) is None
    assert await acquire(backend, two, ProviderLimit(per_day=1)) is LimitKind.PER_DAY


async def test_one_provider_s_calls_are_nothing_to_another(backend: SimpleNamespace) -> None:
    one, two = await claims(backend, 2)
    assert await acquire(backend, one, ONE) is None
    other = await backend.limits.acquire(two, "elsewhere", entry=1, limit=ONE)
    assert other.granted


async def test_the_same_entry_has_one_place_however_often_it_asks(backend: SimpleNamespace) -> None:
    one, two = await claims(backend, 2)
    limit = ProviderLimit(max_concurrent=2)
    assert await acquire(backend, one, limit) is None
    assert await acquire(backend, one, limit) is None
    assert await acquire(backend, two, limit) is None
    assert await acquire(backend, one, limit, entry=1) is LimitKind.CONCURRENCY


async def test_two_entries_of_a_job_are_two_calls(backend: SimpleNamespace) -> None:
    (claim,) = await claims(backend, 1)
    assert await acquire(backend, claim, ONE) is None
    assert await acquire(backend, claim, ONE, entry=1) is LimitKind.CONCURRENCY


async def test_a_finalized_job_holds_no_place(backend: SimpleNamespace) -> None:
    one, two = await claims(backend, 2)
    assert await acquire(backend, one, ONE) is None
    await backend.queue.mark_finalized(one.job.id, outcome_failed(one.job), claim=one)
    assert await acquire(backend, two, ONE) is None


async def test_a_job_whose_worker_fell_silent_holds_no_place(backend: SimpleNamespace) -> None:
    (silent,) = await claims(backend, 1)
    assert await acquire(backend, silent, ONE) is None
    assert await backend.queue.renew([silent], lease=NO_LEASE) == {silent.job.id}
    (other,) = await claims(backend, 1, "cloud")
    # The lapsed job is the older one, so it is what is taken again; its places are those of the new attempt.
    assert (other.job.id, other.attempt) == (silent.job.id, 2)
    assert await acquire(backend, silent, ONE) is LimitKind.CONCURRENCY
    assert await acquire(backend, other, ONE) is None
    await backend.limits.release(silent, "cloud", entry=0, report=PICTURE)
    (third,) = await claims(backend, 0) or await backend.queue.acquire("worker-1", n=1, lease=LEASE)
    assert await acquire(backend, third, ONE) is LimitKind.CONCURRENCY


async def test_acquire_keeps_a_place_that_only_its_own_claim_uses(backend: SimpleNamespace) -> None:
    (kept,) = await claims(backend, 1, limits={"cloud": 1})
    (other,) = await claims(backend, 1, "elsewhere", "cloud")
    assert await acquire(backend, other, ONE, entry=1) is LimitKind.CONCURRENCY
    assert await acquire(backend, kept, ONE) is None


async def test_acquire_counts_calls_of_later_entries_too(backend: SimpleNamespace) -> None:
    (fallback,) = await claims(backend, 1, "elsewhere", "cloud")
    assert await acquire(backend, fallback, ONE, entry=1) is None
    assert await claims(backend, 1, limits={"cloud": 1}) == []
    await backend.limits.release(fallback, "cloud", entry=1, report=PICTURE)
    assert len(await backend.queue.acquire("worker-1", n=1, lease=LEASE, limits={"cloud": 1})) == 1


async def test_concurrent_acquires_keep_to_the_limit_exactly(backend: SimpleNamespace) -> None:
    for _ in range(20):
        await backend.queue.enqueue(new_job(route=route("cloud")), max_active=MANY)
    acquires = (
        backend.queue.acquire(f"worker-{number}", n=2, lease=LEASE, limits={"cloud": 5}) for number in range(10)
    )
    assert sum(map(len, await asyncio.gather(*acquires))) == 5


async def test_a_job_with_another_entry_is_taken_once_half_its_window_is_gone(backend: SimpleNamespace) -> None:
    await claims(backend, 1, limits={"cloud": 1})
    now, hour = datetime.now(UTC), timedelta(hours=1)
    young = {"created_at": now, "expires_at": now + hour}
    old = {"created_at": now - 0.6 * hour, "expires_at": now + 0.4 * hour}
    await backend.queue.enqueue(new_job(route=route("cloud"), **young), max_active=MANY)
    await backend.queue.enqueue(new_job(route=route("cloud", "local"), **young), max_active=MANY)
    await backend.queue.enqueue(new_job(route=route("cloud"), **old), max_active=MANY)
    late = await backend.queue.enqueue(new_job(route=route("cloud", "local"), **old), max_active=MANY)
    (claim,) = await backend.queue.acquire("worker-1", n=5, lease=LEASE, limits={"cloud": 1})
    assert claim.job.id == late.id
    assert await acquire(backend, claim, ONE) is LimitKind.CONCURRENCY


async def test_failures_in_a_row_open_the_breaker_for_everybody(backend: SimpleNamespace) -> None:
    one, two = await claims(backend, 2)
    for _ in range(BREAKER_FAILURES):
        assert await acquire(backend, one, FREE) is None
        await backend.limits.release(one, "cloud", entry=0, report=DOWN)
    assert await acquire(backend, two, FREE) is LimitKind.BREAKER
    standing = (await backend.limits.health())["cloud"]
    assert (standing.breaker, standing.health) == (Breaker.OPEN, 0.0)


async def test_standings_have_calls_health_and_latency(backend: SimpleNamespace) -> None:
    assert await backend.limits.health() == {}
    (claim,) = await claims(backend, 1)
    for seconds in range(1, 11):
        assert await acquire(backend, claim, FREE) is None
        report = CallRecord("enhance", CallOutcome.PICTURE, timedelta(seconds=seconds))
        await backend.limits.release(claim, "cloud", entry=0, report=report)
    await backend.limits.release(claim, "cloud", entry=0, report=DOWN)
    standing = (await backend.limits.health())["cloud"]
    assert (standing.calls_last_minute, standing.calls_today) == (10, 10)
    assert standing.health == pytest.approx(10 / 11)
    pace = standing.pace["enhance"]
    assert (pace.p50, pace.p75, pace.p90) == (timedelta(seconds=5), timedelta(seconds=8), timedelta(seconds=9))
