"""Which addresses count as public, and what an operator may list beside them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest
from photochanger.adapters.http_client.address_guard import AddressGuard, is_public
from photochanger.core.domain.errors import ConfigurationError

pytestmark = pytest.mark.anyio


class Names:
    """A resolver with answers of the test's own, one after the other; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1"),
        *("::1", "::", "fe80::1", "fe80::1%2", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "::ffff:0:7f00:1"),
        *("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:c0a8:101::1"),
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_a_private_address_is_not_public_in_whatever_form(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.15.0.1", "100.63.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_a_public_address_is_public_in_whatever_form(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "entry",
    [
        *("renderer.local", "Renderer.Local.", "renderer.local:8080", "192.168.1.20", "192.168.1.20:8080"),
        *("192.168.0.0/16", "192.168.1.7/16", "192.168.0.0/16:8080", " 192.168.1.20 "),
    ],
)
async def test_a_listed_host_may_be_private(entry: str) -> None:
    guard = AddressGuard([entry], resolver=Names(["192.168.1.20"]))
    assert await guard.addresses("renderer.local", 8080) == ["192.168.1.20"]


@pytest.mark.parametrize("entry", ["fd00::/8", "[fd00::20]", "fd00::20", "[fd00::20]:8080", "[fd00::/8]:8080"])
async def test_a_listed_ipv6_address_may_be_private(entry: str) -> None:
    guard = AddressGuard([entry], resolver=Names(["fd00::20"]))
    assert await guard.addresses("renderer.local", 8080) == ["fd00::20"]


async def test_a_listed_network_holds_for_the_forms_that_embed_its_addresses() -> None:
    guard = AddressGuard(["10.0.0.0/8"], resolver=Names(["::ffff:10.0.0.1"]))
    assert await guard.addresses("renderer.local", 80) == ["::ffff:10.0.0.1"]


@pytest.mark.parametrize(
    "entry", ["other.local", "local", "renderer.local:81", "192.168.1.21", "192.168.1.20:81", "10.0.0.0/8"]
)
async def test_what_is_listed_allows_nothing_else(entry: str) -> None:
    guard = AddressGuard([entry], resolver=Names(["192.168.1.20"]))
    with pytest.raises(Exception, match="not at a public address"):
        await guard.addresses("renderer.local", 80)


@pytest.mark.parametrize(
    "entry",
    ["", "http://studio", "studio:http", "studio:0", "studio:70000", "300.1.1.1", "10.0.0.0/40", "a b", "-x", "*.lan"],
)
def test_an_entry_that_is_no_host_is_a_mistake_of_the_configuration(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="PHOTOCHANGER_PRIVATE_HOSTS"):
        AddressGuard([entry])
