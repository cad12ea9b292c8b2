"""The routes of the service, for tests that walk over all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from litestar.handlers import BaseRouteHandler
from photochanger.entrypoints.http.app import ROUTES

_FILLED = {"slot_id": "slot-001", "style": "slot-001", "asset": "docs.js", "provider_id": "local"}


def routes() -> Iterator[tuple[BaseRouteHandler, str, str]]:
    """Every handler with its method and path; HEAD is GET without a body."""
    for handler in ROUTES:
        for path in handler.paths:
            for method in sorted(handler.http_methods - {"HEAD"}):  # type: ignore[attr-defined]
                yield handler, str(method), re.sub(r"{(\w+):\w+}", r"{\1}", path)


def filled(path: str) -> str:
    """The path with something in the place of its parameters."""
    return re.sub(r"{(\w+)}", lambda match: _FILLED.get(match[1], "01980000-0000-7000-8000-000000000000"), path)
