"""`photochanger healthcheck`: check that the process on this machine answers, for container supervisors."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import click

from ...core.domain.errors import ConfigurationError, PhotoChangerError
from ..config import PREFIX, Settings

_TIMEOUT_SECONDS = 4.0
"""Less than the five seconds that the container image allows for the whole command."""

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Unhealthy(PhotoChangerError):
    """The service did not answer, or not with 200."""

    code = "unhealthy"


def _http_url(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None:
        try:
            parts = urlsplit(text)
            usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise click.BadParameter("must be a URL that begins with http://")
    return text


@click.command()
@click.option(
    "--url", callback=_http_url, help="URL to check instead of /healthz on this machine, such as a worker's /metrics."
)
def healthcheck(url: str | None) -> None:
    """Check that the service on this machine answers; the exit code is 1 if not. For container health checks."""
    checked = url or own_url(Settings.from_env())
    check(checked)
    click.echo(f"{checked} answers.")


def own_url(settings: Settings) -> str:
    """The URL of `/healthz` of a `serve` with these settings; ConfigurationError where its port is not known."""
    if settings.port == 0:
        raise ConfigurationError(PREFIX + "PORT", "is 0, so the port of the service is not known; pass --url")
    host = _ANY_ADDRESS.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/healthz"


def check(url: str) -> None:
    """Raise Unhealthy unless this URL answers with 200 in time. Proxies of the environment are not used."""
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
