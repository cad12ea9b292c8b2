"""The Litestar app: routes, exception handlers, dependencies, and the middleware around it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from dishka import AsyncContainer
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Guard

from ...core.ports.clock import Clock
from ...core.ports.image_tool import ImageTool
from ...core.ports.telemetry import Telemetry
from ...core.services.auth.admins import AdminService
from ...core.services.auth.ingest_password import AuthService
from ...core.services.slots.last_request import LastRequestLog
from ..config import Settings
from .api.addresses import get_addresses
from .api.audit import list_audit
from .api.events import events
from .api.ingest_keys import add_ingest_key, list_ingest_keys, revoke_ingest_key
from .api.jobs import cancel_job, erase_job, get_job, get_job_logs, get_job_photo, list_jobs
from .api.last_request import get_last_request, list_last_requests
from .api.media import purge, register_media
from .api.overview import overview
from .api.providers import check_provider, list_providers
from .api.ready_check import ready_check
from .api.results.archive import archive_results
from .api.results.listing import get_listed_result, list_results, put_visibility
from .api.settings import get_settings, put_settings
from .api.slots import get_slot, list_slots, put_slot, reset_stats
from .api.stats import global_stats, slot_stats, slots_stats
from .api.status import status
from .api.templates import delete_template, get_template, get_template_thumbnail, list_templates, register_template
from .api.try_it.recipes import list_recipes
from .api.try_it.sample_photos import get_sample_photo
from .api.try_it.test_run import list_test_runs, test_run
from .api.webhooks import delete_webhook, get_webhook, list_deliveries, put_webhook, redeliver, rotate_webhook_secret
from .auth.access import AccessGuard
from .auth.administrators import add_admin, change_admin, list_admins
from .auth.login import begin_session, end_session, login, logout, me
from .auth.own_password import change_own_password
from .auth.session_cookie import send_kept_session
from .dependencies import resolve_dependencies, with_container
from .ingest.address import IngestAddresses
from .ingest.handler import ingest
from .ingest.recorder import RequestRecorder
from .middleware import RequestMiddleware
from .ops.contract import docs, docs_asset, openapi_json, openapi_yaml
from .ops.health import healthz, readyz
from .ops.metrics import metrics
from .ops.options import options_handlers
from .page.manifest import web_manifest
from .page.page import gallery_page, page, page_file, page_files, page_not_found
from .patience import InteractivePatience
from .protocol.content_encoding import refuse_encoded_body
from .protocol.forwarded import TrustedProxies
from .protocol.hosts import AllowedHosts, allowed_hosts
from .protocol.path_ids import handle_malformed_id
from .protocol.problems import EXCEPTION_HANDLERS
from .public.gallery import get_gallery
from .public.results import get_media, get_result, get_thumbnail
from .shutdown import Shutdown

_DRAIN_BYTES = 128 * 1024 * 1024

ROUTES = [
    ingest,
    login,
    begin_session,
    end_session,
    logout,
    me,
    change_own_password,
    list_admins,
    add_admin,
    change_admin,
    list_providers,
    check_provider,
    overview,
    list_slots,
    get_slot,
    put_slot,
    test_run,
    list_test_runs,
    list_recipes,
    get_sample_photo,
    reset_stats,
    get_last_request,
    list_last_requests,
    get_addresses,
    get_webhook,
    put_webhook,
    delete_webhook,
    rotate_webhook_secret,
    list_deliveries,
    redeliver,
    list_ingest_keys,
    add_ingest_key,
    revoke_ingest_key,
    ready_check,
    get_settings,
    put_settings,
    register_media,
    purge,
    register_template,
    list_templates,
    get_template,
    delete_template,
    get_template_thumbnail,
    list_jobs,
    get_job,
    get_job_logs,
    get_job_photo,
    cancel_job,
    erase_job,
    list_results,
    get_listed_result,
    put_visibility,
    archive_results,
    events,
    list_audit,
    status,
    slot_stats,
    global_stats,
    slots_stats,
    get_result,
    get_thumbnail,
    get_media,
    get_gallery,
    page,
    web_manifest,
    gallery_page,
    page_file,
    healthz,
    readyz,
    metrics,
    openapi_yaml,
    openapi_json,
    docs,
    docs_asset,
]


async def create_http_app(container: AsyncContainer, *, hosts: AllowedHosts | None = None) -> ASGIApp:
    """The HTTP API over this container. `hosts`: None allows those that are configured, else all: inside another app,
    that app decides."""
    settings = await container.get(Settings)
    if hosts is None and settings.allowed_hosts:
        hosts = allowed_hosts(settings.allowed_hosts, public_base_url=settings.public_base_url, bound=settings.host)
    await resolve_dependencies(container, ROUTES)
    await asyncio.to_thread(page_files)
    guard = AccessGuard(
        await container.get(AdminService),
        public_base_url=settings.public_base_url,
        metrics_token=settings.metrics_token,
    )
    app = Litestar(
        route_handlers=[*options_handlers(ROUTES), *ROUTES],
        guards=[_guard(guard)],
        before_send=[send_kept_session],
        cors_config=_cors(settings.cors_origins),
        exception_handlers={
            **EXCEPTION_HANDLERS,
            ValidationException: handle_malformed_id,
            NotFoundException: page_not_found,
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
        debug=False,
    )
    clock = await container.get(Clock)
    recorder = RequestRecorder(
        InteractivePatience(with_container(app, container), clock),
        last_requests=await container.get(LastRequestLog),
        auth=await container.get(AuthService),
        images=await container.get(ImageTool),
        clock=clock,
    )
    answering = RequestMiddleware(
        recorder,
        drain_bytes=_DRAIN_BYTES,
        telemetry=await container.get(Telemetry),
        proxies=TrustedProxies(settings.trusted_proxies),
        hosts=hosts,
        shutdown=await container.get(Shutdown),
    )
    return IngestAddresses(answering)


def _guard(access: AccessGuard) -> Guard:
    """One guard of all routes: Litestar copies the handler for each."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        refuse_encoded_body(connection)
        await access(connection, handler)

    return guard


def _cors(origins: Sequence[str]) -> CORSConfig | None:
    """What pages of these origins may do; pages of other origins may do nothing."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=[*origins],
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "If-None-Match",
            "Last-Event-ID",
            "Prefer",
        ],
        expose_headers=[
            "ETag",
            "Link",
            "Location",
            "Retry-After",
            "X-Job-Id",
            "X-PhotoChanger-Outcome",
            "X-Request-Id",
        ],
        max_age=600,
    )
