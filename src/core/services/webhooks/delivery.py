"""Delivers what lies in the outbox: in every process that works on jobs, several calls at once, each noted at its end.

Whoever dies between a call and its note leaves the delivery to its lease, and it is made again: at least once.
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
from ...domain.webhook import (
    PAUSES,
    Delivery,
    Webhook,
    pause_after,
    secret_purpose,
    signed_headers,
)
from ...ports.clock import Clock
from ...ports.job_repository import JobRepository
from ...ports.secrets import SealBroken, SecretBox, SecretKeyUnavailable
from ...ports.webhooks import WebhookOutbox, WebhookRepository, WebhookSender

_log = logging.getLogger("photochanger.webhooks")

POLL = timedelta(seconds=1)
MAX_CONCURRENCY = 16
"""So many calls are under way at most."""

SHARE = 4
"""So many deliveries are taken at once, and none of a slot that has so many calls under way: a receiver that hangs
holds fewer than twice as many calls, and the others find a free one."""

LEASE = timedelta(seconds=60)
"""Longer than a call and its note may take."""

GRACE = timedelta(seconds=15)
"""How long calls that are under way may go on after the stop signal: longer than one may take."""

_MAX_ERROR_CHARS = 200


class ResultPayload(msgspec.Struct, kw_only=True):
    """The picture of a job that has ended. `outcome` is `success`, or `fallback` where the failure answer made it."""

    url: str
    thumbnail_url: str
    mime: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    expires_at: datetime
    outcome: str


class JobPayload(msgspec.Struct, kw_only=True):
    """What a receiver may know of a job that has ended: nothing of what guests have typed."""

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
    """The body of a call. `timestamp` is when the job ended, however late the call is."""

    type: str
    timestamp: datetime | None
    data: JobPayload


class _Failed(Exception):
    """The delivery did not succeed, and may be tried again."""

    def __init__(self, error: str, *, status: int | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


class _Hopeless(_Failed):
    """The delivery did not succeed and never will."""


class WebhookDelivery:
    """Takes deliveries that are due and makes their calls. `pauses` follow each other after calls that failed."""

    def __init__(
        self,
        *,
        webhooks: WebhookRepository,
        outbox: WebhookOutbox,
        jobs: JobRepository,
        box: SecretBox,
        sender: WebhookSender,
        clock: Clock,
        public_base_url: str | None = None,
        pauses: Sequence[timedelta] = PAUSES,
    ) -> None:
        self._webhooks = webhooks
        self._outbox = outbox
        self._jobs = jobs
        self._box = box
        self._sender = sender
        self._clock = clock
        self._base = public_base_url or ""
        self._pauses = pauses
        self._running: dict[asyncio.Task[None], str] = {}
        self._changed = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Take nothing new; `run` returns when the calls that are under way have ended, or after their grace."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Deliver until `stop` is called; trouble is logged and waited out. Cancellation gives up running calls."""
        try:
            while not self._stopping:
                self._changed.clear()
                n = min(MAX_CONCURRENCY - len(self._running), SHARE)
                if n == 0:
                    await self._changed.wait()
                    continue
                due = await self._due(n)
                for delivery in due:
                    self._start(delivery)
                if len(due) < n:
                    await self._sleep_or_change()
            await self._finish(GRACE)
        finally:
            await self._finish(timedelta(0))

    async def _due(self, n: int) -> list[Delivery]:
        under_way = Counter(self._running.values())
        try:
            return await self._outbox.acquire(
                n=n, lease=LEASE, exclude_slots=[slot_id for slot_id, calls in under_way.items() if calls >= SHARE]
            )
        except PhotoChangerError as error:
            _log.warning("webhooks wait: %s", error.detail)
        except Exception:
            # Guests get their pictures from the same process: it must not end for this.
            _log.exception("webhooks wait after an unforeseen error")
        return []

    async def _sleep_or_change(self) -> None:
        waiting = {
            asyncio.ensure_future(self._clock.sleep(POLL)),
            asyncio.ensure_future(self._changed.wait()),
        }
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _start(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._deliver(delivery), name=f"delivery {delivery.id}")
        self._running[task] = delivery.slot_id
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s is left to its lease after an unforeseen error", task.get_name(), exc_info=error)

    async def _finish(self, grace: timedelta) -> None:
        """Give the calls under way this long, then give them up."""
        tasks = {*self._running}
        if not tasks:
            return
        if grace > timedelta(0):
            try:
                async with self._clock.timeout_at(self._clock.now() + grace):
                    await asyncio.wait(tasks)
            except TimeoutError:
                _log.warning("%d webhook calls are given up and made again later", len(self._running))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            webhook = await self._webhooks.get(delivery.slot_id)
            if webhook is None:
                return  # it was removed meanwhile, and the delivery with it
            try:
                status = await self._call(delivery, webhook)
            except _Failed as failure:
                await self._note(delivery, failure)
            except PhotoChangerError:
                raise
            except Exception as error:
                # The text of the error may hold the URL, which may be as good as a password: only the place is logged.
                where = "".join(traceback.format_tb(error.__traceback__))
                name = type(error).__name__
                _log.error("delivery %s met an unforeseen error: %s\n%s", delivery.id, name, where)
                await self._note(delivery, _Failed(f"The call met an unforeseen error ({name})."))
            else:
                await self._outbox.delivered(delivery, status=status)
        except PhotoChangerError as error:
            _log.warning("delivery %s is left to its lease: %s", delivery.id, error.detail)

    async def _call(self, delivery: Delivery, webhook: Webhook) -> int:
        """The status of a good answer. _Failed, _Hopeless."""
        try:
            job = await self._jobs.get(delivery.job_id)
        except JobNotFound:
            raise _Hopeless("The job is not kept any more.") from None
        try:
            purpose = secret_purpose(webhook.slot_id)
            secret = await asyncio.to_thread(self._box.open, webhook.sealed_secret, purpose=purpose)
        except SealBroken:
            raise _Failed(
                "The signing secret cannot be opened: PHOTOCHANGER_SECRET_KEY is another one than it was made with."
                " Set that one again, or make a new signing secret."
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
            raise _Hopeless("The receiver answered 410: it is gone.", status=status)
        if 300 <= status < 400:
            raise _Failed(f"The receiver answered {status}: redirects are not followed.", status=status)
        raise _Failed(f"The receiver answered {status}.", status=status)

    async def _note(self, delivery: Delivery, failure: _Failed) -> None:
        again_in = pause_after(delivery.attempts, pauses=self._pauses)
        if isinstance(failure, _Hopeless):
            again_in = None
        error = failure.error[:_MAX_ERROR_CHARS]
        what = "is dead" if again_in is None else "failed and is tried again"
        _log.warning("delivery %s of job %s %s: %s", delivery.id, delivery.job_id, what, error)
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
                result=self._result(job),
            ),
        )

    def _result(self, job: Job) -> ResultPayload | None:
        if job.result is None:
            return None
        url = f"{self._base}/public/results/{job.id}"
        return ResultPayload(
            url=url,
            thumbnail_url=f"{url}/thumbnail",
            mime=job.result.mime,
            width=job.result.picture.width,
            height=job.result.picture.height,
            size_bytes=job.result.file.size_bytes,
            sha256=job.result.file.sha256,
            expires_at=job.result.expires_at,
            outcome=job.result.outcome,
        )
