"""The Litestar app: routes, the handlers of errors, and the edge around all of it."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.exceptions import MethodNotAllowedException
from litestar.types import ASGIApp

from .api.audit import list_audit
from .api.events import events
from .api.jobs import (
    cancel_job,
    get_job,
    get_job_logs,
    get_job_photo,
    list_jobs,
)
from .api.last_request import get_last_request
from .api.media import purge, register_media
from .api.overview import overview
from .api.providers import list_providers
from .api.ready_check import ready_check
from .api.settings import get_settings, put_settings
from .api.slots import (
    get_slot,
    list_slots,
    put_slot,
    reset_stats,
)
from .api.stats import global_stats, slot_stats
from .api.status import status
from .api.templates import (
    delete_template,
    get_template,
    get_template_thumbnail,
    list_templates,
    register_template,
)
from .api.test_run import test_run
from .api.webhooks import (
    delete_webhook,
    get_webhook,
    list_deliveries,
    put_webhook,
    redeliver,
    rotate_webhook_secret,
)
from .auth.access import require_access
from .auth.login import (
    begin_session,
    end_session,
    login,
    me,
)
from .dependencies import HttpServices
from .ingest.handler import ingest
from .ingest.recorder import tell_method_not_allowed
from .middleware import RequestMiddleware
from .ops.contract import (
    docs,
    docs_asset,
    openapi_json,
    openapi_yaml,
)
from .ops.health import healthz, readyz
from .ops.metrics import metrics
from .ops.options import options_handlers
from .page.page import gallery_page, page, page_file
from .protocol.problems import EXCEPTION_HANDLERS
from .public.gallery import get_gallery
from .public.results import get_media, get_result, get_thumbnail

_DRAIN_BYTES = 128 * 1024 * 1024

ROUTES = [
    ingest,
    login,
    begin_session,
    end_session,
    me,
    list_providers,
    overview,
    list_slots,
    get_slot,
    put_slot,
    test_run,
    reset_stats,
    get_last_request,
    get_webhook,
    put_webhook,
    delete_webhook,
    rotate_webhook_secret,
    list_deliveries,
    redeliver,
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
    events,
    list_audit,
    status,
    slot_stats,
    global_stats,
    get_result,
    get_thumbnail,
    get_media,
    get_gallery,
    page,
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


def create_http_app(services: HttpServices) -> ASGIApp:
    """The HTTP shell over these services."""
    app = Litestar(
        route_handlers=[*options_handlers(ROUTES), *ROUTES],
        guards=[require_access],
        cors_config=_cors(services.cors_origins),
        exception_handlers={**EXCEPTION_HANDLERS, MethodNotAllowedException: tell_method_not_allowed},
        openapi_config=None,
        logging_config=None,
        state=State({"services": services}),
        request_max_body_size=None,
        debug=False,
    )
    return RequestMiddleware(app, drain_bytes=_DRAIN_BYTES, telemetry=services.telemetry)


def _cors(origins: Sequence[str]) -> CORSConfig | None:
    """What pages from elsewhere may do: nothing, unless the operator names where they come from."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=[*origins],
        allow_methods=["GET", "POST", "PUT", "DELETE"],
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


__all__ = ["ROUTES", "ASGIApp", "create_http_app"]
