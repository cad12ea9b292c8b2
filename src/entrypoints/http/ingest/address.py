"""The addresses that photos are sent to, before anything else sees them.

`/api/ingest/…` means the same as `/ingest/…`. The ingest key at the end of an address (`…/k/{key}`) is taken out of it,
so that no log, problem, trace or record can hold it.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from ....core.domain.accounts import MAX_PASSWORD_CHARS

PREFIX = "/ingest/"
STYLE_PREFIX = "/ingest/by/"

_ALIAS = "/api"
_ADDRESS = re.compile(r"(/ingest/(?:by/)?[^/]+)/k/([^/]+)/?\Z")
_STATE = "photochanger_ingest_key"


class IngestAddresses:
    """The ASGI app, to which all of these addresses look alike."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            _simplify(scope)
        await self._app(scope, receive, send)


def key_of(scope: Any) -> str | None:
    """Return the key that the address had."""
    key: str | None = scope.get("state", {}).get(_STATE)
    return key


def _simplify(scope: Any) -> None:
    root: str = scope.get("root_path", "")
    path: str = scope["path"].removeprefix(root)
    if path.startswith(_ALIAS + PREFIX):
        path = path.removeprefix(_ALIAS)
    elif not path.startswith(PREFIX):
        return
    if (found := _ADDRESS.match(path)) is not None:
        path = found[1]
        # One character too many is as wrong as a whole address too many.
        scope.setdefault("state", {})[_STATE] = found[2][: MAX_PASSWORD_CHARS + 1]
    scope["path"] = root + path
    scope["raw_path"] = quote(scope["path"], safe="/:@!$&'()*+,;=~").encode()
