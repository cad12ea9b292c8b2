"""The `replicate` provider: photos edited by the models that Replicate runs, official ones and those of its users."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from http import HTTPStatus
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
)
from ...system_clock import SYSTEM_CLOCK
from ..catalogue import read_catalogue
from ..hosted import HostedCall, HostedModels, Preset, operations
from ..queued import Failed, Finished, Pace, Pending, QueuedCalls, State, fetched
from ..wire import DIAGNOSIS_TIME, JsonAnswer, RemoteService, finding_of
from .answers import Prediction, cancelled, ended, is_id, picture_of, prediction_of, require_good
from .files import ReplicateFiles
from .requests import SERVICE_URL, account, cancel, create, describe, get
from .settings import ReplicateSettings

_ID = "replicate"
_MODELS = Path(__file__).with_name("models.json")
_MAX_NAME_CHARS = 128
_PER_MINUTE = 600
"""The service's limit of new predictions."""


class Made(Struct, frozen=True):
    """A finished picture, or its address, and the prediction that made it."""

    picture: bytes | str
    prediction: Prediction
    cost: CallCost | None

    def __repr__(self) -> str:
        return f"Made({self.prediction.id})"


class Reference(Struct, frozen=True):
    """What is saved to go on with a prediction: its id, and the ids of the files that must be deleted after it."""

    id: str
    files: tuple[str, ...] = ()


class ReplicateProvider:
    """The Replicate provider. A prediction for a job is resumed by its reference, not made (and paid for) again."""

    def __init__(self, context: ProviderContext, *, pace: Pace | None = None) -> None:
        catalogue = read_catalogue(context, _MODELS, preset=Preset)
        self._service = RemoteService(context, name="Replicate", url=SERVICE_URL)
        self._files = ReplicateFiles(self._service)
        self._queued = QueuedCalls("Replicate", pace=pace)
        self._models = HostedModels(_ID, catalogue, ReplicateSettings)
        self._pace = pace or Pace()
        self._info = ProviderInfo(
            id=_ID,
            title="Replicate",
            operations=operations(catalogue.schema(ReplicateSettings)),
            needs_key=True,
            per_minute=_PER_MINUTE,
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
        """See Provider.process; the remarks name the prediction, its time, and settings that the model ignores."""
        call = self._models.call(request)
        key = await self._service.key(until=request.until)
        work = _Work(self._service, self._files, self._models, call, key=key, until=request.until)
        made = await self._queued.result(work, request, cost=call.cost)
        picture, prediction = made.picture, made.prediction
        if isinstance(picture, str):
            pause = self._pace.first
            picture = await fetched(self._service.downloads, picture, until=request.until, cost=made.cost, pause=pause)
        remarks: dict[str, Any] = {"prediction": prediction.id, "resumed": request.reference is not None}
        remarks |= {} if prediction.seconds is None else {"seconds": prediction.seconds}
        remarks |= {"ignored": list(call.ignored)} if call.ignored else {}
        version = prediction.known_version
        names_it = version is None or ":" in call.model or len(call.model) > _MAX_NAME_CHARS
        model = call.model if names_it else f"{call.model}:{version}"
        seed = call.settings.seed if "seed" in call.preset.accepts else None
        return ProviderResult(picture, remarks, cost=made.cost, model=model, seed=seed)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """See Provider.diagnose; asks for the account and for each model, within 10 s."""
        names = self._models.names(used)
        if not names:
            return []
        until, service = SYSTEM_CLOCK.now() + DIAGNOSIS_TIME, self._service
        found: list[ProviderFinding | None] = []
        try:
            key = await service.key(until=until)
            require_good(await service.ask(account(service.url, key), until=until), secret=key)
            for name in names:
                answer = await service.ask(describe(service.url, key, name), until=until)
                offered = answer.status != HTTPStatus.NOT_FOUND
                if offered:
                    require_good(answer, secret=key)
                found.append(self._models.finding(name, offered=offered))
        except ProviderError as error:
            found.append(finding_of(error))
        return [finding for finding in found if finding is not None]

    async def close(self) -> None:
        """Give what is being cancelled and deleted a few seconds, then close the connections."""
        await self._queued.close()
        await self._files.close()
        await self._service.close()


class _Work:
    """One prediction. Its files are deleted when it has ended, by whichever worker learns of that."""

    def __init__(
        self,
        service: RemoteService,
        files: ReplicateFiles,
        models: HostedModels,
        call: HostedCall,
        *,
        key: str,
        until: datetime,
    ) -> None:
        self._service = service
        self._files = files
        self._models = models
        self._call = call
        self._key = key
        self._until = until

    async def submit(self) -> tuple[str, State[Made]]:
        service, call, key, until = self._service, self._call, self._key, self._until
        files: list[str] = []
        try:
            pictures = await self._files.sent(call.pictures, files, key=key, until=until)
            settings = call.settings
            wait = settings.wait if isinstance(settings, ReplicateSettings) else 0
            question = create(service.url, key, call.model, call.input(pictures), until=until, wait=wait)
            answer = await service.ask(question, until=until, expected=call.cost)
            prediction = prediction_of(answer, model=call.model, cost=call.cost, secret=key)
            reference = Reference(prediction.id, tuple(files))
            return msgspec.json.encode(reference).decode(), self._state(prediction, answer, reference)
        except BaseException:
            self._files.delete(files, key=key)
            raise

    async def poll(self, reference: str, *, until: datetime) -> State[Made]:
        saved = _read(reference)
        if saved is None:
            return Failed(Retryable("The saved reference is none of Replicate's."))
        answer = await self._service.ask(get(self._service.url, self._key, saved.id), until=until)
        if answer.status == HTTPStatus.NOT_FOUND:
            self._files.delete(saved.files, key=self._key)
            return Failed(Retryable("Replicate does not know the prediction any more."))
        return self._state(prediction_of(answer, secret=self._key), answer, saved)

    async def cancel(self, reference: str, *, until: datetime) -> None:
        saved = _read(reference)
        if saved is not None:
            answer = await self._service.ask(cancel(self._service.url, self._key, saved.id), until=until)
            cancelled(answer, secret=self._key)
            self._files.delete(saved.files, key=self._key)

    def _state(self, prediction: Prediction, answer: JsonAnswer, reference: Reference) -> State[Made]:
        seconds = prediction.seconds
        timed = None if seconds is None else self._models.by_seconds(self._call, seconds)
        cost = timed or self._call.cost
        state = ended(prediction, cost=cost, secret=self._key)
        if isinstance(state, Pending):
            return state
        self._files.delete(reference.files, key=self._key)
        if state is not None:
            return state
        picture = picture_of(prediction, answer, cost=cost)
        return picture if isinstance(picture, Failed) else Finished(Made(picture, prediction, cost))


def _read(reference: str) -> Reference | None:
    """The prediction of a reference; None where that is none of ours."""
    try:
        saved = msgspec.json.decode(reference, type=Reference)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return saved if all(map(is_id, (saved.id, *saved.files))) else None
