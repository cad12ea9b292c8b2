"""The route engine: choose an entry, admit the call, make it, and hedge, by the rules of `domain.route_policy`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from datetime import datetime, timedelta
from functools import partial

from ...domain.costs.ledger import LedgerCall
from ...domain.deadlines import LATE_RESCUE
from ...domain.errors import ImageTooLarge, QueueUnavailable, StorageUnavailable, UndecodableImage, UnsupportedMediaType
from ...domain.ids import new_id
from ...domain.job import Claim, FailureReason
from ...domain.routing.failure_cause import FailureCause
from ...domain.routing.prompts import filled
from ...domain.routing.provider_usage import CallOutcome, ProviderHealth
from ...domain.routing.route_policy import Budget, EntryProgress, choose, give_up_at, hedge_after, latest_end, retry_at
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.provider import ProviderError, ProviderRequest, Retryable
from ...ports.telemetry import Telemetry
from ..costs.call_costs import CallAdmission, CallCosts
from ..providers.registry import ProviderRegistry
from ..support.availability import UntilAvailable
from ..support.concurrency import TaskSet, cancel_and_wait, race
from ..support.null_telemetry import NULL_TELEMETRY
from .attempt import StorageFault, TooSlow, make_picture
from .call_meter import CallMeter
from .call_notes import CallNotes, not_begun
from .entry_state import EntryState, Jitter
from .inputs import JobInputs
from .outcome import TOO_LATE, WINDOW_ENDED, RouteFailure, RouteOutcome, RoutePicture, picture_of, storage_failure
from .recorder import AttemptRecorder
from .shared_limits import SharedLimits
from .standstill import STANDSTILL, wait_for_call

_log = logging.getLogger("photochanger.routing")

_REFRESH_INTERVAL = timedelta(seconds=5)
"""How often a call under way is compared with the usual latency, which the first calls of an evening do not know."""

_TIMER_SLACK = timedelta(milliseconds=50)
"""How much too early a timer may fire."""

_MAX_REFERENCE_CHARS = 1000


class RouteEngine:
    """Runs the routes of claimed jobs. `jitter` varies the pauses."""

    def __init__(
        self,
        providers: ProviderRegistry,
        limits: SharedLimits,
        recorder: AttemptRecorder,
        costs: CallCosts,
        queue: JobQueue,
        clock: Clock,
        *,
        jitter: Jitter,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self.providers = providers
        self.limits = limits
        self.recorder = recorder
        self.costs = costs
        self.queue = queue
        self.clock = clock
        self.jitter = jitter
        self.telemetry = telemetry

    async def run(
        self, claim: Claim, inputs: JobInputs, *, ends_at: datetime, job_ended: Awaitable[None]
    ) -> RouteOutcome:
        """Call the entries until one makes a picture, all gave up, `ends_at` has come, or `job_ended` returns.

        Attempts that fail are written to the processing log at once, in the background; those of test jobs, and the
        one that made the picture, are left to the caller.
        """
        return await _Execution(self, claim, inputs, ends_at).run(job_ended)


class _Execution:
    """One run for one claim. Moments are those of `Clock.monotonic`, except the deadline."""

    def __init__(self, engine: RouteEngine, claim: Claim, inputs: JobInputs, ends_at: datetime) -> None:
        self._engine = engine
        self._clock = engine.clock
        self._claim = claim
        self._job = claim.job
        self._route = claim.job.route
        self._inputs = inputs
        self._deadline = ends_at
        self._ends_at = self._clock.monotonic() + (ends_at - self._clock.now())
        self._window = ends_at - claim.job.created_at
        self._states = [EntryState(index, entry, engine.providers) for index, entry in enumerate(self._route.entries)]
        self._last = next((state for state in reversed(self._states) if state.error is not None), None)
        self._resume_at = claim.job.provider_job_entry
        self._tasks = TaskSet()
        self._calls: list[asyncio.Task[RoutePicture]] = []
        self._notes = CallNotes(claim, engine.recorder, engine.clock, engine.telemetry)

    async def run(self, job_ended: Awaitable[None]) -> RouteOutcome:
        picture: RoutePicture | None = None
        failure: RouteFailure | None = None
        try:
            winner, picture = await race(self._picture_in_time(), job_ended)
            if winner == 0 and picture is None:
                failure = self._exhausted()
        except TimeoutError:
            failure = WINDOW_ENDED
            if (fault := self._inputs.fault) is not None and not self._route.late_rescue:
                failure = storage_failure(fault.detail)
        except (UndecodableImage, UnsupportedMediaType, ImageTooLarge) as error:
            failure = RouteFailure(reason=FailureReason.INVALID_PHOTO, code=error.code, detail=error.detail)
        except StorageUnavailable as error:  # the photo could not be read to the end of the window
            failure = storage_failure(error.detail)
        except BaseException:
            await self._discard_calls()
            self._engine.recorder.record_in_background(self._claim, self._notes.attempts, self._notes.reports)
            raise
        pending: tuple[asyncio.Task[RoutePicture], ...] = ()
        if picture is None and self._route.late_rescue:
            pending = tuple(call for call in self._calls if not call.done() or picture_of(call) is not None)
        else:
            await self._discard_calls(but=picture)
        return RouteOutcome(
            picture=picture,
            failure=failure,
            attempts=tuple(self._notes.attempts),
            reports=tuple(self._notes.reports),
            pending=pending,
        )

    async def _picture_in_time(self) -> RoutePicture | None:
        async with self._clock.timeout_at(self._deadline):
            await self._prepare()
            return await self._try_entries(hedge=self._route.hedge)

    async def _prepare(self) -> None:
        """Read the health and the limits of the route's providers, while the photo is prepared."""
        remote = [state for state in self._states if state.remote]
        if not remote:
            return
        if self._budget().is_fresh:
            self._inputs.prepare_photo(remote[0].operation.needs)
        await self._refresh_health()
        allowed = await self._engine.limits.allowed(self._claim)
        for state in remote:
            state.limit = allowed.get(state.entry.provider_id, state.limit)

    async def _refresh_health(self) -> None:
        health = await self._engine.limits.health(self._claim)
        if health is not None:
            for state in self._states:
                state.learn_health(health.get(state.entry.provider_id, ProviderHealth()))

    async def _try_entries(self, *, hedge: bool) -> RoutePicture | None:
        """Call one entry after the other until one makes a picture; None where all gave up."""
        while (state := await self._next()) is not None:
            state.occupy()
            try:
                if await self._admit(state):
                    return await (self._hedged(state) if hedge else self._call(state))
            except ProviderError as error:
                self._failed(state, error)
            finally:
                state.vacate()
                if state.meter is not None and not state.meter.started:
                    state.meter.close()
        return None

    async def _next(self) -> EntryState | None:
        """Return the entry to call now, once its moment has come; None where none is left."""
        resume_at, self._resume_at = self._resume_at, None
        if resume_at is not None and resume_at < len(self._states) and not self._states[resume_at].progress.over:
            return self._states[resume_at]
        while (choice := choose(self._progress(), self._budget())) is not None:
            now = self._clock.monotonic()
            if choice.at <= now:
                return self._states[choice.index]
            await self._clock.sleep(choice.at - now)
        return None

    async def _admit(self, state: EntryState) -> bool:
        """Return whether the entry may be called now; where not, its progress says when to try again."""
        counted = state.needs_admission
        state.meter = meter = CallMeter(self._ledger_call(state), self._engine.costs)
        if state.remote:
            photo = self._inputs.prepare_photo(state.operation.needs)
            if state.may_cost and (budget := await self._engine.costs.refused(meter.call)) is not None:
                return self._held(state, CallAdmission(refused_by=budget))
            if counted:
                admission = await self._engine.limits.admit(self._claim, state)
                if not admission.granted:
                    self._last = state
                    if state.blocked(admission, self._clock.monotonic()):
                        self._notes.blocked(state, admission.wait)
                    return False
            if state.may_cost:
                meter.entered = True
                entered = await self._engine.costs.enter(meter.call)
                if not entered.granted:
                    meter.entered = False
                    if counted:
                        await self._engine.limits.report(self._claim, not_begun(state))
                    return self._held(state, entered)
            await asyncio.wait([photo])  # its error is raised when the request is made
        state.begin_call(counted=counted, at=self._clock.now(), moment=self._clock.monotonic())
        return True

    def _held(self, state: EntryState, admission: CallAdmission) -> bool:
        """Note a call that the ledger did not take; always False."""
        self._last = state
        if state.held(admission, self._clock.monotonic()):
            self._notes.blocked(state, admission.wait)
        return False

    def _ledger_call(self, state: EntryState) -> LedgerCall:
        """The next call to the entry, as the ledger has it before it begins."""
        now = self._clock.now()
        return LedgerCall(
            id=new_id(now),
            job_id=self._job.id,
            slot_id=self._job.slot_id,
            provider_id=state.entry.provider_id,
            operation_id=state.entry.operation_id,
            attempt=self._claim.attempt,
            entry=state.index,
            call=state.progress.calls + 1,
            at=now,
            usd_micros=None if state.expected is None else state.expected.usd_micros,
        )

    async def _call(self, state: EntryState) -> RoutePicture:
        """Call the entry once: note the attempt, and report the call."""
        with self._engine.telemetry.span("provider call", state.facts() | {"call": state.progress.calls}) as span:
            meter = state.meter
            assert meter is not None, "an admitted call has a meter"
            call = self._tasks.start(self._make_picture(state, meter), name=f"call of job {self._job.id}")
            call.add_done_callback(lambda _: meter.close())
            meter.started = True
            self._calls.append(call)
            try:
                made = await self._patiently(call, state)
            except asyncio.CancelledError:
                late = self._clock.monotonic() >= self._ends_at - _TIMER_SLACK
                reason = "the window ended" if late else "another picture was first, or the job has ended"
                cause = FailureCause.WINDOW_ENDED if late else FailureCause.OVERTAKEN
                outcome = CallOutcome.TIMEOUT if late else CallOutcome.CANCELLED
                self._notes.call_ended(state, span, outcome, reason, cause)
                outcome = CallOutcome.TIMEOUT if late and self._hung(state) else CallOutcome.CANCELLED
                self._notes.report_later(state, outcome, cut_off=late)
                raise
            except ProviderError as error:
                self._notes.call_ended(state, span, CallOutcome(error.verdict), error.reason, error.cause)
                if state.remote:
                    await self._engine.limits.report(self._claim, self._notes.report(state, CallOutcome(error.verdict)))
                    self._engine.limits.forget_health()
                raise
            except StorageUnavailable as error:
                self._notes.call_ended(state, span, CallOutcome.CANCELLED, error.detail, FailureCause.STORAGE_FAILED)
                self._notes.report_later(state, CallOutcome.CANCELLED)
                raise StorageFault(error.detail) from error
            except Exception:  # the photo failed, not the provider
                self._notes.report_later(state, CallOutcome.CANCELLED)
                raise
            self._notes.call_ended(state, span, CallOutcome.PICTURE, made.picture.mime, remarks=made.remarks)
            self._notes.report_later(state, CallOutcome.PICTURE)
            return made

    async def _patiently(self, call: asyncio.Task[RoutePicture], state: EntryState) -> RoutePicture:
        """Return what the call makes; give it up where that takes too long, not counting the time in which this process
        stood still. Cancellation leaves the call running."""
        budget = Budget(state.started, self._ends_at, self._window)
        while not call.done():
            end, now = give_up_at(state.index, self._progress(), budget), self._clock.monotonic()
            if end < self._ends_at and end <= now and self._inputs.fault is None:
                await cancel_and_wait(call)
                raise TooSlow("The provider took far longer than usual, or longer than the time left allows.")
            pause = min(end - now, _REFRESH_INTERVAL) if now < end < self._ends_at else _REFRESH_INTERVAL
            lost = await wait_for_call(call, pause, self._clock)
            if lost > STANDSTILL:
                state.stood_still = True
                budget = Budget(budget.now + lost, self._ends_at, self._window)
            if not call.done() and state.progress.pace is None:
                await race(asyncio.wait([call]), self._refresh_health())
        return call.result()

    def _hung(self, state: EntryState) -> bool:
        """Whether a call that the end of the window cut off had more time than such calls take."""
        pace = state.progress.pace
        return self._inputs.fault is None and self._notes.duration(state) >= (pace.p90 if pace else self._window / 2)

    async def _make_picture(self, state: EntryState, meter: CallMeter) -> RoutePicture:
        """Make the request and send it, once the database has what they need: an outage is no failure of an entry."""

        async def make() -> RoutePicture:
            return await make_picture(state.provider, await self._request(state), self._inputs, meter)

        return await UntilAvailable(self._clock, self._until(state), outlasts=True)(make)

    async def _request(self, state: EntryState) -> ProviderRequest:
        job, entry, operation = self._job, state.entry, state.operation
        resumes = state.index == job.provider_job_entry and state.progress.calls == 1
        links = None
        photo = await self._inputs.photo(operation.needs)
        templates = await self._inputs.templates(operation)
        if state.provider.info.needs_public_url:
            links = await self._inputs.links(operation)
        return ProviderRequest(
            job_id=job.id,
            operation_id=entry.operation_id,
            settings=filled(entry.settings, operation.prompts, fields=self._route.prompt_fields, metadata=job.metadata),
            photo=photo,
            templates=templates,
            photo_url=links.photo if links else None,
            template_urls=links.templates if links else {},
            until=self._clock.by_machine(self._until(state)),
            note_reference=partial(self._note_reference, state.index),
            reference=job.provider_job_reference if resumes else None,
        )

    def _until(self, state: EntryState) -> datetime:
        if self._route.late_rescue:
            return self._deadline + LATE_RESCUE
        return self._deadline - (self._ends_at - latest_end(state.index, self._progress(), self._budget()))

    async def _note_reference(self, index: int, reference: str) -> None:
        if len(reference) > _MAX_REFERENCE_CHARS:
            _log.warning("reference of job %s not saved: it is too long", self._job.id)
            return
        try:
            await self._engine.queue.note_reference(self._claim, reference, entry=index)
        except QueueUnavailable as error:
            # It is for the case that this worker dies; the call that was paid for goes on without it.
            _log.warning("reference of job %s not saved: %s", self._job.id, error.detail)

    async def _hedged(self, state: EntryState) -> RoutePicture | None:
        """Call the entry; where that takes longer than usual, try the other entries at the same time."""
        first = self._tasks.start(self._call(state), name=f"first call of job {self._job.id}")
        second: asyncio.Task[RoutePicture | None] | None = None
        try:
            lost = STANDSTILL
            while not first.done() and lost >= STANDSTILL:
                lost = await wait_for_call(first, hedge_after(state.progress.pace, self._window), self._clock)
            if first.done():
                return first.result()
            second = self._tasks.start(self._try_entries(hedge=False), name=f"hedge of job {self._job.id}")
            await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                return second.result() or await first
            try:
                return first.result()
            except ProviderError as error:
                self._failed(state, error)  # the second one may come back to this entry
                return await second
        finally:
            await cancel_and_wait(first, *([second] if second else []))

    async def _discard_calls(self, *, but: RoutePicture | None = None) -> None:
        """Stop the calls that are under way, and remove the pictures of those that made one too late."""
        await cancel_and_wait(*self._calls)
        for call in self._calls:
            if (made := picture_of(call)) is not None and made is not but:
                await self._inputs.discard_picture(made.picture)

    def _failed(self, state: EntryState, error: ProviderError) -> None:
        self._last = state
        if isinstance(error, Retryable) and error.after is not None:
            again = self._clock.monotonic() + error.after
        else:
            again = retry_at(state.index, self._progress(), self._budget(), self._engine.jitter())
        state.failed(error, retry_at=again)

    def _exhausted(self) -> RouteFailure:
        last, code = self._last, ProviderError.code
        if last is None or last.error is None:
            if self._states:
                return TOO_LATE
            return RouteFailure(reason=FailureReason.PROVIDER_ERROR, code=code, detail="The route has no entries.")
        if isinstance(last.error, StorageFault):
            return storage_failure(last.error.reason)
        codes = {state.error.code for state in self._states if state.error is not None}
        return RouteFailure(
            reason=FailureReason.PROVIDER_ERROR,
            code=codes.pop() if len(codes) == 1 else code,
            detail=last.error.reason,
            provider_id=last.entry.provider_id,
            operation_id=last.entry.operation_id,
        )

    def _progress(self) -> list[EntryProgress]:
        return [state.progress for state in self._states]

    def _budget(self) -> Budget:
        return Budget(self._clock.monotonic(), self._ends_at, self._window)
