"""Files at the Gemini API: uploaded for one request, and deleted afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta

from ....core.domain.media import Picture
from ....core.ports.provider import Down, ProviderError, Retryable
from ...system_clock import SYSTEM_CLOCK
from ..wire import RemoteService, parsed
from .answers import Uploaded, require_good
from .requests import delete_file, send_upload, start_upload

_DELETION_TIME = timedelta(seconds=15)
_GONE = (403, 404)
"""The service answers 403 for a file that does not exist, so as not to reveal other accounts' files."""


async def upload(service: RemoteService, key: str, picture: Picture, name: str, *, until: datetime) -> str:
    """Upload a picture under a name of ours; its URI at the service. Raises ProviderError."""
    started = await service.ask(start_upload(service.url, key, picture, name), until=until)
    require_good(started, secret=key)
    address = started.headers.get("x-goog-upload-url", "")
    if not address:
        raise Down("Gemini answered something other than its API's answer to an upload.")
    sent = await service.ask(send_upload(address, picture), until=until)
    require_good(sent, secret=key)
    file = parsed(sent, Uploaded, service="Gemini").file if sent.body.document else None
    if file is None or not file.uri or (file.state or "ACTIVE") != "ACTIVE":
        raise Retryable("Gemini accepted an uploaded picture but has not made it ready.")
    return file.uri


async def delete(service: RemoteService, key: str, name: str) -> str | None:
    """Delete an upload; what is wrong where that failed. A file that never arrived counts as deleted."""
    try:
        answer = await service.ask(delete_file(service.url, key, name), until=SYSTEM_CLOCK.now() + _DELETION_TIME)
        if answer.status not in _GONE:
            require_good(answer, secret=key)
    except ProviderError as error:
        return error.reason
    return None
