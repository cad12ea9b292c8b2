"""The `bfl` provider: photos edited by the FLUX models of Black Forest Labs, through the queue of its API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ....core.domain.costs.call_cost import CallCost, Charged, ModelStatus
from ....core.domain.errors import InvalidSettings
from ....core.domain.media import PictureNeeds
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from ....core.domain.slots.slot import RouteEntry
from ....core.domain.validation import parse_fields
from ....core.ports.provider import (
    OperationInfo,
    ProviderContext,
    ProviderError,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
    Retryable,
    Unavailable,
)
from ...system_clock import SYSTEM_CLOCK
from ..catalogue import read_catalogue
from ..queued import Failed, OwnAddresses, Pace, Pending, QueuedCalls, State, fetched
from ..schemas import unknown_operation
from ..wire import DIAGNOSIS_TIME, RemoteService, finding_of, model_finding
from .answers import Made, UnknownState, cost_of, credits_of, number, state_of, submitted
from .requests import DOMAINS, MEGAPIXEL, SERVICE_URL, Call, call_of, credits_left, estimate, look, submit
from .settings import BflSettings, Preset

PACE = Pace(first=timedelta(seconds=0.5), factor=1.2, longest=timedelta(seconds=1.2))
"""The service is asked every half second at first; more than three questions a second are too many for it."""

MAX_UNKNOWN_STATES = 2
"""States in a row that are not documented, before the work is given up."""

_ID = "bfl"
_OPERATION = "image_edit"
_MODELS = Path(__file__).with_name("models.json")
_NEEDS = PictureNeeds(
    mimes=("image/jpeg", "image/png", "image/webp"),
    # 20 MB each; a megapixel never needs as much.
    max_bytes=8 * 1024 * 1024,
    # Each megapixel of the input is billed: a photo of 12 would cost five times as much as one of a single megapixel.
    max_pixels=MEGAPIXEL,
)


class BflProvider:
    """The BFL provider. Work that is queued for a job is resumed by its reference, not queued (and paid for) again.

    The service has no call that cancels: work that is given up goes on there and is paid for.
    """

    def __init__(self, context: ProviderContext, *, pace: Pace = PACE) -> None:
        self._models = read_catalogue(context, _MODELS, preset=Preset)
        self._service = RemoteService(context, name="BFL", url=SERVICE_URL)
        self._own = OwnAddresses(self._service.url, domains=DOMAINS)
        self._queued = QueuedCalls("BFL", pace=pace)
        self._pause = pace.first
        self._info = ProviderInfo(
            id=_ID,
            title="Black Forest Labs",
            operations=(
                OperationInfo(
                    id=_OPERATION,
                    title="Edit by prompt",
                    settings_schema=self._models.schema(BflSettings),
                    needs=_NEEDS,
                    template_roles=("face", "reference", "style"),
                    prompts=("prompt",),
                ),
            ),
            needs_key=True,
            # 24 of an account's works may be in progress; what ended a moment ago may still count.
            max_concurrent=20,
            models=self._models.infos,
            prices=self._models.prices,
        )

    @property
    def info(self) -> ProviderInfo:
        return self._info

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        self._checked(operation_id, settings)

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        """See Provider.expected_cost; the photo is taken to be as large as it may be, templates are not counted."""
        try:
            return estimate(self._checked(operation_id, settings), self._models, [_NEEDS.max_pixels])
        except InvalidSettings:
            return None

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """See Provider.process; the remarks name the work, megapixels billed, and what the model ignores."""
        try:
            settings = self._checked(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail, cause=FailureCause.SETTINGS_INVALID) from error
        call = call_of(request, settings, self._models)
        key = await self._service.key(until=request.until)
        work = _Work(self._service, self._own, call, key=key, until=request.until)
        try:
            made = await self._queued.result(work, request)
        except ProviderError as error:
            error.cost = error.cost or work.perhaps
            raise
        cost = work.cost or call.cost
        downloads = self._service.downloads
        picture = await fetched(downloads, made.url, until=request.until, cost=cost, pause=self._pause)
        remarks = {**work.remarks, "resumed": request.reference is not None}
        remarks |= {"ignored": list(call.ignored)} if call.ignored else {}
        seed = settings.seed if made.seed is None else made.seed
        return ProviderResult(picture, remarks, cost=cost, model=call.model, seed=seed)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """See Provider.diagnose; asks for the account's credits, within 10 s: the service lists no models."""
        entries = [entry for entry in used if entry.provider_id == _ID]
        if not entries:
            return []
        until = SYSTEM_CLOCK.now() + DIAGNOSIS_TIME
        try:
            key = await self._service.key(until=until)
            answer = await self._service.ask(credits_left(self._service.url, key), until=until)
            left = credits_of(answer, secret=key)
        except ProviderError as error:
            return [finding_of(error)]
        findings = [self._finding(name) for name in sorted({self._model_of(entry) for entry in entries})]
        if left == 0:
            detail = "The account at BFL has no credits left. Add credits on its dashboard."
            return [ProviderFinding(code=ProviderFindingCode.QUOTA_EXHAUSTED, detail=detail)]
        return [finding for finding in findings if finding is not None]

    async def close(self) -> None:
        """Close the connections."""
        await self._queued.close()
        await self._service.close()

    def _model_of(self, entry: RouteEntry) -> str:
        return str(self._models.filled(entry.settings)["model"])

    def _finding(self, name: str) -> ProviderFinding | None:
        """What the data file says against a model."""
        model = self._models.model(name)
        return model_finding(name, self._models, offered=model is None or model.status is not ModelStatus.RETIRED)

    def _checked(self, operation_id: str, settings: Mapping[str, Any]) -> BflSettings:
        if operation_id != _OPERATION:
            raise unknown_operation(_ID, operation_id)
        return parse_fields(BflSettings, self._models.filled(settings))


