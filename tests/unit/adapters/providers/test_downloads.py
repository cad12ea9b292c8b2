"""Downloads over real connections: what is fetched, what is refused, and which addresses are never reached."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from photochanger.adapters.http_client.address_guard import AddressGuard
from photochanger.adapters.http_client.bodies import WholeBody
from photochanger.adapters.http_client.client import SafeHttpClient, remark
from photochanger.adapters.http_client.guarded_transport import GuardedTransport
from photochanger.adapters.http_client.messages import HttpRequest, HttpResponse
from photochanger.adapters.providers.downloads import download
from photochanger.core.ports.provider import Down, ProviderError, Rejected, Retryable, Unavailable

from tests.support import photos
from tests.support.standins.server import (
    Answer,
    Behaviour,
    Received,
    StandInServer,
    drip,
    empty,
    end_of_window,
    flood,
    hang,
    html,
    reset,
    reset_midway,
    truncated,
)

pytestmark = pytest.mark.anyio

PICTURE = photos.jpeg(64, 48)
LOOPBACK = ("127.0.0.0/8",)


class PictureHost(StandInServer):
    """Has one picture, at any path."""

    def answer(self, request: Received) -> Answer:
        return Answer(200, PICTURE, {"Content-Type": "image/jpeg"})

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


class Names:
    """A resolver with answers of the test's own, one after the other; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
async def host() -> AsyncIterator[PictureHost]:
    async with PictureHost() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[SafeHttpClient]:
    """Connections that may go to loopback."""
    opened = SafeHttpClient(AddressGuard(LOOPBACK))
    yield opened
    await opened.close()


def soon(seconds: float = 180) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def fetched_through(guard: AddressGuard, url: str) -> bytes:
    http = SafeHttpClient(guard)
    try:
        return await download(http, url, until=soon())
    finally:
        await http.close()


async def test_a_picture_is_fetched_from_a_listed_address(host: PictureHost, http: SafeHttpClient) -> None:
    assert await download(http, f"{host.url}/a/b.jpg?f=1", until=soon()) == PICTURE
    (request,) = host.received
    assert (request.method, request.path, request.query) == ("GET", "/a/b.jpg", {"f": "1"})
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "name",
    [
        *("127.0.0.1", "127.0.0.2", "localhost", "LOCALHOST", "127.1", "2130706433", "0x7f000001", "0x7f.1"),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "0"),
    ],
)
async def test_loopback_is_not_reached_however_it_is_spelled(host: PictureHost, name: str) -> None:
    with pytest.raises(Unavailable, match="PHOTOCHANGER_PRIVATE_HOSTS"):
        await fetched_through(AddressGuard(), f"http://{name}:{host.port}/x.png")
    assert host.received == []


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/latest/"])
async def test_the_metadata_service_of_a_cloud_is_not_reached(url: str) -> None:
    with pytest.raises(Unavailable, match="not at a public address"):
        await fetched_through(AddressGuard(), url)


async def test_a_name_that_leads_to_a_private_address_is_refused(host: PictureHost) -> None:
    names = Names(["127.0.0.1"])
    with pytest.raises(Unavailable, match=r"pictures\.example"):
        await fetched_through(AddressGuard(resolver=names), f"http://pictures.example:{host.port}/x.png")
    assert (names.asked, host.received) == (["pictures.example"], [])


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(host: PictureHost) -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    guard = AddressGuard(["127.0.0.1"], resolver=names)
    assert await fetched_through(guard, f"http://pictures.example:{host.port}/x.png") == PICTURE
    assert names.asked == ["pictures.example"]
    assert host.received[0].headers["host"] == f"pictures.example:{host.port}"


async def test_of_several_addresses_only_the_permitted_ones_are_tried(host: PictureHost) -> None:
    guard = AddressGuard(["127.0.0.1"], resolver=Names(["169.254.169.254", "fe80::1", "127.0.0.1"]))
    assert await guard.addresses("pictures.example", 80) == ["127.0.0.1"]
    assert await fetched_through(guard, f"http://pictures.example:{host.port}/x.png") == PICTURE


async def test_an_address_that_does_not_answer_gives_way_to_the_next(host: PictureHost) -> None:
    guard = AddressGuard(LOOPBACK, resolver=Names(["127.0.0.9", "127.0.0.1"]))
    assert await fetched_through(guard, f"http://pictures.example:{host.port}/x.png") == PICTURE


