"""Which network addresses may be reached when the name of a host comes from outside: public ones and configured ones.

A provider's answer names where its picture lies, a slot's settings name a studio's endpoint, a webhook names its
receiver. None may make this service ask the machines behind the firewall, unless the operator has listed them in
PHOTOCHANGER_PRIVATE_HOSTS.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from ...core.domain.errors import ConfigurationError
from ...core.domain.outside_text import cut
from .host_names import is_address, normal_host

PRIVATE_HOSTS_VARIABLE = "PHOTOCHANGER_PRIVATE_HOSTS"

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name, as text and in the order in which they should be tried. OSError where it has none."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind a translator, in the last 32 bits (RFC 6052)."""

_SHOWN_CHARACTERS = 80


class HostUnknown(Exception):
    """The host's name has no address."""

    def __init__(self, host: str) -> None:
        super().__init__(f"The name {shown(host)} cannot be resolved.")


class AddressRefused(Exception):
    """The host lies at no address that may be reached; `host` is its name, shortened where it is long."""

    def __init__(self, host: str) -> None:
        self.host = shown(host)
        super().__init__(f"{self.host} is not at a public address and not listed in {PRIVATE_HOSTS_VARIABLE}.")


def shown(host: str) -> str:
    """A host name that came from outside, fit for a sentence in a log."""
    start = cut(host, _SHOWN_CHARACTERS + 1)
    visible = "".join(character if character.isprintable() else "?" for character in start)
    return visible if len(visible) <= _SHOWN_CHARACTERS else visible[:_SHOWN_CHARACTERS] + "…"


async def resolve(host: str, port: int) -> list[str]:
    """The Resolver of the machine: what `getaddrinfo` knows, asked without blocking the event loop."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        # A label that is empty or longer than 63 characters fails in the codec, before any resolver is asked.
        raise OSError("the name cannot be written as a host name") from error
    return list(dict.fromkeys(_with_scope(*address[4]) for address in found))


def _with_scope(address: str | int, port: int | bytes, flow: int = 0, scope: int = 0) -> str:
    """A socket address as text; a link-local IPv6 address leads nowhere without the interface that it belongs to."""
    return f"{address}%{scope}" if scope else str(address)


def is_public(address: IPAddress) -> bool:
    """Whether an address is one of the open internet, seen through every form that embeds an IPv4 address."""
    inner = embedded_ipv4(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def embedded_ipv4(address: IPAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one really leads to (mapped, NAT64, 6to4), None where it leads to no such thing."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class _Allowed(msgspec.Struct, frozen=True):
    """One configured exception: a host name or a network, on one port or on all."""

    name: str | None
    network: IPNetwork | None
    port: int | None

    def covers(self, host: str, address: IPAddress, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.name is not None:
            return self.name == host
        assert self.network is not None
        forms = (address, embedded_ipv4(address))
        return any(form is not None and form in self.network for form in forms)


class AddressGuard:
    """Turns host names into addresses that may be reached.

    `private_hosts` lists what may be reached although it is private: host names, IP addresses and networks (CIDR),
    each with `:port` behind it where only that port is meant. ConfigurationError for an entry that is none of these.
    """

    def __init__(self, private_hosts: Iterable[str] = (), *, resolver: Resolver = resolve) -> None:
        self._allowed = tuple(_allowed(entry) for entry in private_hosts)
        self._resolver = resolver

    def and_host(self, host: str, port: int) -> AddressGuard:
        """A guard that lets this host through, too, wherever it lies: one that the operator has set as an address."""
        guard = AddressGuard(resolver=self._resolver)
        guard._allowed = (*self._allowed, _Allowed(_plain_name(host), None, port))
        return guard

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be reached, to be connected to as they are: resolved once, never again.

        A host may have both forbidden and permitted addresses (a machine in the local network has link-local
        ones, too): those are left out. AddressRefused where none remains, HostUnknown where the name has none.
        """
        name = _plain_name(host)
        try:
            found = await self._resolver(name, port)
        except OSError as error:
            raise HostUnknown(host) from error
        if not found:
            raise HostUnknown(host)
        permitted = [text for text in found if self._permits(name, ipaddress.ip_address(text), port)]
        if not permitted:
            raise AddressRefused(host)
        return permitted

    def plainly_refuses(self, host: str, port: int) -> bool:
        """Whether no name server has to be asked to know that the host may not be reached: its name is an address,
        however that is spelled, or `localhost`. False says nothing."""
        name = _plain_name(host)
        known = _written_addresses(name)
        return bool(known) and not any(self._permits(name, address, port) for address in known)

    def _permits(self, name: str, address: IPAddress, port: int) -> bool:
        return is_public(address) or any(allowed.covers(name, address, port) for allowed in self._allowed)


def _plain_name(host: str) -> str:
    return normal_host(host) or host.lower().removesuffix(".")


def _written_addresses(name: str) -> tuple[IPAddress, ...]:
    """The addresses that a normal name means by itself; none where a name server has to be asked."""
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, section 6.3
        return (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))
    return (ipaddress.ip_address(name),) if is_address(name) else ()


def _allowed(entry: str) -> _Allowed:
    text = entry.strip()
    network = _network(text)
    if network is not None:
        return _Allowed(None, network, None)
    host, colon, digits = text.rpartition(":")
    if not colon:
        return _Allowed(_name(entry, text), None, None)
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 65536):
        raise _unusable(entry)
    network = _network(host.removeprefix("[").removesuffix("]"))
    return _Allowed(None if network else _name(entry, host), network, int(digits))


def _network(text: str) -> IPNetwork | None:
    """An address or a network, None for anything else. Bits behind the prefix are ignored: 10.0.0.7/8 is 10.0.0.0/8."""
    try:
        return ipaddress.ip_network(text.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        return None


def _name(entry: str, text: str) -> str:
    name = normal_host(text)
    # Digits and dots alone are an address with a slip in it: as a name it would silently allow nothing.
    if name is None or is_address(name):
        raise _unusable(entry)
    return name


def _unusable(entry: str) -> ConfigurationError:
    return ConfigurationError(
        PRIVATE_HOSTS_VARIABLE,
        f"{shown(entry)!r} is no host name, IP address or network, with or without a port.",
    )
