"""Public links: finished pictures, their thumbnails, and media objects."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from dishka.integrations.litestar import FromDishka, inject
from litestar import HttpMethod, Request, route
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.ports.clock import Clock
from ....core.ports.media_service import MediaService
from ....core.ports.media_store import MediaStore
from ...config import Settings
from ..auth.access import PublicAccess
from ..protocol.file_response import serve_file
from .store_redirect import redirect_to_store

_READ = [HttpMethod.GET, HttpMethod.HEAD]


@route("/public/results/{job_id:str}", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
@inject
async def get_result(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    media: FromDishka[MediaService],
    store: FromDishka[MediaStore],
    config: FromDishka[Settings],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """The finished picture of a job, or a redirect to it in the object store."""
    file, now = await media.public_result(job_id), clock.now()
    if config.s3_redirect and (redirect := await redirect_to_store(request, store, file, now=now)) is not None:
        return redirect
    return await serve_file(request, store, file, now=now)


@route("/public/results/{job_id:str}/thumbnail", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
@inject
async def get_thumbnail(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    media: FromDishka[MediaService],
    store: FromDishka[MediaStore],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """A small WebP of a finished picture."""
    return await serve_file(request, store, await media.public_thumbnail(job_id), now=clock.now())


@route("/public/media/{media_id:str}", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
@inject
async def get_media(
    request: Request[Any, Any, Any],
    media_id: FromPath[UUID],
    media: FromDishka[MediaService],
    store: FromDishka[MediaStore],
    clock: FromDishka[Clock],
) -> ASGIApp:
    """A media object."""
    return await serve_file(request, store, await media.public_media(media_id), now=clock.now())
