"""What a worker does with one claimed job: run its route, complete it, and leave previews and late pictures behind.

The job's end by others (deadline, cancellation, another worker) stops the work at once.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from ...domain.deadlines import route_ends_at
from ...domain.job import Claim, Job, JobState
from ...domain.slots.slot import FailureAnswer
from ...ports.telemetry import Telemetry
from ..routing.engine import RouteEngine
from ..routing.inputs import JobInputsFactory
from ..routing.outcome import RouteOutcome, RoutePicture
from ..routing.recorder import AttemptRecorder
from ..support.concurrency import BackgroundTasks
from ..support.null_telemetry import NULL_TELEMETRY
from .completion import JobCompletion
from .end_watch import JobEndWatch
from .late_rescue import LateRescue
from .previews import Previews

_log = logging.getLogger("photochanger.processing")


class JobProcessor:
    """Works on claims. A failure of the job ends the job; `run` raises only what prevents that."""

    def __init__(
        self,
        completion: JobCompletion,
        watch: JobEndWatch,
        inputs: JobInputsFactory,
        routes: RouteEngine,
        recorder: AttemptRecorder,
        previews: Previews,
        rescue: LateRescue,
        *,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._completion = completion
        self._watch = watch
        self._inputs = inputs
        self._routes = routes
        self._recorder = recorder
        self._previews = previews
        self._rescue = rescue
        self._telemetry = telemetry
        self._rescues = BackgroundTasks()

    async def close(self) -> None:
        """Stop the calls that go on after their window, drop the previews that wait, and finish log entries."""
        await self._rescues.cancel()
        await self._previews.close()
        await self._recorder.close()

    async def run(self, claim: Claim) -> None:
        """Work on a claim until its job has ended. Cancellation leaves the job live, to be released by the caller."""
        job = claim.job
        if claim.attempt == 1 and job.acquired_at is not None:
            # The two moments come from two clocks, which may differ a little.
            self._telemetry.job_began(job.slot_id, waited=max(job.acquired_at - job.created_at, timedelta(0)))
        self._previews.note_activity()
        try:
            await self._work_on(claim)
        finally:
            self._previews.note_activity()

    async def _work_on(self, claim: Claim) -> None:
        job = claim.job
        ends_at = _route_ends_at(job)
        async with self._inputs.open(job, until=ends_at, with_previews=self._has_room_for_previews) as inputs:
            outcome = await self._routes.run(claim, inputs, ends_at=ends_at, job_ended=self._watch.until_ended(job))
        ended = None
        try:
            await self._recorder.settle(job.id)  # an attempt is logged before the end of its job
            ended = await self._complete(claim, outcome)
        finally:
            left = outcome.attempts if ended is None else ()
            self._recorder.record_in_background(claim, left, outcome.reports)
            if job.route.late_rescue and (ended is None or ended.state is JobState.TIMED_OUT):
                calls = [*outcome.pending, *_too_late(outcome)]
                self._rescues.start(self._rescue.rescue(claim, calls), name=f"late picture of job {job.id}")
        if ended is not None and ended.result is not None:
            preview, photo_preview = outcome.picture.preview if outcome.picture else None, inputs.photo_preview
            if photo_preview is not None or self._has_room_for_previews():
                self._previews.add(ended, preview, photo_preview=photo_preview)

    def _has_room_for_previews(self) -> bool:
        return self._previews.has_room

    async def _complete(self, claim: Claim, outcome: RouteOutcome) -> Job | None:
        """End the job with the outcome of its route; None where it was ended elsewhere."""
        if (made := outcome.picture) is not None:
            return await self._completion.finalize_job(
                claim,
                made.picture,
                provider_id=made.provider_id,
                operation_id=made.operation_id,
                model=made.model,
                seed=made.seed,
                attempts=outcome.attempts,
                discard=not claim.job.route.late_rescue,
            )
        if (failure := outcome.failure) is not None:
            return await self._completion.fail(
                claim.job,
                failure.reason,
                error_code=failure.code,
                detail=failure.detail,
                claim=claim,
                provider_id=failure.provider_id,
                operation_id=failure.operation_id,
                attempts=outcome.attempts,
            )
        _log.info("job %s was ended elsewhere; its work was stopped", claim.job.id)
        return None


def _too_late(outcome: RouteOutcome) -> list[asyncio.Future[RoutePicture]]:
    """The picture of a job that was ended elsewhere at the same moment, as a call that has ended."""
    if outcome.picture is None:
        return []
    call = asyncio.get_running_loop().create_future()
    call.set_result(outcome.picture)
    return [call]


def _route_ends_at(job: Job) -> datetime:
    if job.route.failure_answer is FailureAnswer.ERROR:
        return job.expires_at
    return route_ends_at(job.expires_at, job.created_at)
