"""Host names in one form: whatever a name looks like, what is checked is what is connected to."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from photochanger.adapters.http_client.address_guard import AddressGuard, AddressRefused
from photochanger.adapters.http_client.host_names import normal_host, normal_url
from photochanger.adapters.http_client.messages import host_and_port
from photochanger.adapters.webhooks import HttpWebhookSender
from photochanger.core.domain.errors import InvalidSettings

pytestmark = pytest.mark.anyio

LOOPBACK = [
    *(
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7F.1",
        "0177.0.0.1",
        "017700000001",
    ),
    *(
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
        "127\uff0e0\uff0e0\uff611",
        "0\uff587f.1",
        "\u2460\u2461\u2466.\u24ea.0.1",
    ),
]
"""127.0.0.1: short, as one number, hexadecimal, octal, in full-width or circled digits, with other full stops."""

LOCALHOST = [
    *(
        "localhost",
        "LOCALHOST",
        "LocalHost.",
        "\uff4cocalhost",
        "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
        "\U0001d425ocalhost",
    ),
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_an_address_is_one_however_it_is_spelled(host: str) -> None:
    assert normal_host(host) == "127.0.0.1"


@pytest.mark.parametrize("host", LOCALHOST)
def test_a_name_is_one_however_it_is_spelled(host: str) -> None:
    assert normal_host(host) == "localhost"


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("Studio.Example.", "studio.example"),
        ("\u24d4xample.com", "example.com"),
        ("\uff45xample\u3002com", "example.com"),
        ("ex\u00admple.com", "exmple.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("студия.example", "xn--d1aizef8e.example"),
        ("fa\u00df.de", "xn--fa-hia.de"),
        ("my_renderer", "my_renderer"),
        ("a-1.b2", "a-1.b2"),
        ("2606:4700:0:0::1111", "2606:4700::1111"),
    ],
)
def test_the_normal_form(host: str, normal: str) -> None:
    assert normal_host(host) == normal
    assert normal_host(normal_host(host) or "") == normal_host(host), "it is its own normal form"


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "a\\b",
            "a@b",
            "a:b",
            "a\0b",
            "*.a",
            "-a",
            "a-",
            "x" * 64,
            "a." * 200,
        ),
        *(
            "%6cocalhost",
            "localhost%00",
            "%31%32%37.0.0.1",
            "a%2eb",
            "fe80::1%eth0",
            "fe80::1%25eth0",
            "::1%1",
            ":::",
            "1::2::3",
        ),
        *("256.1.1.1", "1.2.3.4.5", "08.1.1.1", "0x", "0xg.1", "4294967296", "a.1", "0x1.2.3.4.5"),
        *(
            "\u2603.net",
            "\u2100.com",
            "a\u200d.com",
            "\u202elocalhost",
            "a\ufffd.com",
            "\ud800.com",
            "\u00df" * 70,
            "xn--zz\u00fc.com",
        ),
    ],
)
def test_what_is_no_host_is_none(host: str) -> None:
    assert normal_host(host) is None


def test_a_homograph_is_another_name() -> None:
    latin, cyrillic = "apple.example", "\u0430pple.example"
    assert normal_host(cyrillic) == "xn--pple-43d.example"
    assert normal_host(cyrillic) != normal_host(latin)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://\u24d4xample.com/Path?Q=1", "https://example.com/Path?Q=1"),
        ("http://Studio.Example.:8080/", "http://studio.example:8080/"),
        ("http://0x7f.1/a", "http://127.0.0.1/a"),
        ("http://[2606:0::1]:80/", "http://[2606::1]:80/"),
        ("https://studio.example", "https://studio.example"),
    ],
)
def test_an_url_gets_the_normal_host_and_keeps_the_rest(url: str, normal: str) -> None:
    assert normal_url(url) == normal


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://good.example@127.0.0.1/",
            "http://good.example:80@127.0.0.1/",
            "http://user@studio.example/",
            "http://@studio.example/",
        ),
        *("http://127.0.0.1\\@good.example/", "http://good.example\\.evil.example/", "http:\\\\studio.example/"),
        *("http://%6c%6f%63alhost/", "http://localhost%2f.example/", "http://[fe80::1%25eth0]/", "http://[::1"),
        *(
            "http://good.example\uff0fevil.example/",
            "http://good.example\uff20evil.example/",
            "http://good.example\uff1a80/",
        ),
        *(
            "http://a\tb/",
            "http://a\nb/",
            "http://a b/",
            "ftp://a/",
            "//a/",
            "http:///a",
            "http://a:b/",
            "http://a:99999/",
            "",
        ),
    ],
)
def test_an_url_that_could_be_read_in_two_ways_is_none(url: str) -> None:
    assert normal_url(url) is None
    assert host_and_port(url) is None
    with pytest.raises(InvalidSettings) as refused:
        HttpWebhookSender(["0.0.0.0/0", "::/0"]).check_url(url)
    assert [error.code for error in refused.value.errors] == ["url_format"]


@pytest.mark.parametrize("host", [*LOOPBACK, *LOCALHOST, "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]", "[64:ff9b::7f00:1]"])
def test_no_spelling_of_this_machine_is_a_receiver(host: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        HttpWebhookSender().check_url(f"http://{host}:8000/hook")
    assert [error.code for error in refused.value.errors] == ["address_not_public"]


@pytest.mark.parametrize(
    "host", ["renderer.lan", "RENDERER.LAN", "renderer.lan.", "\uff52enderer.lan", "renderer\u3002lan"]
)
async def test_a_listed_name_is_allowed_in_every_spelling_and_looked_up_in_one(host: str) -> None:
    asked: list[str] = []

    async def resolver(name: str, port: int) -> Sequence[str]:
        asked.append(name)
        return ["192.168.1.20"]

    for entry in ("Renderer.lan", "renderer.lan.", "\uff32enderer.lan"):
        assert await AddressGuard([entry], resolver=resolver).addresses(host, 80) == ["192.168.1.20"]
    assert set(asked) == {"renderer.lan"}


async def test_a_homograph_of_a_listed_name_is_not_allowed() -> None:
    async def resolver(name: str, port: int) -> Sequence[str]:
        return ["192.168.1.20"]

    with pytest.raises(AddressRefused):
        await AddressGuard(["renderer.lan"], resolver=resolver).addresses("r\u0435nderer.lan", 80)


@pytest.mark.parametrize("text", ["a", "\u00e9", "1", ".", "a.", "%", "\uff41", "0x", "xn--", " "])
def test_a_megabyte_costs_nothing(text: str) -> None:
    long = text * (1_000_000 // len(text))
    begun = time.process_time()
    assert normal_host(long) is None
    assert normal_url(f"http://{long}/") is None
    assert time.process_time() - begun < 5
