"""The client behind trusted proxies: its address and scheme, from the headers that those proxies add.

Only `PHOTOCHANGER_TRUSTED_PROXIES` are believed. Each proxy appends the address it was called from, so the list is read
from its end: the first address that is not a trusted proxy is the client. What stands before it, the client wrote.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Headers = Iterable[tuple[bytes, bytes]]

_MAX_HOPS = 32
_SCHEMES = frozenset({"http", "https"})
_PARAMETER = re.compile(r'[ \t]*([A-Za-z]+)=(?:"([^"\\]*)"|([^ \t;,"]*))[ \t]*')
_V4_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_V6_IN_BRACKETS = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")


class Client(NamedTuple):
    """What is known about the client; None: as the connection has it."""

    address: str | None = None
    scheme: str | None = None


class _Hop(NamedTuple):
    address: IPAddress | None
    scheme: str | None


class TrustedProxies:
    """The proxies of these networks (CIDR). Addresses of other connections are believed as they are."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    def __contains__(self, address: object) -> bool:
        parsed = parsed_address(address) if isinstance(address, str) else None
        return parsed is not None and self._trusts(parsed)

    def client_of(self, peer: str, headers: Headers) -> Client:
        """The client of a request that came from this peer. X-Forwarded-* have precedence over Forwarded (RFC 7239)."""
        if not self._networks or peer not in self:
            return Client()
        by_name: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            by_name.setdefault(name, []).append(value)
        hops = _x_forwarded(by_name) if b"x-forwarded-for" in by_name else _forwarded(by_name.get(b"forwarded", []))
        address: IPAddress | None = None
        scheme = None
        for hop in hops:
            if hop.address is None:
                break  # a proxy that hides addresses, or text of the client: what stands before it is unknown
            address, scheme = hop.address, hop.scheme
            if not self._trusts(hop.address):
                break
        if address is None:
            (scheme,) = _schemes(by_name.get(b"x-forwarded-proto", []))[-1:] or [None]
        return Client(None if address is None else str(address), scheme)

    def _trusts(self, address: IPAddress) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


def apply_forwarded(scope: Any, proxies: TrustedProxies) -> Any:
    """The ASGI scope with the client's address and scheme."""
    peer = scope.get("client")
    if not peer:
        return scope
    client = proxies.client_of(peer[0], scope["headers"])
    if client.address is not None:
        scope = {**scope, "client": (client.address, 0)}
    if client.scheme is not None:
        scope = {**scope, "scheme": client.scheme}
    return scope


def parsed_address(text: str) -> IPAddress | None:
    """A well-formed address without a zone; an IPv4 address in an IPv6 one is that IPv4 address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _x_forwarded(by_name: dict[bytes, list[bytes]]) -> list[_Hop]:
    """The hops, the last one first. A scheme belongs to the hop at its place; a single one to the whole way."""
    addresses = _last_first(by_name[b"x-forwarded-for"])
    schemes = _schemes(by_name.get(b"x-forwarded-proto", []))[::-1]
    return [
        _Hop(_node(address), schemes[min(place, len(schemes) - 1)] if schemes else None)
        for place, address in enumerate(addresses)
    ]


def _schemes(values: list[bytes]) -> list[str | None]:
    given = [value.lower() for value in reversed(_last_first(values))]
    return [value if value in _SCHEMES else None for value in given]


def _forwarded(values: list[bytes]) -> list[_Hop]:
    """The hops of RFC 7239, the last one first. An element that is not well-formed is a hop without an address."""
    hops = []
    for element in _last_first(values):
        parameters: dict[str, str] = {}
        for pair in element.split(";"):
            match = _PARAMETER.fullmatch(pair)
            if match is None:
                parameters = {}
                break
            name, quoted, token = match.groups()
            parameters[name.lower()] = token if quoted is None else quoted
        scheme = parameters.get("proto", "").lower()
        hops.append(_Hop(_node(parameters.get("for", "")), scheme if scheme in _SCHEMES else None))
    return hops


def _last_first(values: list[bytes]) -> list[str]:
    """The entries of a list header, of which all lines are one list, from its end; at most _MAX_HOPS."""
    entries: list[str] = []
    for value in reversed(values):
        entries += reversed(value.decode("latin-1").rsplit(",", _MAX_HOPS)[-_MAX_HOPS:])
        if len(entries) >= _MAX_HOPS:
            break
    return [entry.strip(" \t") for entry in entries[:_MAX_HOPS]]


def _node(text: str) -> IPAddress | None:
    """An address with or without a port."""
    match = _V4_WITH_PORT.fullmatch(text) or _V6_IN_BRACKETS.fullmatch(text)
    bare = match.group(1) if match else text
    return None if "%" in bare else parsed_address(bare)
