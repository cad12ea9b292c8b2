"""Redirects of public links to the media store, which then sends the picture to the guest itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from litestar import Request
from litestar.response.base import ASGIResponse

from ....core.domain.results.files import PublicFile
from ....core.ports.media_store import MediaStore
from ..protocol.etag import matches
from ..protocol.file_response import disposition, etag_of

_VALID_FOR = timedelta(minutes=1)
"""How long a link of the store works. The file itself is deleted when the picture expires or its guest is erased."""


async def redirect_to_store(
    request: Request[Any, Any, Any], store: MediaStore, file: PublicFile, *, now: datetime
) -> ASGIResponse | None:
    """302 to a link of the store; None where the service answers itself.

    It does so for HEAD, which the link is not signed for, for a client that has the file already, and for the service's
    own pages: they may load pictures from nowhere else.
    """
    if request.method != "GET" or request.headers.get("sec-fetch-site") == "same-origin":
        return None
    if matches(request.headers.get("if-none-match"), etag_of(file.file)):
        return None
    link = await store.link(
        file.file.key,
        valid_for=min(_VALID_FOR, max(file.expires_at - now, timedelta(seconds=1))),
        media_type=file.mime,
        disposition=disposition(request, file.download_name),
    )
    if link is None:
        return None
    return ASGIResponse(status_code=302, headers={"Location": link, "Cache-Control": "no-store"})
