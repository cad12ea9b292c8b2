"""The provider `comfyui`: a workflow of a self-hosted ComfyUI, filled in for each photo, queued, polled and fetched."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from ....core.domain.costs.call_cost import CallCost
from ....core.domain.errors import InvalidSettings
from ....core.domain.media import PictureNeeds
from ....core.domain.routing.failure_cause import FailureCause
from ....core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from ....core.domain.slots.slot import RouteEntry
from ....core.ports.provider import (
    NotConfigured,
    OperationInfo,
    ProviderContext,
    ProviderError,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
    Retryable,
)
from ....core.services.support.concurrency import BackgroundTasks
from ...http_client.address_guard import AddressGuard, Resolver, resolve
from ...http_client.client import SafeHttpClient, fits_header
from ...http_client.messages import host_and_port
from ...system_clock import SYSTEM_CLOCK
from ..schemas import settings_schema, unknown_operation
from ..wire import DIAGNOSIS_TIME, finding_of, seconds_left
from .answers import Ended, facts_of, picture_of, require_success
from .diagnosis import missing_parts
from .job import POLL_INTERVAL, Job, JobLost, Reference, Standing, cancel_job, forget_job, new_id
from .marks import ROLES
from .requests import Requests, auth_headers
from .service import ComfyuiService
from .settings import MAX_SEED, ComfyuiSettings, read_settings
from .workflow import Filling, Workflow

_log = logging.getLogger("photochanger.comfyui")

_OPERATION = "workflow"
_MEBIBYTE = 1024 * 1024

_INFO = ProviderInfo(
    id="comfyui",
    title="ComfyUI",
    operations=(
        OperationInfo(
            id=_OPERATION,
            title="Run a workflow",
            settings_schema=settings_schema(ComfyuiSettings),
            needs=PictureNeeds(
                mimes=("image/jpeg", "image/png", "image/webp"),
                # A server of its own takes 100 MB (--max-upload-size), templates and form included.
                max_bytes=64 * _MEBIBYTE,
                # Image models make far less than this; nodes would only scale more of it down again.
                max_pixels=16_000_000,
                quality=95,
            ),
            template_roles=ROLES,
            prompts=("prompt", "negative_prompt"),
        ),
    ),
    # One graphics card makes one picture at a time: the second photo is uploaded meanwhile.
    max_concurrent=2,
)

_NO_ADDRESS = "The address of ComfyUI is not set. Set PHOTOCHANGER_COMFYUI_BASE_URL, such as http://192.168.1.20:8188."


class ComfyuiProvider:
    """The ComfyUI provider. A job is resumed by its reference, which is saved before the job is queued.

    What a call leaves at ComfyUI (a job that nobody needs, the record of an ended one) is removed in the background.

    Args:
        poll_interval: the pause before the first question for a job.
        resolver: what turns host names into addresses.
    """

    def __init__(
        self, context: ProviderContext, *, poll_interval: timedelta = POLL_INTERVAL, resolver: Resolver = resolve
    ) -> None:
        self._context = context
        self._poll_interval = poll_interval
        self._url = (context.base_url or "").rstrip("/")
        guard = AddressGuard(context.private_hosts, resolver=resolver)
        # The address that the operator has set may be private.
        place = host_and_port(self._url)
        self._http = SafeHttpClient(guard.and_host(*place) if place else guard)
        self._cleaning = BackgroundTasks()

    @property
    def info(self) -> ProviderInfo:
        return _INFO

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        """See Provider.expected_cost; the operator's own figure."""
        try:
            return _checked(operation_id, settings)[0].cost()
        except InvalidSettings:
            return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        _checked(operation_id, settings)

    async def process(self, request: ProviderRequest) -> ProviderResult:
        """See Provider.process; the remarks name the job, its place in the queue, its time and its nodes."""
        try:
            settings, workflow = _checked(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail, cause=FailureCause.SETTINGS_INVALID) from error
        service = await self._service(settings, until=request.until)
        call = _Call(request, settings, workflow, service)
        earlier = Reference.read(request.reference)
        if earlier is not None:
            try:
                return await self._made(call, earlier, resumed=True)
            except JobLost:
                _log.info("comfyui job %s is lost; queueing it again", earlier.prompt_id)
        return await self._made(call, Reference(new_id(), _seed(settings)), resumed=False)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """See Provider.diagnose; asks for the version, and for the nodes and files of the workflows, within 10 s.

        For an entry without settings, as of a provider that no slot uses yet, only for the version.
        """
        problems: list[str] = []
        workflows: dict[ComfyuiSettings, list[Workflow]] = {}
        for entry in used:
            if entry.provider_id != _INFO.id:
                continue
            if not entry.settings:
                workflows[ComfyuiSettings(workflow="")] = []
                continue
            try:
                settings, workflow = _checked(entry.operation_id, entry.settings)
            except InvalidSettings as error:
                problems.append(error.detail)
            else:
                workflows[settings] = [workflow]
        until = SYSTEM_CLOCK.now() + DIAGNOSIS_TIME
        failed: list[ProviderFinding] = []
        try:
            for settings, known in workflows.items():
                service = await self._service(settings, until=until)
                await service.version()
                problems += await missing_parts(service, known)
        except ProviderError as error:
            failed.append(finding_of(error))
        missing = ProviderFindingCode.NOT_CONFIGURED
        return [ProviderFinding(code=missing, detail=problem) for problem in dict.fromkeys(problems)] + failed

    async def close(self) -> None:
        """Wait until what was left at ComfyUI is removed, a few seconds at most, and close the connections."""
        await self._cleaning.close()
        await self._http.close()

    async def _service(self, settings: ComfyuiSettings, *, until: datetime) -> ComfyuiService:
        """Return the server with the key that is set now. NotConfigured without an address, or with an unusable key."""
        if not self._url:
            raise NotConfigured(_NO_ADDRESS)
        try:
            async with asyncio.timeout(seconds_left(until)):
                key = await self._context.key() or None
        except TimeoutError:
            raise Retryable("The deadline passed before ComfyUI was called.", cause=FailureCause.WINDOW_ENDED) from None
        if key is not None and not fits_header(key):
            raise NotConfigured(
                "The key of the provider comfyui contains invalid characters. Set it again.",
                cause=FailureCause.KEY_UNREADABLE,
            )
        return ComfyuiService(self._http, Requests(self._url, auth_headers(settings, key)), until=until)

    async def _made(self, call: _Call, reference: Reference, *, resumed: bool) -> ProviderResult:
        """Queue a job, unless it is resumed, and bring its picture. Raises JobLost where ComfyUI does not know it."""
        request, workflow = call.request, call.workflow
        job = Job(
            call.service,
            reference.prompt_id,
            queued=resumed,
            until=request.until,
            poll_interval=self._poll_interval,
        )
        graph = None if resumed else await call.graph(reference.seed)
        doubt: ProviderError | None = None
        try:
            if graph is not None:
                await request.note_reference(str(reference))
                doubt = await job.submit(graph, workflow)
            if job.prompt_id != reference.prompt_id:
                await request.note_reference(str(Reference(job.prompt_id, reference.seed)))
            ended = await job.ended(doubt=doubt)
            require_success(ended, workflow)
            data = await job.picture(picture_of(ended, workflow.output))
        finally:
            self._clean(call.service, job)
        remarks = _remarks(job, ended, workflow, resumed=resumed)
        seed = reference.seed if workflow.marks.seed else None
        return ProviderResult(data, remarks, cost=call.settings.cost(), seed=seed)

    def _clean(self, service: ComfyuiService, job: Job) -> None:
        """Remove in the background what the call leaves at ComfyUI."""
        if job.standing is Standing.ENDED:
            self._cleaning.start(forget_job(service, job.prompt_id), name="removing a job of comfyui from its history")
        elif job.standing is Standing.QUEUED:
            self._cleaning.start(cancel_job(service, job.prompt_id), name="cancelling a job of comfyui")


