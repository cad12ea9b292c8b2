"""`photochanger healthcheck`: asks the process on this machine whether it answers, for supervisors of containers."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from ..core.domain.errors import ConfigurationError, PhotoChangerError
from .config import PREFIX, Settings

_TIMEOUT_SECONDS = 4.0
"""Below the five seconds that the image gives the whole command."""

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Unhealthy(PhotoChangerError):
    """The service did not answer, or not with 200."""

    code = "unhealthy"


def own_url(settings: Settings) -> str:
    """Where `/healthz` of a `serve` with these settings is; ConfigurationError where its port is not known."""
    if settings.port == 0:
        raise ConfigurationError(PREFIX + "PORT", "is 0, so nobody knows where the service listens; give --url")
    host = _ANY_ADDRESS.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/healthz"


def check(url: str) -> None:
    """Unhealthy unless this URL answers with 200 in time. No proxy is used, whatever the environment names."""
    parts = urlsplit(url)
    try:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", parts.path or "/")
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"{url} does not answer: {error or type(error).__name__}") from error
    if status != http.client.OK:
        raise Unhealthy(f"{url} answers with {status}")
