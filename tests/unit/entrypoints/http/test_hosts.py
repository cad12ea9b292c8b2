"""Under which hosts a service answers."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.entrypoints.http.protocol.hosts import AllowedHosts, allowed_hosts, parse_host_pattern


def scope(*hosts: bytes, path: str = "/", version: str = "1.1") -> dict[str, Any]:
    return {"path": path, "http_version": version, "headers": [(b"host", host) for host in hosts]}


def allows(hosts: AllowedHosts, host: str, path: str = "/") -> bool:
    return hosts.refusal(scope(host.encode(), path=path)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8:80", "localhost", "LOCALHOST.", "[::1]:8000"])
@pytest.mark.parametrize("configured", [(), ("booth.example",)])
def test_loopback_is_always_allowed(host: str, configured: tuple[str, ...]) -> None:
    assert allows(allowed_hosts(configured, public_base_url=None, bound="192.168.1.10"), host)


def test_the_host_of_the_public_address_is_always_allowed() -> None:
    for configured in ((), ("booth.example",)):
        hosts = allowed_hosts(configured, public_base_url="https://Photos.Example:8443/p", bound="127.0.0.1")
        assert allows(hosts, "photos.example")
        assert not allows(hosts, "evil.example")


def test_a_public_address_in_another_alphabet() -> None:
    hosts = allowed_hosts((), public_base_url="https://фото.example", bound="127.0.0.1")
    assert allows(hosts, "фото.example".encode("idna").decode())


def test_a_bound_address_is_allowed_and_no_other() -> None:
    hosts = allowed_hosts((), public_base_url=None, bound="192.168.1.10")
    assert allows(hosts, "192.168.1.10:8000")
    assert not allows(hosts, "192.168.1.11:8000")
    assert not allows(hosts, socket.gethostname() + ".evil.example")


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_bound_to_all_addresses_every_address_and_the_machines_name_are_allowed(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Studio-PC.corp.example")
    hosts = allowed_hosts((), public_base_url=None, bound=bound)
    for host in ("192.168.1.10", "[2001:db8::1]:80", "studio-pc", "studio-pc.local", "studio-pc.corp.example"):
        assert allows(hosts, host), host
    for host in ("evil.example", "studio-pc.evil.example", "x.studio-pc.local", "local", "192.168.1.10.evil.example"):
        assert not allows(hosts, host), host


def test_configured_hosts_are_allowed_too() -> None:
    configured = ("booth.example", "*.studio.example", "10.0.0.7")
    hosts = allowed_hosts(configured, public_base_url=None, bound="127.0.0.1")
    for host in ("booth.example", "a.b.studio.example", "10.0.0.7"):
        assert allows(hosts, host), host
    for host in ("192.168.1.10", "studio.example", "xstudio.example", "booth.example.evil.example"):
        assert not allows(hosts, host), host


def test_probes_may_name_any_host() -> None:
    hosts = allowed_hosts((), public_base_url=None, bound="127.0.0.1")
    assert allows(hosts, "10.1.2.3:8000", "/healthz")
    assert allows(hosts, "10.1.2.3:8000", "/readyz")
    assert not allows(hosts, "10.1.2.3:8000", "/healthz/x")


def test_a_star_allows_all() -> None:
    assert allows(allowed_hosts(("*",), public_base_url=None, bound="127.0.0.1"), "any.example")


@pytest.mark.parametrize("path", ["/", "/healthz"])
@pytest.mark.parametrize(
    "hosts", [(), (b"",), (b"a", b"a"), (b"a:b",), (b"a:123456",), (b"[::1",), (b"a/b",), (b"\xff",)]
)
def test_a_request_has_one_well_formed_host(hosts: tuple[bytes, ...], path: str) -> None:
    assert AllowedHosts().refusal(scope(*hosts, path=path)) is not None


def test_only_http_1_1_requires_one() -> None:
    assert AllowedHosts().refusal(scope(version="1.0")) is None
    assert AllowedHosts().refusal(scope(b"a", b"b", version="1.0")) is not None


@pytest.mark.parametrize("text", ["a b", "http://a", "a:80", "*.*.a", "a*", ".a", "a..b", "é", "[::1", "*."])
def test_what_is_not_a_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        parse_host_pattern(text)


@given(st.binary(max_size=300))
def test_any_header_is_answered(host: bytes) -> None:
    refusal = allowed_hosts(("booth.example",), public_base_url=None, bound="127.0.0.1").refusal(scope(host))
    assert refusal is None or len(refusal) < 300
