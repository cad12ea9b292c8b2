"""The host names under which the service answers (`PHOTOCHANGER_ALLOWED_HOSTS`).

A page of another site can point a name of its own at this service and then read what it answers (DNS rebinding), and
links in answers begin with the requested host. Neither works with a name that is refused. An address as the host is no
such name: only requests that really go to that address have it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_PATTERN = re.compile(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_LOCAL_DOMAINS = ("", ".local", ".lan", ".home.arpa", ".internal")
"""Domains of local networks; no stranger can register a name in them."""

_PROBES = frozenset({"/healthz", "/readyz"})
"""Load balancers request them under any host; their answers contain no link."""

ANY = "*"

_MAX_KEPT = 256
"""Hosts whose answer is kept; a service has few."""


def parse_host_pattern(text: str) -> str:
    """A host name, an address, `*.domain` or `*`, in lower case; ValueError."""
    entry = text.strip().lower()
    entry = entry if entry == "*." else entry.removesuffix(".")
    bare = entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    if not _PATTERN.fullmatch(entry):
        raise ValueError(f"{text!r} is not a host; write it as booth.example, *.booth.example or 192.168.1.10")
    return entry


class AllowedHosts:
    """The hosts that requests may name. `any_address`: also every IP address."""

    def __init__(self, patterns: Iterable[str] = (ANY,), *, any_address: bool = False) -> None:
        entries = {*patterns}
        self._any = ANY in entries
        self._exact = {entry for entry in entries if not entry.startswith("*")}
        self._suffixes = tuple(entry[1:] for entry in entries if entry.startswith("*."))
        self._any_address = any_address
        self._allows = lru_cache(maxsize=_MAX_KEPT)(self._is_allowed)

    def refusal(self, scope: Any) -> str | None:
        """Why the request's `Host` is not acceptable; None if it is."""
        given = [value for name, value in scope["headers"] if name == b"host"]
        if not given and scope.get("http_version") in ("1.0", "2", "3"):  # required by HTTP/1.1 only (RFC 9112 §3.2)
            return None
        if len(given) != 1:
            return "The request must have one `Host` header."
        match = _HOST.fullmatch(given[0].decode("latin-1"))
        if match is None:
            return "The `Host` header is not a host name or address."
        host = match.group(1).lower().removesuffix(".")
        if self._allows(host) or scope["path"].removeprefix(scope.get("root_path", "")) in _PROBES:
            return None
        return (
            f"This service does not answer under the name {host[:80]}. Use its address, or add the name to "
            "PHOTOCHANGER_ALLOWED_HOSTS."
        )

    def _is_allowed(self, host: str) -> bool:
        if self._any or host in self._exact or host.endswith(self._suffixes):
            return True
        try:
            address = ipaddress.ip_address(host[1:-1] if host.startswith("[") else host)
        except ValueError:
            return False
        return self._any_address or address.is_loopback or str(address) in self._exact


def allowed_hosts(configured: Iterable[str], *, public_base_url: str | None, bound: str) -> AllowedHosts:
    """The hosts of a service that listens on `bound`: those configured, loopback, the host of the public address, and
    the bound address.

    A service that listens on all addresses of the machine answers under the machine's name and under any address:
    behind a port that a container publishes it cannot know which are its own.
    """
    patterns = {"localhost", *configured}
    if public_base_url is not None and (host := urlsplit(public_base_url).hostname):
        patterns.add(_as_in_requests(host))
    if bound not in ("", "0.0.0.0", "::"):
        return AllowedHosts(patterns | {bound.lower()})
    own = socket.gethostname().lower()
    label = own.partition(".")[0]
    return AllowedHosts(patterns | {own, *(label + domain for domain in _LOCAL_DOMAINS)} - {""}, any_address=True)


def _as_in_requests(host: str) -> str:
    """A host name as clients send it: in ASCII."""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
