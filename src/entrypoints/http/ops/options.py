"""OPTIONS: the methods of a path. The framework's own response lists only those of one handler."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from litestar import HttpMethod, route
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ..auth.access import PublicAccess


def options_handlers(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """A handler for each path of these handlers; they must be registered before them."""
    methods: defaultdict[str, set[str]] = defaultdict(lambda: {"OPTIONS"})
    for handler in handlers:
        for path in handler.paths:
            methods[path] |= {str(method) for method in handler.http_methods}
    return [_handler(path, ", ".join(sorted(allowed))) for path, allowed in methods.items()]


def _handler(path: str, allowed: str) -> HTTPRouteHandler:
    async def options() -> ASGIApp:
        return ASGIResponse(status_code=204, headers={"Allow": allowed})

    decorated: Any = route(path, http_method=HttpMethod.OPTIONS, opt={"access": PublicAccess.PUBLIC})(options)
    handler: HTTPRouteHandler = decorated
    return handler
