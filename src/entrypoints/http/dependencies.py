"""Dependencies of handlers: `FromDishka[Type]` in a signature under `@inject` is that type of the process's container.

All of them live as long as the process (APP scope), so there is no container for each request, which dishka's own
set-up would create (+20 µs a request).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_type_hints

from dishka import AsyncContainer
from dishka.integrations.base import default_parse_dependency
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send


def with_container(app: ASGIApp, container: AsyncContainer) -> ASGIApp:
    """The app with the container where `@inject` looks for it."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["dishka_container"] = container
        await app(scope, receive, send)

    return inner


async def resolve_dependencies(container: AsyncContainer, handlers: Iterable[HTTPRouteHandler]) -> None:
    """Create what the handlers name, so that a missing one ends the start and two first requests cannot race."""
    for handler in handlers:
        for dependency in dependencies_of(handler):
            await container.get(dependency)


def dependencies_of(handler: HTTPRouteHandler) -> list[Any]:
    """The types that a handler names."""
    function: Any = getattr(handler.fn, "__dishka_orig_func__", handler.fn)
    hints = get_type_hints(function, include_extras=True).values()
    keys = (default_parse_dependency(None, hint) for hint in hints)  # type: ignore[arg-type]
    return [key.type_hint for key in keys if key is not None]
