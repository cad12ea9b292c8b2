"""Which client a request comes from: what trusted proxies say, and nothing that a client wrote itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.entrypoints.http.protocol.forwarded import Client, TrustedProxies, apply_forwarded, parsed_address

PROXIES = TrustedProxies(["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"])
PROXY = "10.0.0.1"
XFF, PROTO, FORWARDED = b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"

CLIENT_OF_LAST = Client("203.0.113.9", "http")

clients = st.ip_addresses().map(str).filter(lambda address: address not in PROXIES and parsed_address(address))
proxies = st.ip_addresses(network="10.0.0.0/8").map(str) | st.ip_addresses(network="fd00::/8").map(str)
texts = st.text(max_size=40).map(lambda text: text.encode("utf-8")) | st.binary(max_size=40)


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"203.0.113.9", "203.0.113.9"),
        (b"6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (b"6.6.6.6,203.0.113.9 , 10.0.0.7,10.0.0.8", "203.0.113.9"),
        (b"203.0.113.9:4711", "203.0.113.9"),
        (b"[2001:db8::1]:4711", "2001:db8::1"),
        (b"2001:DB8::1", "2001:db8::1"),
        (b"::ffff:203.0.113.9", "203.0.113.9"),
        (b"10.0.0.7, 10.0.0.8", "10.0.0.7"),
        (b"unknown, 10.0.0.8", "10.0.0.8"),
        (b"203.0.113.9, not-an-address", None),
        (b"203.0.113.9, fe80::1%eth0", None),
        (b"203.0.113.9, 1.2.3.4.5", None),
        (b"203.0.113.9, 127.1", None),
        (b"", None),
        (b",,,", None),
        (b"203.0.113.9\xff", None),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy(header: bytes, client: str | None) -> None:
    assert PROXIES.client_of(PROXY, [(XFF, header)]).address == client


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"for=203.0.113.9", Client("203.0.113.9", None)),
        (b'For="[2001:db8::1]:4711";Proto=HTTPS;by=10.0.0.1', Client("2001:db8::1", "https")),
        (
            b"for=6.6.6.6;proto=https, for=203.0.113.9;proto=http, for=10.0.0.7;proto=http",
            Client("203.0.113.9", "http"),
        ),
        (b"for=203.0.113.9;proto=gopher", Client("203.0.113.9", None)),
        (b"for=_hidden", Client()),
        (b"for=203.0.113.9, for=unknown", Client()),
        (b"for=203.0.113.9 nonsense", Client()),
        (b'for="203.0.113.9', Client()),
    ],
)
def test_forwarded_of_rfc_7239(header: bytes, client: Client) -> None:
    assert PROXIES.client_of(PROXY, [(FORWARDED, header)]) == client


@pytest.mark.parametrize(
    ("addresses", "schemes", "scheme"),
    [
        (b"203.0.113.9", b"https", "https"),
        (b"203.0.113.9, 10.0.0.7", b"https", "https"),
        (b"203.0.113.9, 10.0.0.7", b"https, http", "https"),
        (b"6.6.6.6, 203.0.113.9", b"https, http", "http"),
        (b"203.0.113.9", b"HTTPS", "https"),
        (b"203.0.113.9", b"javascript", None),
        (b"203.0.113.9", b"", None),
    ],
)
def test_the_scheme_is_that_of_the_clients_hop(addresses: bytes, schemes: bytes, scheme: str | None) -> None:
    assert PROXIES.client_of(PROXY, [(XFF, addresses), (PROTO, schemes)]).scheme == scheme


def test_a_proxy_that_names_only_the_scheme() -> None:
    assert PROXIES.client_of(PROXY, [(PROTO, b"https")]) == Client(None, "https")


def test_x_forwarded_for_has_precedence() -> None:
    """Proxies that write it pass on a Forwarded of the client."""
    headers = [(FORWARDED, b"for=6.6.6.6;proto=https"), (XFF, b"203.0.113.9")]
    assert PROXIES.client_of(PROXY, headers) == Client("203.0.113.9", None)


@given(st.text(max_size=30) | clients, st.lists(st.tuples(st.sampled_from([XFF, PROTO, FORWARDED]), texts), max_size=4))
def test_others_than_proxies_are_not_believed(peer: str, headers: list[tuple[bytes, bytes]]) -> None:
    if peer not in PROXIES:
        assert PROXIES.client_of(peer, headers) == Client()
    assert TrustedProxies().client_of(PROXY, headers) == Client()


@given(texts, clients, st.lists(proxies, max_size=5), st.booleans())
def test_nothing_that_a_client_writes_changes_who_it_is(
    written: bytes, client: str, way: list[str], is_one_line: bool
) -> None:
    """Each proxy appends the address that it was called from, to the line or as another line."""
    appended = [address.encode() for address in (client, *way)]
    if is_one_line:
        headers = [(XFF, b", ".join([written, *appended]))]
    else:
        headers = [(XFF, value) for value in (written, *appended)]
    assert PROXIES.client_of(PROXY, headers).address == str(parsed_address(client))


@given(st.lists(st.tuples(st.sampled_from([XFF, PROTO, FORWARDED]), texts), max_size=6))
def test_any_text_gives_a_well_formed_client(headers: list[tuple[bytes, bytes]]) -> None:
    client = PROXIES.client_of(PROXY, headers)
    assert client.address is None or parsed_address(client.address) is not None
    assert client.scheme in (None, "http", "https")


@pytest.mark.parametrize("unit", [b",", b"1.2.3.4,", b"10.0.0.1,", b"for=1.2.3.4;", b'for="', b"a", b" ", b"=;,"])
def test_a_megabyte_of_anything_is_cheap(unit: bytes) -> None:
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    for name in (XFF, FORWARDED, PROTO):
        PROXIES.client_of(PROXY, [(name, text)])
    assert time.process_time() - started < 2


def test_the_scope_has_the_forwarded_client() -> None:
    scope = {"client": (PROXY, 4711), "scheme": "http", "headers": [(XFF, b"203.0.113.9"), (PROTO, b"https")]}
    applied = apply_forwarded(scope, PROXIES)
    assert (applied["client"], applied["scheme"]) == (("203.0.113.9", 0), "https")
    assert scope["client"] == (PROXY, 4711)
    assert apply_forwarded({"client": None, "headers": []}, PROXIES)["client"] is None


def test_an_ipv6_peer_with_an_ipv4_address_is_that_address() -> None:
    assert "::ffff:10.0.0.1" in PROXIES
    assert "fd00::1%eth0" in PROXIES
    assert "::ffff:203.0.113.9" not in PROXIES
    assert "" not in PROXIES
    assert 1 not in PROXIES
