"""Public links: finished pictures, their thumbnails, and media objects."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import HttpMethod, Request, route
from litestar.types import ASGIApp

from ....core.domain.errors import MediaNotFound
from ..auth.access import PublicAccess
from ..dependencies import HttpServices
from ..protocol.file_response import serve_file

_READ = [HttpMethod.GET, HttpMethod.HEAD]


@route("/public/results/{job_id:str}", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
async def get_result(request: Request[Any, Any, Any]) -> ASGIApp:
    """The finished picture of a job."""
    services: HttpServices = request.app.state.services
    file = await services.media.public_result(_id(request, "job_id"))
    return await serve_file(request, services.store, file, now=services.clock.now())


@route("/public/results/{job_id:str}/thumbnail", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
async def get_thumbnail(request: Request[Any, Any, Any]) -> ASGIApp:
    """A small WebP of it."""
    services: HttpServices = request.app.state.services
    file = await services.media.public_thumbnail(_id(request, "job_id"))
    return await serve_file(request, services.store, file, now=services.clock.now())


@route("/public/media/{media_id:str}", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
async def get_media(request: Request[Any, Any, Any]) -> ASGIApp:
    """A media object."""
    services: HttpServices = request.app.state.services
    file = await services.media.public_media(_id(request, "media_id"))
    return await serve_file(request, services.store, file, now=services.clock.now())


def _id(request: Request[Any, Any, Any], name: str) -> UUID:
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise MediaNotFound("File not found.") from None
