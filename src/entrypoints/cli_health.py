"""`photochanger healthcheck` as a command."""

from __future__ import annotations

from urllib.parse import urlsplit

import click

from .config import Settings


def _http_url(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None:
        try:
            parts = urlsplit(text)
            usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise click.BadParameter("is no URL that begins with http://")
    return text


@click.command()
@click.option(
    "--url", callback=_http_url, help="What to ask instead of this machine's /healthz, such as a worker's /metrics."
)
def healthcheck(url: str | None) -> None:
    """Ask the service on this machine whether it answers; ends with 1 if not. It is what containers are watched by."""
    from .healthcheck import check, own_url

    asked = url or own_url(Settings.from_env())
    check(asked)
    click.echo(f"{asked} answers.")
