"""The `fal` provider: photos edited by the models that fal runs, through its queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.routing.provider_check import ProviderFinding
from ....core.domain.slots.slot import RouteEntry
from ....core.ports.provider import (
    ProviderContext,
    ProviderError,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Retryable,
    Unavailable,
)
from ...http_client.json_body import DataUri
from ...http_client.picture_json import is_long
from ...system_clock import SYSTEM_CLOCK
from ..catalogue import read_catalogue
from ..hosted import HostedCall, HostedModels, Preset, operations
from ..queued import Failed, Finished, OwnAddresses, Pace, Pending, QueuedCalls, State, fetched, perhaps
from ..wire import DIAGNOSIS_TIME, RemoteService, finding_of
from .answers import Result, Submitted, billed_units, cancelled, require_known_key, result_of, state_of, submitted
from .requests import DOMAINS, SERVICE_URL, cancel, look, look_for_nothing, submit
from .settings import FalSettings

_ID = "fal"
_MODELS = Path(__file__).with_name("models.json")


class Made(Struct, frozen=True):
    """A finished picture, or its address, and what the service tells of it."""

    picture: bytes | str
    seed: int | None
    units: float | None
    request_id: str

    def __repr__(self) -> str:
        return f"Made({self.request_id})"


class FalProvider:
    """The fal provider. Work that is queued for a job is resumed by its reference, not queued (and paid for) again."""

    def __init__(self, context: ProviderContext, *, pace: Pace | None = None) -> None:
        catalogue = read_catalogue(context, _MODELS, preset=Preset)
        self._service = RemoteService(context, name="fal", url=SERVICE_URL)
        self._own = OwnAddresses(self._service.url, domains=DOMAINS)
        self._queued = QueuedCalls("fal", pace=pace)
        self._models = HostedModels(_ID, catalogue, FalSettings)
        self._pace = pace or Pace()
        self._info = ProviderInfo(
            id=_ID,
            title="fal",
            operations=operations(catalogue.schema(FalSettings)),
            needs_key=True,
            models=catalogue.infos,
            prices=catalogue.prices,
        )

    @property
    def info(self) -> ProviderInfo:
        return self._info

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        self._models.checked(operation_id, settings)

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return self._models.expected_cost(operation_id, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """See Provider.process; the remarks name the work at fal, units billed, and settings that the model ignores."""
        call = self._models.call(request)
        key = await self._service.key(until=request.until)
        work = _Work(self._service, self._own, call, key=key, until=request.until)
        made = await self._queued.result(work, request, cost=call.cost)
        cost = call.cost if made.units is None else self._models.by_units(call, made.units) or call.cost
        picture = made.picture
        if isinstance(picture, str):
            pause = self._pace.first
            picture = await fetched(self._service.downloads, picture, until=request.until, cost=cost, pause=pause)
        remarks: dict[str, Any] = {"request_id": made.request_id, "resumed": request.reference is not None}
        remarks |= {} if made.units is None else {"billed_units": made.units}
        remarks |= {"ignored": list(call.ignored)} if call.ignored else {}
        return ProviderResult(picture, remarks, cost=cost, model=call.model, seed=made.seed)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """See Provider.diagnose; asks for work that does not exist, within 10 s: the service lists no models."""
        names = self._models.names(used)
        if not names:
            return []
        until = SYSTEM_CLOCK.now() + DIAGNOSIS_TIME
        try:
            key = await self._service.key(until=until)
            question = look_for_nothing(self._service.url, key, names[0])
            require_known_key(await self._service.ask(question, until=until), secret=key)
        except ProviderError as error:
            return [finding_of(error)]
        return [finding for name in names if (finding := self._models.finding(name)) is not None]

    async def close(self) -> None:
        """Give work that is being cancelled a few seconds, then close the connections."""
        await self._queued.close()
        await self._service.close()


class _Work:
    """One piece of work in fal's queue. Its reference is the answer to its submission, as JSON."""

    def __init__(
        self, service: RemoteService, own: OwnAddresses, call: HostedCall, *, key: str, until: datetime
    ) -> None:
        self._service = service
        self._own = own
        self._call = call
        self._key = key
        self._until = until

    async def submit(self) -> tuple[str, State[Made]]:
        pictures = [DataUri(picture.mime, picture.data) for picture in self._call.pictures]
        fields = self._call.input(pictures)
        question = submit(self._service.url, self._key, self._call.model, fields, until=self._until)
        answer = await self._service.ask(question, until=self._until, expected=self._call.cost)
        work = submitted(answer, model=self._call.model, cost=self._call.cost, secret=self._key)
        reference = msgspec.json.encode(work).decode()
        if self._read(reference) is None:
            cost = perhaps(self._call.cost)
            raise Unavailable("fal names addresses for the work that are not its own; they are not called.", cost=cost)
        return reference, Pending()

    async def poll(self, reference: str, *, until: datetime) -> State[Made]:
        work = self._read(reference)
        if work is None:
            return Failed(Retryable("The saved reference is none of fal's."))
        key, cost = self._key, self._call.cost
        state = state_of(await self._service.ask(look(work.status_url, key), until=until), cost=cost, secret=key)
        if state is not None:
            return state
        answer = await self._service.ask(look(work.response_url, key), until=until)
        checked = self._call.settings.input.get("enable_safety_checker") is not False
        result = result_of(answer, cost=cost, checked=checked, secret=key)
        if isinstance(result, Failed):
            return result
        units = billed_units(answer.headers)
        for url in result.urls:
            is_data = is_long(url) or url.startswith("data:")
            picture = answer.body.picture(url) if is_data else url
            if picture:
                return Finished(Made(picture, _seed(result), units, work.request_id))
        return Failed(Retryable("fal answered without a picture.", cost=cost))

    async def cancel(self, reference: str, *, until: datetime) -> None:
        work = self._read(reference)
        if work is not None:
            cancelled(await self._service.ask(cancel(work.cancel_url, self._key), until=until), secret=self._key)

    def _read(self, reference: str) -> Submitted | None:
        """The work of a reference; None where that is none of ours, or would take the key elsewhere."""
        try:
            work = msgspec.json.decode(reference, type=Submitted)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        urls = (work.status_url, work.response_url, work.cancel_url)
        return work if all(self._own.has(url) for url in urls) else None


def _seed(result: Result) -> int | None:
    seed = result.seed
    return seed if isinstance(seed, int) and not isinstance(seed, bool) and abs(seed) < 2**63 else None