class _Reference(Struct, frozen=True, omit_defaults=True):
    """What is saved to go on with work: where its state is, and what it costs in credits."""

    polling_url: str
    cost: float | None = None


class _Work:
    """One piece of work in the queue of BFL.

    Attributes:
        cost: what it costs by the service's own figure, as far as it is known.
        remarks: what the service has said of it.
    """

    def __init__(self, service: RemoteService, own: OwnAddresses, call: Call, *, key: str, until: datetime) -> None:
        self._service = service
        self._own = own
        self._call = call
        self._key = key
        self._until = until
        self._unknown_states = 0
        self._submitted = False
        self._sent = False
        self.cost: CallCost | None = None
        self.remarks: dict[str, Any] = {}

    @property
    def perhaps(self) -> CallCost | None:
        """What the work costs if the service bills it; None where it cannot have begun."""
        cost = (self.cost or self._call.cost) if self._sent else None
        return None if cost is None else replace(cost, charged=Charged.UNKNOWN)

    async def submit(self) -> tuple[str, State[Made]]:
        question = submit(self._service.url, self._key, self._call)
        answer = await self._service.ask(question, until=self._until, expected=self._call.cost)
        self._sent = answer.status < HTTPStatus.MULTIPLE_CHOICES
        work = submitted(answer, model=self._call.model, secret=self._key)
        self._submitted = True
        self.cost = cost_of(work.cost)
        sizes = {"input_mp": number(work.input_mp), "output_mp": number(work.output_mp)}
        self.remarks |= {name: size for name, size in sizes.items() if size is not None}
        if not self._own.has(work.polling_url):
            raise Unavailable("BFL names an address for the work that is not its own; it is not called.")
        return msgspec.json.encode(_Reference(work.polling_url, number(work.cost))).decode(), Pending()

    async def poll(self, reference: str, *, until: datetime) -> State[Made]:
        work = self._read(reference)
        if work is None:
            return Failed(Retryable("The saved reference is none of BFL's."))
        self._sent = True
        self.cost = self.cost or cost_of(work.cost)
        answer = await self._service.ask(look(work.polling_url, self._key), until=until)
        state = state_of(answer, cost=self.cost or self._call.cost, secret=self._key)
        if isinstance(state, UnknownState):
            raise self._unknown_state(state.reason)
        self._unknown_states = 0
        if state is None:
            return self._not_found()
        if not isinstance(state, Pending | Failed):
            self.cost = self.cost or cost_of(state.result.credits)
        return state

    async def cancel(self, reference: str, *, until: datetime) -> None:
        """Do nothing: the service has no call for it."""

    def _not_found(self) -> Failed:
        """What it means that the service does not know the work."""
        if self._submitted:
            # It has taken the work a moment ago: another of its machines may not know that yet.
            raise Retryable("BFL does not know the work that it has taken (Task not found).", cost=self.perhaps)
        return Failed(Retryable("BFL does not know the work any more (Task not found)."))

    def _unknown_state(self, reason: str) -> ProviderError:
        self._unknown_states += 1
        kind = Retryable if self._unknown_states <= MAX_UNKNOWN_STATES else Unavailable
        return kind(reason, cost=self.perhaps)

    def _read(self, reference: str) -> _Reference | None:
        """The work of a reference; None where that is none of ours, or would take the key elsewhere."""
        try:
            work = msgspec.json.decode(reference, type=_Reference)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return work if self._own.has(work.polling_url) else None
