"""The Litestar app: routes, the handlers of errors, and the edge around all of it."""

from __future__ import annotations

from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ASGIApp

from .contract import docs, docs_asset, openapi_json, openapi_yaml
from .edge import Edge
from .errors import EXCEPTION_HANDLERS
from .health import healthz, readyz
from .ingest import ingest
from .jobs import get_job
from .public import get_media, get_result, get_thumbnail
from .services import HttpServices

_DRAIN_BYTES = 128 * 1024 * 1024

ROUTES = [
    ingest,
    get_job,
    get_result,
    get_thumbnail,
    get_media,
    healthz,
    readyz,
    openapi_yaml,
    openapi_json,
    docs,
    docs_asset,
]


def create_http_app(services: HttpServices) -> ASGIApp:
    """The HTTP shell over these services."""
    app = Litestar(
        route_handlers=ROUTES,
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
        state=State({"services": services}),
        request_max_body_size=None,
        debug=False,
    )
    return Edge(app, drain_bytes=_DRAIN_BYTES)


__all__ = ["ROUTES", "ASGIApp", "create_http_app"]
