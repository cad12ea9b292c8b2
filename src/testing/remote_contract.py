"""The Provider contract of providers that ask another machine: cancel, resume, refusal and outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import ClassVar, Protocol

import pytest

from ..core.domain.slots.slot import RouteEntry
from ..core.ports.provider import Down, Provider, ProviderError, ProviderResult, Rejected, Retryable
from ..core.services.support.concurrency import TaskSet, cancel_and_wait, race
from .cost_rules import check_cost
from .provider_contract import NoteReference, ProviderContract


class ServiceControls(Protocol):
    """What the suite needs of the stand-in of a service. Each of `hold`, `refuse` and `fail` is for the next call."""

    @property
    def submitted(self) -> int:
        """How many pieces of work the service has taken so far: what it would be paid for."""
        ...

    async def hold(self) -> None:
        """Take the next work and do not finish it, whatever else is asked meanwhile, until `release`."""
        ...

    async def has_begun(self) -> None:
        """Return once the held work has reached the service."""
        ...

    async def was_given_up(self) -> None:
        """Return once nobody wants the held work any more: its connection is closed, or it was cancelled by a call."""
        ...

    async def release(self) -> None:
        """Finish the held work."""
        ...

    async def refuse(self) -> None:
        """Refuse the next work for what is in the photo or the prompt, as the service's moderation does."""
        ...

    async def fail(self) -> None:
        """Answer the next call with a fault of the service itself."""
        ...


class RemoteProviderContract(ProviderContract):
    """Subclass it as ProviderContract, and return the controls of your stand-in in `service`.

    Attributes:
        cancels: whether the service notices that work is cancelled. False for a service that has no such call.
        resumes: whether the provider notes references of its work, so that another worker can go on with it.
    """

    cancels: ClassVar[bool] = True
    resumes: ClassVar[bool] = False

    def service(self) -> ServiceControls:
        """The controls of the stand-in that `base_url` names."""
        raise NotImplementedError("say how the stand-in is controlled")

    @pytest.mark.anyio
    async def test_a_cancelled_call_is_given_up_at_the_service(self) -> None:
        async with self._open() as provider:
            for entry in self.entries:
                async with self._held_call(provider, entry) as call:
                    call.cancel()
                    await asyncio.wait({call}, timeout=self.patience.total_seconds())
                    assert call.cancelled(), "cancellation is let through, and ends the call"
                if self.cancels:
                    async with asyncio.timeout(self.patience.total_seconds()):
                        await self.service().was_given_up()
                await self.service().release()
                self._check(await self._process(provider, entry))

    @pytest.mark.anyio
    async def test_references_are_noted_by_providers_that_resume_and_by_no_others(self) -> None:
        noted: list[str] = []

        async def note(reference: str) -> None:
            await self._note_reference(reference)
            noted.append(reference)

        async with self._open() as provider:
            for entry in self.entries:
                noted.clear()
                self._check(await self._process(provider, entry, note_reference=note))
                assert bool(noted) == self.resumes, "`resumes` says whether references are noted"

    @pytest.mark.anyio
    async def test_work_of_a_worker_that_hangs_is_resumed_and_not_paid_twice(self) -> None:
        async with self._open() as hanging, self._open() as resuming:
            for entry in self.entries if self.resumes else ():
                await self._resume(hanging, resuming, entry)

    @pytest.mark.anyio
    async def test_a_reference_that_the_service_has_forgotten_does_not_end_the_entry(self) -> None:
        async with self._open() as provider:
            for entry in self.entries:
                failed = await self._error_of(provider, entry, reference="no-such-reference-4711")
                assert failed is None or isinstance(failed, Retryable), "the next call begins the work again"

    @pytest.mark.anyio
    async def test_a_refusal_is_final_and_no_outage(self) -> None:
        service = self.service()
        async with self._open() as provider:
            for entry in self.entries:
                before = service.submitted
                await service.refuse()
                refused = await self._error_of(provider, entry)
                assert isinstance(refused, Rejected), "final: no retry, and it never opens the circuit breaker"
                assert service.submitted <= before + 1, "a refusal is not tried again: retries are up to the route"
                self._check(await self._process(provider, entry))

    @pytest.mark.anyio
    async def test_a_fault_of_the_service_is_an_outage(self) -> None:
        service = self.service()
        async with self._open() as provider:
            for entry in self.entries:
                await service.fail()
                failed = await self._error_of(provider, entry)
                assert isinstance(failed, Down), "outages are what the circuit breaker counts"
                self._check(await self._process(provider, entry))

    async def _resume(self, hanging: Provider, resuming: Provider, entry: RouteEntry) -> None:
        """One worker begins the work and stands still where it has noted it; another one goes on with it.

        A worker that notes its reference before it submits the work does not stand still: both ask for the picture.
        """
        service, before = self.service(), self.service().submitted
        noted: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def note(reference: str) -> None:
            await self._note_reference(reference)
            if not noted.done():
                noted.set_result(reference)
            if service.submitted > before:
                await asyncio.get_running_loop().create_future()

        async with self._held_call(hanging, entry, note_reference=note) as call:
            await self._while_running(call, noted)
            await service.release()
            self._check(await self._process(resuming, entry, reference=noted.result()))
            assert service.submitted == before + 1, "the same work is gone on with, not begun again"

    @asynccontextmanager
    async def _held_call(
        self, provider: Provider, entry: RouteEntry, *, note_reference: NoteReference | None = None
    ) -> AsyncIterator[asyncio.Task[ProviderResult]]:
        """A call that has begun at the service and does not end there; it is cancelled with the block."""
        await self.service().hold()
        call = TaskSet().start(self._process(provider, entry, note_reference=note_reference), name="a provider call")
        try:
            await self._while_running(call, self.service().has_begun())
            yield call
        finally:
            await cancel_and_wait(call)

    async def _error_of(
        self, provider: Provider, entry: RouteEntry, *, reference: str | None = None
    ) -> ProviderError | None:
        """The error that a call raises, in order itself; None where the call makes its picture."""
        try:
            self._check(await self._process(provider, entry, reference=reference))
        except ProviderError as error:
            raised = error
        else:
            return None
        assert raised.reason.strip()
        assert self.secret not in raised.reason
        if raised.cost is not None:
            check_cost(raised.cost)
        return raised

    async def _while_running(self, call: asyncio.Task[ProviderResult], event: Awaitable[object]) -> None:
        """Return after the event. Fail where the call ends before it, or where it never comes."""
        async with asyncio.timeout(self.patience.total_seconds()):
            ended, _ = await race(event, asyncio.wait([call]))
        assert ended == 0, f"the call ended before it was let go: {call.exception()!r}"
