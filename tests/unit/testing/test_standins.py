"""The stand-ins are as strict as the services: pictures, keys, types and unknown fields are looked at."""

from __future__ import annotations

import asyncio
import base64
import io
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from photochanger.adapters.http_client.address_guard import AddressGuard
from photochanger.adapters.http_client.client import SafeHttpClient
from photochanger.adapters.http_client.messages import HttpRequest
from photochanger.adapters.system_clock import SYSTEM_CLOCK
from photochanger.core.ports.provider import Down
from PIL import Image

from tests.support import photos
from tests.support.standins import gemini, openai, turbotext
from tests.support.standins.checks import picture_fault
from tests.support.standins.picture_origin import PictureOrigin
from tests.support.standins.server import Answer, Received, StandInServer, reset, reset_after_acceptance

pytestmark = pytest.mark.anyio

PHOTO = photos.jpeg(96, 64)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def turned(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return photos.encoded(photos.scene(96, 64), kind, exif=exif)


def with_xmp_place() -> bytes:
    out = io.BytesIO()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><exif:GPSLatitude>52,31N</exif:GPSLatitude></x:xmpmeta>'
    photos.scene(96, 64).save(out, "JPEG", xmp=xmp)
    return out.getvalue()


PICTURE_FAULTS: dict[str, tuple[bytes, Any, str]] = {
    "text": (photos.TEXT_AS_JPG, "image/jpeg", "Unable to process"),
    "half a JPEG": (PHOTO[: len(PHOTO) // 2], "image/jpeg", "Unable to process"),
    "half a PNG": (photos.png(96, 64)[:-2000], "image/png", "Unable to process"),
    "another type": (PHOTO, "image/png", "JPEG, not image/png"),
    "a type that is none": (PHOTO, "image/jpg", "Unsupported MIME type"),
    "no type": (PHOTO, None, "Unsupported MIME type"),
    "too many bytes": (photos.jpeg(400, 400), "image/jpeg", "bytes, more than"),
    "too many pixels": (photos.encoded(Image.new("RGB", (200, 101)), "PNG"), "image/png", "pixels, more than"),
    "a turned JPEG": (turned("JPEG"), "image/jpeg", "not upright"),
    "a turned WebP": (turned("WEBP"), "image/webp", "not upright"),
    "a place in a JPEG": (photos.located("JPEG", 96, 64), "image/jpeg", "where it was taken"),
    "a place in a PNG": (photos.located("PNG", 96, 64), "image/png", "where it was taken"),
    "a place in a WebP": (photos.located("WEBP", 96, 64), "image/webp", "where it was taken"),
    "a place in XMP": (with_xmp_place(), "image/jpeg", "where it was taken"),
}


@pytest.mark.parametrize("name", PICTURE_FAULTS)
def test_what_is_wrong_with_a_picture_is_found(name: str) -> None:
    data, mime, said = PICTURE_FAULTS[name]
    assert said in (picture_fault(data, mime, max_bytes=30_000, max_pixels=20_000) or "")


@pytest.mark.parametrize("mime", ["image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"])
def test_a_good_picture_of_each_type_passes(mime: str) -> None:
    make = {"jpeg": photos.jpeg, "png": photos.png, "webp": photos.webp, "heic": photos.heic, "heif": photos.heic}
    data = make[mime.removeprefix("image/")](96, 64)
    assert picture_fault(data, mime, max_bytes=len(data), max_pixels=96 * 64) is None


def refusal(service: StandInServer, request: Received) -> tuple[int, str]:
    answer = service.check(request)
    assert answer is not None, "it was taken"
    return answer.status, answer.body.decode()


def gemini_request(change: dict[str, Any] | None = None, **others: Any) -> Received:
    body = {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"inlineData": {"mimeType": "image/jpeg", "data": base64.b64encode(PHOTO).decode()}},
                    {"text": "Oil"},
                ],
            }
        ],
        "generationConfig": {"responseModalities": ["IMAGE"]},
    }
    fields: dict[str, Any] = {
        "method": "POST",
        "path": f"/v1/models/{gemini.MODEL}:generateContent",
        "query": {},
        "headers": {"x-goog-api-key": gemini.KEY, "content-type": "application/json"},
        "body": msgspec.json.encode({**body, **(change or {})}),
    }
    return Received(**fields | others)