async def test_one_connection_serves_one_download_after_the_other(host: PictureHost) -> None:
    names = Names(["127.0.0.1"])
    http = SafeHttpClient(AddressGuard(LOOPBACK, resolver=names))
    for number in range(3):
        assert await download(http, f"http://pictures.example:{host.port}/{number}", until=soon()) == PICTURE
    await http.close()
    assert names.asked == ["pictures.example"]


async def test_a_name_without_an_address_is_trouble_of_the_network() -> None:
    async def nowhere(name: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(Down, match="cannot be resolved"):
        await fetched_through(AddressGuard(resolver=nowhere), "http://pictures.example/x.png")


@pytest.mark.parametrize("label", ["a" * 64, "a..b"])
async def test_a_name_that_no_resolver_can_be_asked_for_is_trouble_of_the_network(label: str) -> None:
    with pytest.raises(ProviderError):
        await fetched_through(AddressGuard(), f"http://{label}.example/x.png")


@pytest.mark.parametrize(
    "url",
    [
        *("", "x.png", "/x.png", "ftp://pictures.example/x", "file:///etc/passwd", "http://", "http://[::1", "data:,x"),
        *(
            "http://user:word@pictures.example/x",
            "http://pictures.example:99999/x",
            "http://a\nb/",
            "http://%6cocalhost/x",
        ),
    ],
)
async def test_what_is_no_http_address_is_told_as_such(url: str) -> None:
    with pytest.raises(Retryable, match="not an http address"):
        await fetched_through(AddressGuard(), url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(host: PictureHost, http: SafeHttpClient, status: int) -> None:
    host.script(Answer(status, b"", {"Location": f"{host.url}/secret.png"}))
    with pytest.raises(Retryable, match="redirects"):
        await download(http, f"{host.url}/x.png", until=soon())
    assert [request.path for request in host.received] == ["/x.png"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (html(), "page or text"),
        (empty(), "empty"),
        (Answer(200, b'{"error": "no"}', {"Content-Type": "application/json"}), "application/json"),
        (Answer(200, b'[{"error": "no"}]', {"Content-Type": "image/png"}), "page or text"),
        (Answer(200, photos.TEXT_AS_JPG, {"Content-Type": "image/jpeg"}), "page or text"),
        (Answer(200, "Подождите немного. ".encode() * 90, {"Content-Type": "image/jpeg"}), "page or text"),
        (Answer(200, b"\xef\xbb\xbf \r\n<svg/>", {"Content-Type": "image/svg+xml"}), "page or text"),
        (Answer(200, b"  \n"), "page or text"),
        (Answer(200, b"\x1f\x8b\x08\x00", {"Content-Encoding": "gzip"}), "compressed"),
        (Answer(404), "404"),
        (Answer(410), "410"),
        (Answer(403), "403"),
        (Answer(206, PICTURE), "206"),
    ],
)
async def test_what_is_no_picture_is_worth_another_try(
    host: PictureHost, http: SafeHttpClient, behaviour: Behaviour | Answer, reason: str
) -> None:
    host.script(behaviour)
    with pytest.raises(Retryable, match=reason) as raised:
        await download(http, f"{host.url}/x.png", until=soon())
    assert not isinstance(raised.value, Down)


async def test_a_picture_that_calls_itself_a_page_is_left_to_the_core(host: PictureHost, http: SafeHttpClient) -> None:
    host.script(Answer(200, PICTURE, {"Content-Type": "text/html; charset=utf-8"}))
    assert await download(http, f"{host.url}/download.php", until=soon()) == PICTURE


@pytest.mark.parametrize("behaviour", [reset, reset_midway, truncated, Answer(500), html(503)])
async def test_a_host_in_trouble_is_down(
    host: PictureHost, http: SafeHttpClient, behaviour: Behaviour | Answer
) -> None:
    host.script(behaviour)
    with pytest.raises(Down):
        await download(http, f"{host.url}/x.png", until=soon())
    assert await download(http, f"{host.url}/x.png", until=soon()) == PICTURE


async def test_a_host_that_speaks_no_http_is_down_and_not_quoted(http: SafeHttpClient) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-secret-banner\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Down) as raised:
            await download(http, f"http://127.0.0.1:{port}/x.png", until=soon())
    assert "secret-banner" not in raised.value.reason


async def test_a_port_where_nobody_listens_is_down(host: PictureHost, http: SafeHttpClient) -> None:
    with pytest.raises(Down, match="cannot be reached"):
        await download(http, f"http://127.0.0.9:{host.port}/x.png", until=soon())


