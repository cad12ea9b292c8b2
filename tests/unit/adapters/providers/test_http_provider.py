"""The provider `http` against a stand-in of a studio's own service."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.http.provider import HttpProvider
from photochanger.core.domain.media import Picture
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    Provider,
    ProviderContext,
    ProviderError,
    ProviderResult,
    Rejected,
    Retryable,
)
from photochanger.testing import RemoteProviderContract
from PIL import Image

from tests.support import photos
from tests.support.standins.calls import FACE, PHOTO, STYLE, FixedContext, provider_request
from tests.support.standins.controls import StandInControls
from tests.support.standins.server import (
    Answer,
    Behaviour,
    Received,
    drip,
    empty,
    end_of_window,
    flood,
    hang,
    html,
    json_answer,
    reset,
    reset_midway,
    truncated,
)
from tests.support.standins.studio import Sent, SentFile, StudioStandIn, mirrored

pytestmark = pytest.mark.anyio

KEY = "studio-key-51b2e8"


@pytest.fixture
async def studio() -> AsyncIterator[StudioStandIn]:
    async with StudioStandIn() as running:
        yield running
        assert running.refused == []


@pytest.fixture
def context() -> FixedContext:
    return FixedContext(private_hosts=("127.0.0.1",))


@pytest.fixture
async def provider(context: FixedContext) -> AsyncIterator[HttpProvider]:
    made = HttpProvider(context)
    yield made
    await made.close()


async def changed(
    provider: HttpProvider, studio: StudioStandIn, settings: dict[str, Any] | None = None, **others: Any
) -> ProviderResult:
    return await provider.process(
        provider_request("image_edit", {"url": f"{studio.url}/render", **(settings or {})}, **others)
    )


async def error_of(
    provider: HttpProvider, studio: StudioStandIn, settings: dict[str, Any] | None = None, **others: Any
) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await changed(provider, studio, settings, **others)
    return raised.value


async def test_the_photo_goes_as_a_file_of_a_form_and_the_answer_is_the_picture(
    provider: HttpProvider, studio: StudioStandIn
) -> None:
    result = await changed(provider, studio)
    assert (result.data, result.remarks) == (mirrored(PHOTO.data), {"status": 200})
    assert studio.sent() == [Sent({}, {"file": SentFile("photo.jpg", "image/jpeg", PHOTO.data)})]


async def test_no_header_is_sent_twice_however_its_name_is_spelled(
    studio: StudioStandIn, provider: HttpProvider
) -> None:
    await changed(provider, studio, {"headers": {"ACCEPT": "image/png", "user-agent": "Booth"}})
    (request,) = studio.received
    assert request.repeated == frozenset()
    assert (request.headers["accept"], request.headers["user-agent"]) == ("image/png", "Booth")


async def test_fields_prompt_headers_and_templates_go_along(provider: HttpProvider, studio: StudioStandIn) -> None:
    studio.photo_field = "image[0]"
    settings = {
        "url": f"{studio.url}/a/b?mode=fast&c=%2F",
        "file_field": "image[0]",
        "fields": {"steps": "20", "note": 'Ünïcode "quoted"\r\nand lines'},
        "prompt": "A portrait of Ада",
        "prompt_field": "text",
        "headers": {"X-Booth": "north", "Accept": "image/png"},
    }
    await changed(provider, studio, settings, templates={"style": STYLE, "face": FACE, "other": FACE})
    (sent,), (request,) = studio.sent(), studio.received
    assert sent.fields == {**settings["fields"], "text": "A portrait of Ада"}
    assert sent.files == {
        "image[0]": SentFile("photo.jpg", "image/jpeg", PHOTO.data),
        "style": SentFile("style.png", "image/png", STYLE.data),
        "face": SentFile("face.webp", "image/webp", FACE.data),
    }
    assert (request.path, request.query) == ("/a/b", {"mode": "fast", "c": "/"})
    assert (request.headers["x-booth"], request.headers["accept"]) == ("north", "image/png")
    assert "authorization" not in request.headers


async def test_raw_sends_the_photo_alone(provider: HttpProvider, studio: StudioStandIn) -> None:
    photo = Picture(photos.png(30, 20), "image/png", 30, 20)
    settings = {"body": "raw", "prompt": "not sent", "fields": {"a": "b"}}
    result = await changed(provider, studio, settings, photo=photo, templates={"style": STYLE})
    (request,) = studio.received
    assert (request.headers["content-type"], request.body) == ("image/png", photo.data)
    assert result.data == mirrored(photo.data)


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        ({}, "authorization", f"Bearer {KEY}"),
        ({"key_prefix": ""}, "authorization", KEY),
        ({"key_header": "X-Api-Key", "key_prefix": ""}, "x-api-key", KEY),
        ({"body": "raw", "key_header": "X-Api-Key", "key_prefix": "Token "}, "x-api-key", f"Token {KEY}"),
    ],
)
async def test_the_key_goes_into_the_header_that_the_settings_name(
    provider: HttpProvider,
    studio: StudioStandIn,
    context: FixedContext,
    settings: dict[str, Any],
    header: str,
    value: str,
) -> None:
    context.secret, studio.key, studio.key_header = KEY, value, header
    await changed(provider, studio, settings)
    context.secret, studio.key = "changed", value.replace(KEY, "changed")
    await changed(provider, studio, settings)
    assert len(studio.received) == 2


@pytest.mark.parametrize("key", ["two\r\nX-Evil: lines", "schlüssel", " blank "])
async def test_a_key_that_no_header_can_carry_is_not_sent(
    provider: HttpProvider, studio: StudioStandIn, context: FixedContext, key: str
) -> None:
    context.secret = key
    error = await error_of(provider, studio)
    assert type(error) is NotConfigured
    assert key not in error.reason
    assert studio.received == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Rejected) for status in (400, 402, 404, 405, 410, 413, 415, 422)),
        *((status, NotConfigured) for status in (401, 403)),
        *((status, Retryable) for status in (408, 409, 425)),
        *((status, Down) for status in (500, 502, 503, 504, 529)),
        *((status, Rejected) for status in (301, 302, 303, 307, 308)),
    ],
)
async def test_each_status_has_its_meaning(
    provider: HttpProvider, studio: StudioStandIn, status: int, kind: type[ProviderError]
) -> None:
    studio.script(Answer(status, photos.jpeg(8, 8), {"Location": f"{studio.url}/elsewhere"}))
    error = await error_of(provider, studio)
    assert type(error) is kind
    assert str(status) in error.reason
    assert len(studio.received) == 1


async def test_a_429_names_when_to_come_back(provider: HttpProvider, studio: StudioStandIn) -> None:
    studio.script(Answer(429, b"", {"Retry-After": "3"}), Answer(429))
    for after in (timedelta(seconds=3), None):
        error = await error_of(provider, studio)
        assert isinstance(error, Retryable)
        assert (type(error), error.after) == (Retryable, after)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (html(), "text/html"),
        (json_answer({"image": "aGVsbG8="}), "application/json"),
        (empty(), "empty"),
        (Answer(204), "empty"),
        (json_answer({"queued": True}, status=202), "page or text"),
        (Answer(200, photos.TEXT_AS_JPG, {"Content-Type": "image/png"}), "page or text"),
        (Answer(200, b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}), "compressed"),
    ],
)
async def test_a_good_status_without_a_picture_is_worth_another_try(
    provider: HttpProvider, studio: StudioStandIn, behaviour: Behaviour | Answer, reason: str
) -> None:
    studio.script(behaviour)
    error = await error_of(provider, studio)
    assert type(error) is Retryable
    assert reason in error.reason


@pytest.mark.parametrize("behaviour", [reset, reset_midway, truncated])
async def test_a_broken_connection_is_down(provider: HttpProvider, studio: StudioStandIn, behaviour: Behaviour) -> None:
    studio.script(behaviour)
    assert type(await error_of(provider, studio)) is Down
    assert len(studio.received) == 1
    await changed(provider, studio)


@pytest.mark.parametrize("behaviour", [hang, drip(0.2)])
async def test_waiting_ends_with_the_window(
    provider: HttpProvider, studio: StudioStandIn, behaviour: Behaviour
) -> None:
    async def attempt(seconds: float) -> ProviderError:
        return await error_of(provider, studio, seconds=seconds)

    assert type(await end_of_window(studio, behaviour, attempt)) is Down


async def test_a_cancelled_call_stops_at_once(provider: HttpProvider, studio: StudioStandIn) -> None:
    studio.script(hang)
    task = asyncio.ensure_future(changed(provider, studio))
    async with asyncio.timeout(60):
        await studio.until(lambda: len(studio.received) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await studio.until(lambda: studio.hang_ups == 1)


async def test_a_photo_and_a_picture_of_many_megabytes_go_through(
    provider: HttpProvider, studio: StudioStandIn
) -> None:
    noise = Image.frombytes("RGB", (2400, 2000), random.Random(7).randbytes(2400 * 2000 * 3))
    photo = Picture(photos.encoded(noise, "PNG", compress_level=0), "image/png", 2400, 2000)
    size = 60 * 1024 * 1024
    studio.script(flood(size, head=PHOTO.data, content_type="image/jpeg"))
    result = await changed(provider, studio, photo=photo)
    assert len(result.data) == len(PHOTO.data) + size
    assert studio.sent()[0].files["file"].data == photo.data


async def test_an_answer_that_is_too_large_is_refused(provider: HttpProvider, studio: StudioStandIn) -> None:
    studio.script(flood(10**12, head=PHOTO.data, content_type="image/jpeg"))
    error = await error_of(provider, studio)
    assert (type(error), "64 MiB" in error.reason) == (Rejected, True)


@pytest.mark.parametrize(
    ("place", "named"),
    [
        *(("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("[::1]", "::1"), ("2130706433", "127.0.0.1")),
        *(("0x7f.1", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1"), ("169.254.169.254", "169.254.169.254")),
        ("\uff4c\u24deCALHOST.", "localhost"),
    ],
)
async def test_a_private_address_must_be_listed(studio: StudioStandIn, place: str, named: str) -> None:
    provider = HttpProvider(FixedContext())
    url = f"http://{place}:{studio.url.rpartition(':')[2]}/render"
    error = await error_of(provider, studio, {"url": url})
    await provider.close()
    assert type(error) is NotConfigured
    assert f"add {named} to PHOTOCHANGER_PRIVATE_HOSTS" in error.reason
    assert studio.received == []


async def test_a_name_is_resolved_once_and_what_was_checked_is_what_is_asked(studio: StudioStandIn) -> None:
    asked: list[str] = []

    async def names(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    provider = HttpProvider(FixedContext(private_hosts=("127.0.0.1",)), resolver=names)
    url = f"http://renderer.example:{studio.url.rpartition(':')[2]}/render"
    await changed(provider, studio, {"url": url})
    await provider.close()
    assert asked == ["renderer.example"]


async def test_a_listed_name_may_lead_to_a_private_address(studio: StudioStandIn) -> None:
    async def names(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    port = studio.url.rpartition(":")[2]
    for listed, reached in ((f"renderer.lan:{port}", True), ("renderer.lan:1", False), ("renderer.lan", True)):
        provider = HttpProvider(FixedContext(private_hosts=(listed,)), resolver=names)
        work = changed(provider, studio, {"url": f"http://renderer.lan:{port}/render"})
        if reached:
            assert (await work).data == mirrored(PHOTO.data)
        else:
            with pytest.raises(NotConfigured, match=r"renderer\.lan"):
                await work
        await provider.close()


async def test_neither_key_nor_pictures_reach_log_reason_or_repr(
    provider: HttpProvider, studio: StudioStandIn, context: FixedContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpcore2")  # other providers make it quieter for the whole process
    context.secret, studio.key = KEY, f"Bearer {KEY}"
    settings = {"url": f"{studio.url}/render?token=in-the-address"}
    result = await changed(provider, studio, settings)
    echo = f"{KEY} {PHOTO.data!r}".encode()
    told = f"{caplog.text} {result!r} {provider!r} {provider.__dict__}"
    for status in (400, 401, 422, 500, 200):
        studio.script(Answer(status, echo, {"Content-Type": "text/plain"}))
        error = await error_of(provider, studio, settings)
        told += f"{error!r} {error.reason}"
    told += caplog.text
    for hidden in (KEY, "in-the-address", repr(PHOTO.data[300:310])[2:-1]):
        assert hidden not in told
    assert any(record.name.startswith("httpcore2") for record in caplog.records)


async def test_a_diagnosis_looks_hosts_up_and_sends_nothing(studio: StudioStandIn) -> None:
    places = {"studio.example": ["93.184.216.34"], "renderer.lan": ["192.168.1.20"], "listed.lan": ["192.168.1.21"]}

    async def names(host: str, port: int) -> Sequence[str]:
        if host not in places:
            raise OSError("no such name")
        return places[host]

    context = FixedContext(secret=KEY, private_hosts=("listed.lan",))
    provider = HttpProvider(context, resolver=names)
    hosts = ("studio.example", "listed.lan", "renderer.lan", "gone.example", "renderer.lan:81")
    used = [RouteEntry("http", "image_edit", {"url": f"http://{host}/render"}) for host in hosts]
    private, gone = [finding.detail for finding in await provider.diagnose(used)]
    assert "add renderer.lan to PHOTOCHANGER_PRIVATE_HOSTS" in private
    assert "gone.example" in gone
    (wrong,) = await provider.diagnose([RouteEntry("http", "image_edit", {})])
    assert "url" in wrong.detail
    context.secret = "two\nlines"
    (bad_key,) = await provider.diagnose(used[:2])
    assert bad_key.code is ProviderFindingCode.KEY_UNREADABLE
    assert "two" not in bad_key.detail
    assert studio.received == []
    await provider.close()


class TestHttpKeepsTheContract(RemoteProviderContract):
    """What the service relies on of any provider."""

    @pytest.fixture(autouse=True)
    async def stand_in(self) -> AsyncIterator[None]:
        async with StudioStandIn() as running:
            settings = {"url": f"{running.url}/render", "key_header": "X-Key"}
            self.entries = (RouteEntry("http", "image_edit", settings),)
            self.controls = StandInControls(running, refusal=Answer(422, b"no faces here"))
            yield

    def service(self) -> StandInControls:
        return self.controls

    async def make_provider(self, context: ProviderContext) -> Provider:
        return HttpProvider(context)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "image/jpeg"}, photos.TEXT_AS_JPG, 415),
        ({"content-type": "image/png"}, photos.jpeg(8, 8), 415),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\nnonsense", 400),
        ({"content-type": "image/jpeg", "authorization": "Bearer x"}, photos.jpeg(8, 8), 401),
    ],
)
def test_the_stand_in_refuses_what_a_service_would(headers: dict[str, str], body: bytes, status: int) -> None:
    whole = {"content-length": str(len(body)), **headers}
    refusal = StudioStandIn().check(Received(method="POST", path="/", query={}, headers=whole, body=body))
    assert refusal is not None
    assert refusal.status == status
