"""The way to receivers of webhooks, over real connections: what is sent, what is an answer, and who is not reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from photochanger.adapters.webhooks import HttpWebhookSender
from photochanger.core.domain.errors import ConfigurationError, InvalidSettings, WebhookUnreachable

from tests.support.standins.server import (
    Answer,
    Behaviour,
    Received,
    StandInServer,
    drip,
    end_of_window,
    flood,
    hang,
    reset,
)

pytestmark = pytest.mark.anyio

LOOPBACK = ("127.0.0.0/8",)
HEADERS = {"content-type": "application/json", "webhook-id": "1", "user-agent": "PhotoChanger"}


class Receiver(StandInServer):
    """Takes everything."""

    def answer(self, request: Received) -> Answer:
        return Answer(200, b'{"ok": true}')


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as server:
        yield server


@pytest.fixture
async def sender() -> AsyncIterator[HttpWebhookSender]:
    """One that may reach loopback."""
    made = HttpWebhookSender(LOOPBACK)
    yield made
    await made.close()


async def test_the_body_goes_as_it_is_with_the_headers_and_the_query(
    receiver: Receiver, sender: HttpWebhookSender
) -> None:
    assert await sender.send(f"{receiver.url}/ended?key=ü", b'{"a": 1}', HEADERS) == 200
    (request,) = receiver.received
    assert (request.method, request.path, request.query) == ("POST", "/ended", {"key": "ü"})
    assert request.body == b'{"a": 1}'
    assert request.headers.items() >= HEADERS.items()
    assert "cookie" not in request.headers


async def test_one_connection_serves_one_call_after_the_other(receiver: Receiver, sender: HttpWebhookSender) -> None:
    for _ in range(3):
        await sender.send(receiver.url, b"{}", HEADERS)
    assert receiver.connections == 1


@pytest.mark.parametrize("status", [204, 400, 404, 410, 429, 500])
async def test_the_status_is_told_whatever_it_is(receiver: Receiver, sender: HttpWebhookSender, status: int) -> None:
    receiver.script(Answer(status, b"because"))
    assert await sender.send(receiver.url, b"{}", HEADERS) == status


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(receiver: Receiver, sender: HttpWebhookSender, status: int) -> None:
    receiver.script(Answer(status, b"", {"Location": f"{receiver.url}/elsewhere"}))
    assert await sender.send(f"{receiver.url}/here", b"{}", HEADERS) == status
    assert [request.path for request in receiver.received] == ["/here"]


async def test_of_a_flood_only_the_status_is_taken(receiver: Receiver, sender: HttpWebhookSender) -> None:
    receiver.script(flood(10**12))
    assert await sender.send(receiver.url, b"{}", HEADERS) == 200


@pytest.mark.parametrize("behaviour", [hang, drip(0.2)])
async def test_a_receiver_that_keeps_one_waiting_is_given_up(receiver: Receiver, behaviour: Behaviour) -> None:
    async def attempt(seconds: float) -> None:
        impatient = HttpWebhookSender(LOOPBACK, timeout=timedelta(seconds=seconds))
        with pytest.raises(WebhookUnreachable, match="time"):
            await impatient.send(receiver.url, b"{}", HEADERS)
        await impatient.close()

    await end_of_window(receiver, behaviour, attempt)


async def test_a_receiver_in_trouble_is_unreachable_and_the_next_call_succeeds(
    receiver: Receiver, sender: HttpWebhookSender
) -> None:
    receiver.script(reset)
    with pytest.raises(WebhookUnreachable):
        await sender.send(receiver.url, b"{}", HEADERS)
    assert await sender.send(receiver.url, b"{}", HEADERS) == 200


async def test_a_name_that_leads_to_a_private_address_is_not_reached(receiver: Receiver) -> None:
    async def rebinding(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    sender = HttpWebhookSender(resolver=rebinding)
    url = f"http://hooks.example:{receiver.url.rpartition(':')[2]}/?key=hush"
    sender.check_url(url)
    with pytest.raises(WebhookUnreachable, match="PHOTOCHANGER_PRIVATE_HOSTS") as raised:
        await sender.send(url, b"{}", HEADERS)
    assert "hush" not in raised.value.detail
    assert receiver.received == []


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(receiver: Receiver) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]

    async def changing(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    sender = HttpWebhookSender(["127.0.0.1"], resolver=changing)
    assert await sender.send(f"http://hooks.example:{receiver.url.rpartition(':')[2]}/", b"{}", HEADERS) == 200
    assert len(answers) == 1
    await sender.close()


@pytest.mark.parametrize(
    "url",
    [
        *("https://studio.example/ended", "http://studio.example:8080/a?b=c", "https://8.8.8.8/", "https://[2606::1]/"),
        "https://студия.example/",
    ],
)
def test_public_addresses_can_be_used(url: str) -> None:
    HttpWebhookSender().check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "studio.example", "/ended", "ftp://studio.example", "file:///etc/passwd", "http://", "https://[::1"),
        *("https://user:word@studio.example/", "https://studio.example:99999/", "https://a b/", "https://a\n.example/"),
        "https://studio.example/" + "x" * 2048,
    ],
)
def test_what_is_no_url_of_a_host_is_refused(url: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        HttpWebhookSender().check_url(url)
    assert [error.field for error in raised.value.errors] == ["url"]


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "10.0.0.7"),
        *("192.168.1.20", "169.254.169.254", "0.0.0.0", "[::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "[fe80::1]"),
    ],
)
def test_a_private_address_is_refused_unless_it_is_listed(host: str) -> None:
    with pytest.raises(InvalidSettings, match="PHOTOCHANGER_PRIVATE_HOSTS"):
        HttpWebhookSender().check_url(f"http://{host}/ended")
    everything = HttpWebhookSender(["0.0.0.0/0", "::/0"])
    everything.check_url(f"http://{host}/ended")


def test_a_listed_name_and_port_allow_themselves_alone() -> None:
    sender = HttpWebhookSender(["localhost:8080"])
    sender.check_url("http://localhost:8080/ended")
    for url in ("http://localhost/ended", "http://127.0.0.1:8080/ended"):
        with pytest.raises(InvalidSettings):
            sender.check_url(url)


def test_a_list_that_cannot_be_read_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError):
        HttpWebhookSender(["not a host"])
