"""Host names in the one form in which they are compared, checked and connected to.

The same host can be written in many ways: with capital, full-width or circled letters, with other full stops, a final
dot, percent signs, or as a number. Whatever is checked must be what is connected to afterwards.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit, urlunsplit

MAX_HOST_CHARS = 1024
"""Longer names are refused before anything looks at them; a name has 253 characters at most."""

MAX_URL_CHARS = 8192
"""The longest URL that is used; signed links to pictures have some thousand characters."""

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\Z"
)
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\Z")
"""A name that ends in a number is an IPv4 address or nothing (WHATWG URL §3.5)."""


def normal_host(host: str) -> str | None:
    """The host in ASCII (IDNA 2008 after the mapping of UTS 46), in small letters, without a final dot.

    An address, however it is spelled, is written as usual: 127.1, 0x7f.1 and 2130706433 are 127.0.0.1. None for what is
    no host, such as percent-encoded names and IPv6 addresses with a zone, which mean something on one machine only.
    """
    if not host or len(host) > MAX_HOST_CHARS:
        return None
    if ":" in host:
        return _ipv6(host)
    name = host.lower() if host.isascii() else _ascii(host)
    name = None if name is None else name.removesuffix(".")
    if name is None or not _HOST_NAME.match(name):
        return None
    return _ipv4(name) if _NUMBER.match(name) else name


def is_address(name: str) -> bool:
    """Whether a normal host is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def normal_url(url: str) -> str | None:
    """An http or https URL with its host in the normal form; None for any other text, and where it names a user."""
    if len(url) > MAX_URL_CHARS or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = normal_host(parts.hostname or "")
    if parts.scheme not in ("http", "https") or host is None or "@" in parts.netloc:
        return None
    shown = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=shown if port is None else f"{shown}:{port}"))


def _ascii(host: str) -> str | None:
    import idna  # with its tables only where a name needs them

    try:
        return idna.encode(host, uts46=True, std3_rules=True, transitional=False).decode()
    except (idna.IDNAError, UnicodeError):
        return None


def _ipv4(name: str) -> str | None:
    try:
        return str(ipaddress.IPv4Address(socket.inet_aton(name)))
    except OSError:
        return None


def _ipv6(host: str) -> str | None:
    try:
        return None if "%" in host else str(ipaddress.IPv6Address(host))
    except ValueError:
        return None