class _Call:
    """One call: its request, its settings, and the server that is asked."""

    def __init__(
        self, request: ProviderRequest, settings: ComfyuiSettings, workflow: Workflow, service: ComfyuiService
    ) -> None:
        self.request = request
        self.settings = settings
        self.workflow = workflow
        self.service = service

    async def graph(self, seed: int) -> dict[str, Any]:
        """Upload the pictures, and return the graph to be queued.

        Each file has a name of its own, so that nothing of an earlier photo is taken from a cache.
        """
        photo = await self.service.upload(self.request.photo, f"photo-{new_id()}")
        templates = {
            role: await self.service.upload(self.request.templates[role], f"{role}-{new_id()}")
            for role in self.workflow.template_roles
            if role in self.request.templates
        }
        settings = self.settings
        return self.workflow.filled(
            Filling(
                photo=photo, templates=templates, prompt=settings.prompt, negative=settings.negative_prompt, seed=seed
            )
        )


def _remarks(job: Job, ended: Ended, workflow: Workflow, *, resumed: bool) -> dict[str, Any]:
    remarks: dict[str, Any] = {"prompt_id": job.prompt_id, "resumed": resumed, "nodes": len(workflow.nodes) + 1}
    if job.ahead is not None:
        remarks["jobs_before_it"] = job.ahead
    return remarks | facts_of(ended)


def _seed(settings: ComfyuiSettings) -> int:
    return secrets.randbelow(MAX_SEED + 1) if settings.seed is None else settings.seed


def _checked(operation_id: str, settings: Mapping[str, Any]) -> tuple[ComfyuiSettings, Workflow]:
    if operation_id != _OPERATION:
        raise unknown_operation(_INFO.id, operation_id)
    return read_settings(settings)
