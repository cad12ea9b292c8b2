"""Webhook delivery: makes the calls of the outbox, several concurrently, in every process that works on jobs.

A process that dies between a call and its record leaves the delivery to its lease: delivery is at least once.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

import msgspec

from ...domain.errors import JobNotFound, PhotoChangerError, WebhookUnreachable
from ...domain.job import Job
from ...domain.results.files import ResultPayload, result_payload
from ...domain.webhook import PAUSES, Delivery, Webhook, pause_after, secret_purpose, signed_headers
from ...ports.clock import Clock
from ...ports.repositories.job_repository import JobRepository
from ...ports.secrets import SealBroken, SecretBox, SecretKeyUnavailable
from ...ports.webhooks import WebhookOutbox, WebhookRepository, WebhookSender
from ..support.concurrency import BackgroundTasks, race

_log = logging.getLogger("photochanger.webhooks")

POLL = timedelta(seconds=1)
MAX_CONCURRENCY = 16
"""The most calls at the same time."""

SHARE = 4
"""The most deliveries acquired in one step, and the number of running calls from which on a slot gets no more: a
hanging receiver occupies fewer than twice as many calls, which leaves free ones for the others."""

LEASE = timedelta(seconds=60)
"""Longer than a call and its record may take."""

GRACE = timedelta(seconds=15)
"""How long running calls may go on after the stop signal: longer than one may take."""

_MAX_ERROR_CHARS = 200


class JobPayload(msgspec.Struct, kw_only=True):
    """An ended job as shown to a receiver, without the guests' metadata."""

    job_id: UUID
    slot_id: str
    source: str
    state: str
    failure_reason: str | None
    error_code: str | None
    created_at: datetime
    finalized_at: datetime | None
    result: ResultPayload | None


class Message(msgspec.Struct, kw_only=True):
    """The body of a call. `timestamp` is the end of the job, not the time of the call."""

    type: str
    timestamp: datetime | None
    data: JobPayload