GOOD = {"x-goog-api-key": gemini.KEY, "content-type": "application/json"}


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (gemini_request({"model": "x"}), 400, "Unknown name"),
        (gemini_request({"contents": "x"}), 400, "One content"),
        (gemini_request({"generationConfig": {"responseModalities": "IMAGE"}}), 400, "Modalities"),
        (gemini_request({"generationConfig": {"responseModalities": ["IMAGE"], "topK": 3}}), 400, "Unknown name"),
        (gemini_request({"generationConfig": {"responseModalities": ["IMAGE"], "temperature": "1"}}), 400, "temper"),
        (gemini_request({"generationConfig": {"responseModalities": ["IMAGE"], "temperature": True}}), 400, "temper"),
        (gemini_request(headers=GOOD | {"content-type": "text/plain"}), 400, "Not JSON"),
        (gemini_request(headers=GOOD | {"content-type": "application/jsonp"}), 400, "Not JSON"),
        (gemini_request(headers=GOOD | {"x-goog-api-key": "wrong"}), 400, "API key not valid"),
        (gemini_request(headers={"content-type": "application/json"}), 403, "unregistered callers"),
        (gemini_request(headers=GOOD | {"authorization": "Bearer x"}), 401, "more than one"),
        (gemini_request(query={"key": gemini.KEY}), 401, "more than one"),
    ],
)
def test_gemini_refuses_what_is_not_in_its_reference(request_: Received, status: int, said: str) -> None:
    found, text = refusal(gemini.GeminiStandIn(), request_)
    assert (found, said in text) == (status, True), text


def test_gemini_takes_what_is_in_its_reference() -> None:
    assert gemini.GeminiStandIn().check(gemini_request()) is None
    charset = GOOD | {"content-type": "application/json; charset=UTF-8"}
    assert gemini.GeminiStandIn().check(gemini_request(headers=charset)) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (turned("JPEG"), "not upright"),
        (photos.located("JPEG", 96, 64), "where it was taken"),
        (photos.encoded(Image.new("RGB", (3100, 3072)), "JPEG"), "pixels"),
    ],
)
def test_each_service_looks_at_the_picture_itself(data: bytes, said: str) -> None:
    part = {"inlineData": {"mimeType": "image/jpeg", "data": base64.b64encode(data).decode()}}
    content = {"role": "user", "parts": [part, {"text": "Oil"}]}
    status, text = refusal(gemini.GeminiStandIn(), gemini_request({"contents": [content]}))
    assert (status, said in text) == (400, True)
    status, text = refusal(openai.OpenAIStandIn(), openai_request({"prompt": "Oil", "model": openai.MODEL}, data))
    assert (status, said in text) == (400, True)


def openai_request(texts: dict[str, str], picture: bytes, *, mime: str = "image/jpeg", **others: Any) -> Received:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in texts.items()]
    head = f'--b\r\nContent-Disposition: form-data; name="image[]"; filename="p.jpg"\r\nContent-Type: {mime}\r\n\r\n'
    fields: dict[str, Any] = {
        "method": "POST",
        "path": "/v1/images/edits",
        "query": {},
        "headers": {"authorization": f"Bearer {openai.KEY}", "content-type": "multipart/form-data; boundary=b"},
        "body": "".join(parts).encode() + head.encode() + picture + b"\r\n--b--\r\n",
    }
    return Received(**fields | others)


EDIT = {"prompt": "Oil", "model": openai.MODEL}
KEYED = {"authorization": f"Bearer {openai.KEY}", "content-type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (openai_request(EDIT | {"seed": "7"}, PHOTO), 400, "Unknown parameter"),
        (openai_request(EDIT | {"quality": "best"}, PHOTO), 400, "Invalid value"),
        (openai_request(EDIT | {"n": "one"}, PHOTO), 400, "Invalid value"),
        (openai_request(EDIT, PHOTO, mime="application/octet-stream"), 400, "Unsupported MIME type"),
        (openai_request(EDIT, PHOTO, mime="image/png"), 400, "not image/png"),
        (openai_request(EDIT, PHOTO, headers=KEYED | {"content-type": "application/json"}), 400, "multipart"),
        (openai_request(EDIT, PHOTO, headers={"content-type": KEYED["content-type"]}), 401, "Incorrect API key"),
        (openai_request(EDIT, PHOTO, headers=KEYED | {"api-key": openai.KEY}), 401, "more than one"),
        (openai_request(EDIT, PHOTO, query={"api-version": "v1"}), 400, "query"),
    ],
)
def test_openai_refuses_what_is_not_in_its_reference(request_: Received, status: int, said: str) -> None:
    found, text = refusal(openai.OpenAIStandIn(), request_)
    assert (found, said in text) == (status, True), text


def test_openai_takes_what_is_in_its_reference() -> None:
    assert openai.OpenAIStandIn().check(openai_request(EDIT, PHOTO)) is None