@pytest.mark.parametrize("behaviour", [hang, drip(0.2)])
async def test_a_host_that_keeps_one_waiting_is_given_up_when_the_window_ends(
    host: PictureHost, http: SafeHttpClient, behaviour: Behaviour
) -> None:
    async def attempt(seconds: float) -> None:
        with pytest.raises(Down, match="time"):
            await download(http, f"{host.url}/x.png", until=soon(seconds))

    await end_of_window(host, behaviour, attempt)


async def test_no_request_starts_when_no_time_is_left(host: PictureHost, http: SafeHttpClient) -> None:
    with pytest.raises(Down, match="time"):
        await download(http, f"{host.url}/x.png", until=soon(-1))
    assert host.received == []


async def test_a_cancelled_download_lets_go_of_its_connection(host: PictureHost, http: SafeHttpClient) -> None:
    host.script(hang)
    task = asyncio.ensure_future(download(http, f"{host.url}/x.png", until=soon()))
    async with asyncio.timeout(60):
        await host.until(lambda: len(host.received) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await host.until(lambda: host.hang_ups == 1)


async def test_a_picture_of_60_megabytes_comes_whole(host: PictureHost, http: SafeHttpClient) -> None:
    size = 60 * 1024 * 1024
    host.script(flood(size, head=PICTURE, content_type="image/jpeg"))
    data = await download(http, f"{host.url}/x.png", until=soon())
    assert len(data) == len(PICTURE) + size
    assert data.startswith(PICTURE)


async def test_one_byte_too_many_is_refused(host: PictureHost, http: SafeHttpClient) -> None:
    assert await download(http, f"{host.url}/x.png", until=soon(), max_bytes=len(PICTURE)) == PICTURE
    with pytest.raises(Rejected, match="larger"):
        await download(http, f"{host.url}/x.png", until=soon(), max_bytes=len(PICTURE) - 1)


async def test_a_flood_is_stopped_at_the_bound(host: PictureHost, http: SafeHttpClient) -> None:
    host.script(flood(10**12, head=PICTURE, content_type="image/jpeg"))
    with pytest.raises(Rejected, match="larger than 1 MiB"):
        await download(http, f"{host.url}/x.png", until=soon(), max_bytes=1024 * 1024)


async def test_429_names_when_to_come_back(host: PictureHost, http: SafeHttpClient) -> None:
    host.script(Answer(429, b"", {"Retry-After": "7"}))
    with pytest.raises(Retryable) as raised:
        await download(http, f"{host.url}/x.png", until=soon())
    assert raised.value.after == timedelta(seconds=7)


def test_a_remark_is_short_and_holds_no_secret_link_or_data() -> None:
    told = remark(
        f"bad key K3Y!\r\nfor\x1b[31m https://booth.example/public/media/0198?x=1 and {'QUJD' * 20} " + "so " * 99,
        secret="K3Y!",
    )
    assert told.startswith("bad key [secret] for[31m [link] and […] so so")
    assert len(told) == 160


async def test_neither_links_nor_pictures_reach_the_log(
    host: PictureHost, http: SafeHttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", logger="httpcore2")  # other providers make it quieter for the whole process
    await download(http, f"{host.url}/the-guest/secret-link.png", until=soon())
    assert any(record.name.startswith("httpcore2") for record in caplog.records)
    assert "secret-link" not in caplog.text
    assert repr(PICTURE[100:120])[2:-1] not in caplog.text


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for pictures.example, signed by itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pictures.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("pictures.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "pictures.pem"
    path.write_bytes(plain_key + made.public_bytes(serialization.Encoding.PEM))
    return path


async def test_the_certificate_is_checked_against_the_name_and_not_the_address(certificate: Path) -> None:
    asked_for: list[str | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(PICTURE), PICTURE))
        await writer.drain()
        writer.close()

    at_the_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_the_server.load_cert_chain(certificate)
    at_the_server.sni_callback = lambda connection, name, context: asked_for.append(name)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=at_the_server)
    port = server.sockets[0].getsockname()[1]
    guard = AddressGuard(LOOPBACK, resolver=Names(["127.0.0.1"]))
    trusting = GuardedTransport(guard, tls=ssl.create_default_context(cafile=certificate))

    async def asked(name: str) -> HttpResponse:
        request = HttpRequest(method="GET", url=f"https://{name}:{port}/x.png")
        return await trusting.exchange(request, WholeBody(), seconds=180, max_bytes=lambda status: 10**6)

    async with server:
        assert (await asked("pictures.example")).body == PICTURE
        assert asked_for == ["pictures.example"]
        with pytest.raises(Down, match="certificate"):
            await asked("other.example")
        with pytest.raises(Down, match="certificate"):
            await fetched_through(guard, f"https://pictures.example:{port}/x.png")
    await trusting.close()