class _Failed(Exception):
    """The delivery failed and may be retried."""

    def __init__(self, error: str, *, status: int | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


class _PermanentlyFailed(_Failed):
    """The delivery failed and must not be retried."""


class DeliveryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of deliveries.

    Attributes:
        public_base_url: the configured address that links in payloads start with.
        pauses: the pauses after the first, second, … failed call.
    """

    public_base_url: str | None = None
    pauses: Sequence[timedelta] = PAUSES


class WebhookDelivery:
    """Acquires due deliveries and makes their calls."""

    def __init__(
        self,
        *,
        webhooks: WebhookRepository,
        outbox: WebhookOutbox,
        jobs: JobRepository,
        box: SecretBox,
        sender: WebhookSender,
        clock: Clock,
        options: DeliveryOptions,
    ) -> None:
        self._webhooks = webhooks
        self._outbox = outbox
        self._jobs = jobs
        self._box = box
        self._sender = sender
        self._clock = clock
        self._base = options.public_base_url or ""
        self._pauses = options.pauses
        self._calls = BackgroundTasks()
        self._slots: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._stopping = False
        self._ends_at = timedelta(0)

    def stop(self, grace: timedelta | None = None) -> None:
        """Acquire no more; `run` returns when the running calls have ended, after GRACE or an earlier `grace` at the
        latest. A further call may shorten it."""
        ends_at = self._clock.monotonic() + (GRACE if grace is None else min(grace, GRACE))
        self._ends_at = min(self._ends_at, ends_at) if self._stopping else ends_at
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Deliver until `stop` is called; outages are logged and waited out. Cancellation abandons running calls."""
        try:
            while not self._stopping:
                self._changed.clear()
                n = min(MAX_CONCURRENCY - len(self._calls), SHARE)
                if n == 0:
                    await self._changed.wait()
                    continue
                due = await self._due(n)
                for delivery in due:
                    self._start(delivery)
                if len(due) < n:
                    await race(self._clock.sleep(POLL), self._changed.wait())
            await self._finish()
        finally:
            await self._calls.cancel()

    async def _due(self, n: int) -> list[Delivery]:
        busy = [slot_id for slot_id, calls in self._slots.items() if calls >= SHARE]
        try:
            return await self._outbox.acquire(n=n, lease=LEASE, exclude_slots=busy)
        except PhotoChangerError as error:
            _log.warning("webhook delivery paused: %s", error.detail)
        return []

    def _start(self, delivery: Delivery) -> None:
        self._slots[delivery.slot_id] += 1
        call = self._calls.start(self._deliver(delivery), name=f"webhook delivery {delivery.id}")
        call.add_done_callback(lambda _: self._ended(delivery.slot_id))

    def _ended(self, slot_id: str) -> None:
        self._slots[slot_id] -= 1
        self._slots += Counter()  # drops slots without calls
        self._changed.set()

    async def _finish(self) -> None:
        """Wait for the running calls for their grace."""
        while self._calls:
            left = self._ends_at - self._clock.monotonic()
            if left <= timedelta(0):
                _log.warning("%d webhook calls cancelled; they will be retried", len(self._calls))
                return
            self._changed.clear()
            await race(self._clock.sleep(left), self._changed.wait())

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            webhook = await self._webhooks.get(delivery.slot_id)
            if webhook is None:
                return  # it was removed meanwhile, with its deliveries
            try:
                status = await self._call(delivery, webhook)
            except _Failed as failure:
                await self._record(delivery, failure)
            except PhotoChangerError:
                raise
            except Exception as error:
                # The text of the error may contain the URL, which may be a secret: only the place is logged.
                where = "".join(traceback.format_tb(error.__traceback__))
                name = type(error).__name__
                _log.error("webhook delivery %s failed: unforeseen error (%s)\n%s", delivery.id, name, where)
                await self._record(delivery, _Failed(f"The call failed with an internal error ({name})."))
            else:
                await self._outbox.delivered(delivery, status=status)
        except PhotoChangerError as error:
            _log.warning("webhook delivery %s not recorded; its lease will expire: %s", delivery.id, error.detail)

    async def _call(self, delivery: Delivery, webhook: Webhook) -> int:
        """The status of a successful response. _Failed, _PermanentlyFailed."""
        try:
            job = await self._jobs.get(delivery.job_id)
        except JobNotFound:
            raise _PermanentlyFailed("The job has been deleted.") from None
        if job.erased_at is not None:
            raise _PermanentlyFailed("The guest of the job was erased.")
        try:
            purpose = secret_purpose(webhook.slot_id)
            secret = await asyncio.to_thread(self._box.open, webhook.sealed_secret, purpose=purpose)
        except SealBroken:
            raise _Failed(
                "Cannot decrypt the signing secret: PHOTOCHANGER_SECRET_KEY has changed."
                " Restore the old key, or create a new signing secret."
            ) from None
        except SecretKeyUnavailable as error:
            raise _Failed(error.detail) from error
        body = msgspec.json.encode(self._message(job))
        headers = signed_headers(delivery.id, body, secret=secret, key_id=webhook.key_id, at=self._clock.now())
        try:
            status = await self._sender.send(webhook.url, body, headers)
        except WebhookUnreachable as error:
            raise _Failed(error.detail) from error
        if 200 <= status < 300:
            return status
        if status == HTTPStatus.GONE:
            raise _PermanentlyFailed("The receiver answered 410: it is gone.", status=status)
        if 300 <= status < 400:
            raise _Failed(f"The receiver answered {status}: redirects are not followed.", status=status)
        raise _Failed(f"The receiver answered {status}.", status=status)

    async def _record(self, delivery: Delivery, failure: _Failed) -> None:
        again_in = pause_after(delivery.attempts, pauses=self._pauses)
        if isinstance(failure, _PermanentlyFailed):
            again_in = None
        error = failure.error[:_MAX_ERROR_CHARS]
        what = "failed for good" if again_in is None else "failed and will be retried"
        _log.warning("webhook delivery %s of job %s %s: %s", delivery.id, delivery.job_id, what, error)
        await self._outbox.failed(delivery, error=error, status=failure.status, again_in=again_in)

    def _message(self, job: Job) -> Message:
        return Message(
            type="job.finalized",
            timestamp=job.finalized_at,
            data=JobPayload(
                job_id=job.id,
                slot_id=job.slot_id,
                source=job.source,
                state=job.state,
                failure_reason=job.failure_reason,
                error_code=job.error_code,
                created_at=job.created_at,
                finalized_at=job.finalized_at,
                result=result_payload(job, url=f"{self._base}/public/results/{job.id}"),
            ),
        )
