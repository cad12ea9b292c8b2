"""What the core tells of its work: each thing once, by the right names, and as one trace."""

from __future__ import annotations

from datetime import timedelta

import pytest
from photochanger.core.domain.job import FailureReason, JobSource, JobState
from photochanger.core.domain.routing.provider_usage import CallOutcome
from photochanger.core.domain.slots.slot import FailureAnswer
from photochanger.core.domain.trace_context import IngestOutcome, ingest_outcome, trace_context, trace_id_of
from photochanger.core.ports.provider import Retryable
from photochanger.core.services.maintenance.sweeper import INTERVAL

from tests.support.world import SECOND, SLOT, ScriptedProvider, World, never

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


async def test_a_job_that_succeeds_is_told_from_its_wait_to_its_end() -> None:
    world = World()
    await world.slot()
    await world.submit()
    await world.clock.advance(3 * SECOND)
    await world.work()
    assert world.telemetry.of("job_began") == [{"slot_id": SLOT, "waited": 3 * SECOND}]
    assert world.telemetry.of("job_ended") == [{"slot_id": SLOT, "source": JobSource.LIBRARY, "reason": None}]
    (call,) = world.telemetry.of("call_ended")
    assert (call["provider_id"], call["verdict"], call["call"]) == ("local", CallOutcome.PICTURE, 1)


async def test_every_call_is_told_with_how_it_ended_and_which_it_was() -> None:
    provider = ScriptedProvider("sepia", Retryable("no picture"), Retryable("no picture"))
    world = World(provider)
    await world.slot("sepia")
    await world.submit()
    await world.work()
    told = [(call["verdict"], call["call"]) for call in world.telemetry.of("call_ended")]
    assert told == [(CallOutcome.RETRYABLE, 1), (CallOutcome.RETRYABLE, 2), (CallOutcome.PICTURE, 3)]
    failures = [span.failure for span in world.telemetry.spans if span.name == "provider call"]
    assert failures == ["retryable", "retryable", None]


async def test_a_job_that_its_waiter_times_out_has_ended_once() -> None:
    world = World(ScriptedProvider("slow", never))
    await world.slot("slow")
    job = await world.submit()
    working = await world.start_work()
    waiting = await world.start(world.jobs.wait(job.id))
    await world.clock.advance(timedelta(minutes=2))
    assert waiting.result().state is JobState.TIMED_OUT
    assert working.done()
    assert [ended["reason"] for ended in world.telemetry.of("job_ended")] == [FailureReason.TIMEOUT]


async def test_jobs_that_the_sweeper_ends_are_told_and_so_is_each_sweep() -> None:
    world = World()
    await world.slot()
    await world.submit()
    await world.clock.advance(timedelta(hours=1))
    sweeping = await world.start(world.sweeper.run())
    await world.clock.advance(INTERVAL)
    sweeping.cancel()
    assert [ended["reason"] for ended in world.telemetry.of("job_ended")] == [FailureReason.TIMEOUT]
    assert [sweep["jobs_timed_out"] for sweep in world.telemetry.of("swept")] == [1, 0]


async def test_a_job_handed_back_and_taken_again_has_waited_once() -> None:
    world = World()
    await world.slot()
    await world.submit()
    await world.queue.release(await world.claim())
    await world.work()
    assert world.telemetry.of("job_began") == []


async def test_a_job_remembers_the_trace_in_which_it_was_made() -> None:
    world = World()
    await world.slot()
    with world.telemetry.span("request", parent=f"00-{TRACE}-{SPAN}-01"):
        made_inside = await world.submit()
    made_outside = await world.submit()
    assert trace_id_of((await world.records.get(made_inside.id)).trace) == TRACE
    assert made_outside.trace is None


async def test_what_a_request_came_to_follows_from_its_job() -> None:
    world = World(ScriptedProvider("slow", never))
    await world.slot(failure_answer=FailureAnswer.ORIGINAL)
    await world.slot("slow", id="slot-002", failure_answer=FailureAnswer.ORIGINAL)
    job = await world.submit()
    assert ingest_outcome(job) is IngestOutcome.ACCEPTED
    assert ingest_outcome(await world.work()) is IngestOutcome.SUCCESS
    await world.submit(slot_id="slot-002")
    assert ingest_outcome(await world.work()) is IngestOutcome.FALLBACK
    cancelled = await world.submit()
    assert ingest_outcome(await world.jobs.cancel(cancelled.id)) is IngestOutcome.CANCELLED


def test_every_reason_of_a_failure_is_an_outcome() -> None:
    assert {reason.value for reason in FailureReason} <= {outcome.value for outcome in IngestOutcome}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-01"),
        (f"01-{TRACE}-{SPAN}-01-more", f"00-{TRACE}-{SPAN}-01"),
    ],
)
def test_a_well_formed_traceparent_is_kept(given: str, kept: str) -> None:
    assert trace_context(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_anything_else_is_no_trace_context(given: str | None) -> None:
    assert trace_context(given) is None
