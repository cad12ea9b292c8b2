"""How long the routes of the API wait for a database that is away: one rule for all of them.

Photos have a window of their own (`ingest`), probes must answer at once, and pages need no database.
"""

from __future__ import annotations

from datetime import timedelta

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from ...core.ports.clock import Clock
from ...core.services.support.repeated_calls import waiting_for_database

INTERACTIVE_PATIENCE = timedelta(seconds=6)
"""From the first call of a request that fails: two attempts to connect (3 s each). A person waits that long."""

_INTERACTIVE = "/api/"


class InteractivePatience:
    """Wraps the app: requests to the API repeat what they ask of the database for INTERACTIVE_PATIENCE."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", "")).removeprefix(str(scope.get("root_path", "")))
        if scope["type"] != ScopeType.HTTP or not path.startswith(_INTERACTIVE):
            await self._app(scope, receive, send)
            return
        with waiting_for_database(self._clock, INTERACTIVE_PATIENCE):
            await self._app(scope, receive, send)
