"""`GET /api/addresses`: the address that links begin with, and addresses at which other devices reach this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, get
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ...config import Settings
from ..protocol.etag import personal_response
from ..protocol.links import UrlBuilder

_EVERY_INTERFACE = ("", "0.0.0.0", "::")
_ELSEWHERE = ("192.0.2.1", 9)
"""An address of documentation (RFC 5737): choosing a route to it sends nothing."""


@get("/api/addresses", opt={"access": Permission.SLOTS_READ})
@inject
async def get_addresses(request: Request[Any, Any, Any], config: FromDishka[Settings]) -> ASGIApp:
    """The addresses of this service."""
    base = UrlBuilder(request.scope, config.public_base_url).base
    port = (request.scope.get("server") or ("", None))[1]
    root = request.scope.get("root_path", "").rstrip("/")
    hosts = await asyncio.to_thread(_network_hosts, config.host)
    body = {
        "base_url": base,
        "configured": config.public_base_url is not None,
        "only_this_machine": is_loopback(base),
        "network_urls": [f"http://{host}:{port}{root}" for host in hosts if port],
    }
    return personal_response(request, body)


def is_loopback(url: str) -> bool:
    """Whether only the machine itself reaches this URL."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _network_hosts(bound: str) -> list[str]:
    """The IPv4 addresses at which other devices of the network reach a service that is bound to `bound`; blocks while
    the host's name is looked up."""
    if bound not in _EVERY_INTERFACE:
        return [] if is_loopback(f"http://{bound}") or ":" in bound else [bound]
    found: dict[str, None] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
            found[probe.getsockname()[0]] = None
        except OSError:
            pass  # no route leads out of this machine: only the addresses of its name are left
    try:
        named = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    except OSError:
        named = []
    found |= {str(entry[4][0]): None for entry in named}
    return [host for host in found if not is_loopback(f"http://{host}")]