def test_turbotext_refuses_two_keys_and_another_type() -> None:
    form = urlencode({"do": "create_queue", "url": "https://a.example/b", "content": "Oil"}).encode()
    headers = {"authorization": f"Bearer {turbotext.KEY}", "content-type": "application/x-www-form-urlencoded"}
    good = Received(method="POST", path="/api_ai/generate_image2image", query={}, headers=headers, body=form)
    service = turbotext.TurbotextStandIn()
    assert service.check(good) is None
    two_keys = msgspec.structs.replace(good, headers=headers | {"x-api-key": turbotext.KEY})
    assert refusal(service, two_keys)[0] == 401
    other = msgspec.structs.replace(good, headers=headers | {"content-type": "text/plain"})
    assert "Content-Type" in refusal(service, other)[1]


class Echo(StandInServer):
    def answer(self, request: Received) -> Answer:
        return Answer(200, b"taken")


async def status_of(server: StandInServer, target: str, *headers: str, method: str = "GET") -> int:
    """The status of a request that goes over a bare connection, as no client of ours would send it."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    try:
        return int((await reader.readuntil(b"\r\n")).split()[1])
    finally:
        writer.close()


async def test_no_service_takes_a_header_twice() -> None:
    async with Echo() as server:
        assert await status_of(server, "/", "Accept: */*") == 200
        assert await status_of(server, "/", "Accept: */*", "accept: image/png") == 400
        assert await status_of(server, "/", "X-Key: one", "x-key: one") == 401
        assert await status_of(server, "/", "Authorization: Bearer a", "Authorization: Bearer b") == 401
        assert await status_of(server, "/", "Cookie: a=b") == 400
        assert len(server.refused) == 4


async def test_a_picture_lies_at_its_signed_address_alone() -> None:
    async with PictureOrigin("the-key") as origin:
        target = origin.put(photos.png(8, 8)).removeprefix(origin.url)
        assert await status_of(origin, target) == 200
        assert await status_of(origin, target.partition("?")[0]) == 403
        assert await status_of(origin, "/results/none.png") == 404
        assert origin.fetched == {target.partition("?")[0]: 1}


@pytest.mark.parametrize(
    ("target", "headers", "said"),
    [
        ("/results/0-result.png", ["Authorization: Bearer other"], "shows a key"),
        ("/results/0-result.png", ["X-Trace: the-key"], "shows a key"),
        ("/results/0-result.png?key=the-key", [], "shows a key"),
        ("/elsewhere", [], "redirect was followed"),
    ],
)
async def test_the_second_origin_fails_the_test_when_it_sees_the_key(
    target: str, headers: list[str], said: str
) -> None:
    origin = PictureOrigin("the-key")
    with pytest.raises(AssertionError):
        await asked_once(origin, target, *headers)
    assert any(said in fault for fault in origin.faults)


async def test_the_second_origin_is_only_read() -> None:
    origin = PictureOrigin("the-key")
    with pytest.raises(AssertionError):
        await asked_once(origin, "/results/0-result.png", method="DELETE")


async def test_a_failing_test_is_not_hidden_by_the_second_origin() -> None:
    origin = PictureOrigin("the-key")
    with pytest.raises(ZeroDivisionError):
        await asked_once(origin, "/elsewhere", fails=True)
    assert origin.faults == ["a redirect was followed"]


async def asked_once(
    origin: PictureOrigin, target: str, *headers: str, method: str = "GET", fails: bool = False
) -> None:
    async with origin:
        origin.put(photos.png(8, 8))
        await status_of(origin, target, *headers, method=method)
        if fails:
            raise ZeroDivisionError


async def test_work_that_was_accepted_before_the_connection_broke_is_there() -> None:
    """What a reset after acceptance means: the service has the work, and the client does not know."""
    async with turbotext.TurbotextStandIn() as service:
        form = urlencode({"do": "create_queue", "url": "https://a.example/b", "content": "Oil"}).encode()
        headers = {"Authorization": f"Bearer {turbotext.KEY}", "Content-Type": "application/x-www-form-urlencoded"}
        http = SafeHttpClient(AddressGuard(["127.0.0.1"]))
        for behaviour, accepted in ((reset, 0), (reset_after_acceptance, 1)):
            service.script(behaviour, call="create")
            url = f"{service.url}/api_ai/generate_image2image"
            request = HttpRequest(method="POST", url=url, headers=headers, body=form)
            with pytest.raises(Down):
                await http.exchange(request, until=SYSTEM_CLOCK.now() + timedelta(minutes=3), max_bytes=10**6)
            assert len(service.queued) == accepted
        await http.close()
