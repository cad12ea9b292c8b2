"""What one job knows of one entry of its route."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from ...domain.costs.call_cost import CallCost
from ...domain.costs.ledger import may_cost
from ...domain.routing.durations import usual_duration
from ...domain.routing.failure_cause import FailureCause
from ...domain.routing.provider_usage import Admission, Breaker, LimitKind, ProviderHealth, ProviderLimit
from ...domain.routing.route_policy import EntryProgress
from ...domain.slots.slot import RouteEntry
from ...ports.provider import OperationInfo, Provider, ProviderError, QuotaExhausted, Retryable, Unavailable
from ..costs.call_costs import CallAdmission
from ..costs.prices import expected_cost
from ..providers.registry import ProviderRegistry
from .call_meter import CallMeter

_BLOCKED = {
    LimitKind.BREAKER: "The provider is failing; circuit breaker open.",
    LimitKind.CONCURRENCY: "Provider concurrency limit reached.",
    LimitKind.PER_MINUTE: "Provider rate limit of this minute reached.",
    LimitKind.PER_DAY: "Daily provider limit reached.",
}


class Jitter(Protocol):
    """Return a random number from 0 to 1."""

    def __call__(self) -> float: ...


class BudgetUsedUp(Unavailable):
    """A budget has no room for the call."""

    code = "budget_exhausted"
    usual_cause = FailureCause.BUDGET_USED_UP


class EntryState:
    """An entry with its provider, limits and progress; moments are those of `Clock.monotonic`.

    Attributes:
        error: of the last call or refused call.
        expected: what a call will probably cost.
        meter: of the next or the last call.
        counted: whether the shared limits admitted the last call; else its report counts it.
        started_at, started: when the last call began, by the wall clock and by the monotonic clock.
        stood_still: this process did for a while of the last call, so that its duration and failure say nothing.
    """

    started_at: datetime
    started: timedelta

    def __init__(self, index: int, entry: RouteEntry, providers: ProviderRegistry) -> None:
        self.index = index
        self.entry = entry
        self.error: ProviderError | None = None
        self.limit = ProviderLimit()
        self.counted = False
        self.stood_still = False
        self.progress = EntryProgress()
        self.expected: CallCost | None = None
        self.meter: CallMeter | None = None
        self._healthy = False
        self._found: tuple[Provider, OperationInfo] | None = None
        try:
            self._found = providers.find(entry.provider_id, entry.operation_id)
            self.limit = self._found[0].info.limit
            self.expected = expected_cost(self._found[0], entry)
        except ProviderError as error:
            self.error = error
            self.progress = EntryProgress(over=True)

    @property
    def provider(self) -> Provider:
        assert self._found is not None, "an entry without a provider is over from the start"
        return self._found[0]

    @property
    def operation(self) -> OperationInfo:
        assert self._found is not None, "an entry without a provider is over from the start"
        return self._found[1]

    @property
    def remote(self) -> bool:
        """Whether its calls leave this machine and so are subject to limits."""
        return self._found is not None and not self._found[0].info.on_this_machine

    @property
    def may_cost(self) -> bool:
        """Whether its calls are entered in the ledger before they begin."""
        return self.remote and may_cost(self.expected)

    @property
    def needs_admission(self) -> bool:
        """Whether the shared limits must be asked: not for the first call without limits and with a closed breaker."""
        return self.remote and (not self._healthy or self.limit != ProviderLimit() or self.progress.calls > 0)

    def facts(self) -> dict[str, str | int]:
        """Return what logs and traces show of it."""
        return {"entry": self.index, "provider": self.entry.provider_id, "operation": self.entry.operation_id}

    def learn_health(self, health: ProviderHealth) -> None:
        self._healthy = health.breaker is Breaker.CLOSED
        operation_id = self.entry.operation_id
        usual = usual_duration(health.recent_ms.get(operation_id, ()))
        self._change(
            pace=health.pace.get(operation_id),
            need=timedelta(seconds=usual.need),
            typical=timedelta(seconds=usual.typical),
        )

    def occupy(self) -> None:
        self._change(busy=True)

    def vacate(self) -> None:
        self._change(busy=False)

    def begin_call(self, *, counted: bool, at: datetime, moment: timedelta) -> None:
        self.counted, self.started_at, self.started, self.stood_still = counted, at, moment, False
        self._change(calls=self.progress.calls + 1, deferred=False, crowded=False)

    def blocked(self, admission: Admission, now: timedelta) -> bool:
        """Note a call that was not admitted; False where the last one was not admitted for the same reason."""
        block = admission.block
        assert block is not None
        kind = QuotaExhausted if block is LimitKind.PER_DAY else Unavailable
        error = kind(_BLOCKED[block], cause=FailureCause(block))
        is_new = str(self.error) != error.reason
        self.error = error
        self._change(
            ready_at=now + admission.wait,
            deferred=block is LimitKind.BREAKER,
            crowded=block is LimitKind.CONCURRENCY,
            over=block is LimitKind.PER_DAY,
        )
        return is_new

    def held(self, admission: CallAdmission, now: timedelta) -> bool:
        """Note a call that the ledger did not take; False where the last one was not taken for the same reason."""
        budget, wait = admission.refused_by, admission.wait
        error: Unavailable
        if budget is not None:
            error = BudgetUsedUp(f"{budget.name} is used up for today.")
        else:
            reason = "A budget applies, and the database does not answer."
            error = Unavailable(reason, cause=FailureCause.BUDGET_UNKNOWN)
        is_new = str(self.error) != error.reason
        self.error = error
        self._change(over=budget is not None, ready_at=None if wait is None else now + wait)
        return is_new

    def failed(self, error: ProviderError, *, retry_at: timedelta) -> None:
        """Note how a call failed; `retry_at` is the moment of the next one, where one is worthwhile."""
        self.error = error
        if isinstance(error, Retryable):
            self._change(busy=False, ready_at=retry_at)
        else:
            self._change(busy=False, over=True)

    def _change(self, **changes: object) -> None:
        self.progress = msgspec.structs.replace(self.progress, **changes)
