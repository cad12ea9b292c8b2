"""Webhooks over the memory adapters: a clock that stands still, a scripted receiver, and jobs that end at will."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
from photochanger.adapters.memory import FakeClock, memory_adapters
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.job import Job, Outcome
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.domain.webhook import Delivery
from photochanger.core.ports.job_queue import JobQueue
from photochanger.core.ports.repositories.audit_log import AuditLog
from photochanger.core.ports.repositories.job_repository import JobRepository
from photochanger.core.ports.repositories.slot_repository import SlotRepository
from photochanger.core.ports.secrets import SecretBox
from photochanger.core.ports.webhooks import WebhookOutbox, WebhookRepository, WebhookSender
from photochanger.core.services.webhooks.delivery import WebhookDelivery
from photochanger.core.services.webhooks.service import WebhookService
from photochanger.entrypoints.config import Settings
from photochanger.entrypoints.container import make_container

from tests.support.builders import new_job, outcome_succeeded
from tests.support.fault_injector import FaultInjector
from tests.support.wiring import get_now

SECRET = "the secret of this service, which is long enough"
URL = "https://studio.example/ended?key=hush"
ADA = Actor("ada", "192.0.2.7")

Answer = int | BaseException | Callable[[], Awaitable[int]]


class Call(msgspec.Struct, frozen=True):
    """One call that a receiver got."""

    url: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def message(self) -> Any:
        return msgspec.json.decode(self.body)


class ScriptedReceiver:
    """A WebhookSender that answers call by call as its script says, and 204 once that is over."""

    def __init__(self, *script: Answer) -> None:
        self.script = deque(script)
        self.calls: list[Call] = []
        self.refusal: BaseException | None = None

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.calls.append(Call(url, body, dict(headers)))
        step = self.script.popleft() if self.script else 204
        if isinstance(step, BaseException):
            raise step
        return step if isinstance(step, int) else await step()

    def check_url(self, url: str) -> None:
        if self.refusal is not None:
            raise self.refusal


class Hooks:
    """The webhook services of one process. `other_process` is one more over the same records."""

    def __init__(
        self,
        *script: Answer,
        secret: str = SECRET,
        public_base_url: str | None = "https://booth.example",
        adapters: dict[Any, Any] | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.adapters = adapters or memory_adapters(self.clock)
        self.receiver = ScriptedReceiver(*script)
        replaced = self.adapters | {
            port: FaultInjector(self.adapters[port]) for port in (WebhookRepository, WebhookOutbox, JobRepository)
        }
        replaced |= {SecretBox: FaultInjector(AesSecretBox(lambda: secret)), WebhookSender: self.receiver}
        container = make_container(Settings(public_base_url=public_base_url), replaced)
        self.slots = get_now(container, SlotRepository)
        self.queue = get_now(container, JobQueue)
        self.audit = get_now(container, AuditLog)
        self.records = get_now(container, WebhookRepository)
        self.outbox = get_now(container, WebhookOutbox)
        self.jobs = get_now(container, JobRepository)
        self.box = get_now(container, SecretBox)
        self.service = get_now(container, WebhookService)
        self.delivery = get_now(container, WebhookDelivery)

    def other_process(self, *script: Answer, secret: str = SECRET) -> Hooks:
        return Hooks(*script, secret=secret, adapters=self.adapters, clock=self.clock)

    async def set_up(self, slot_id: str = "slot-001") -> str:
        """Slots, one of them with a webhook; its secret."""
        await self.slots.add_missing(shipped_slots())
        _, secret = await self.service.put(slot_id, URL, by=ADA)
        assert secret is not None
        return secret

    async def end_job(self, outcome: Callable[[Job], Outcome] | None = None, **fields: Any) -> Job:
        """A job that has just ended, with a picture unless said otherwise."""
        now = self.clock.now()
        job: Job = await self.queue.enqueue(new_job(created_at=now, **fields), max_active=1000)
        end = outcome(job) if outcome else outcome_succeeded(job, finalized_at=now)
        assert await self.queue.mark_finalized(job.id, end, claim=None)
        ended: Job = await self.jobs.get(job.id)
        return ended

    async def only(self) -> Delivery:
        (delivery,) = (await self.service.deliveries()).items
        return delivery

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[asyncio.Task[None]]:
        """The loop of deliveries, given up at the end of the block if it has not been stopped."""
        running = asyncio.create_task(self.delivery.run())
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def until(self, true: Callable[[], Any]) -> None:
        """Let tasks and threads get on until something is so, and then until they can do no more without time passing
        in this world."""
        async with asyncio.timeout(180):
            while not true():  # noqa: ASYNC110 - what is waited for is the state of other tasks
                await asyncio.sleep(0)
        await self.clock.advance(timedelta(0))

    async def pass_time(self, duration: timedelta) -> None:
        """Let time pass."""
        await self.clock.advance(duration)

    async def called(self, times: int) -> None:
        """Let tasks get on until so many calls were made and their ends are noted."""
        await self.until(lambda: len(self.receiver.calls) >= times and self.noted >= times)

    async def called_or_waiting(self, times: int) -> None:
        """Let tasks get on until so many calls were made, ended or not."""
        await self.until(lambda: len(self.receiver.calls) >= times)

    @property
    def noted(self) -> int:
        return sum(name in ("delivered", "failed") for name in self.outbox.calls)
