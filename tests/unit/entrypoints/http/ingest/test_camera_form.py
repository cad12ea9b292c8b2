"""The push-fed form reader: the same form however the bytes are cut, and nothing kept of a refused one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from photochanger.core.domain.errors import (
    InvalidMultipart,
    InvalidPassword,
    MissingField,
    PayloadTooLarge,
    PhotoChangerError,
    UndecodableImage,
    UploadInterrupted,
)
from photochanger.core.domain.slots.slot import Slot
from photochanger.entrypoints.http.protocol import body as bodies
from photochanger.entrypoints.http.protocol.body import ClientGone

from tests.support.camera_forms import END, FORM, PASSWORD, PHOTO, PICTURE, Camera, body, text_part

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("size", [*range(1, 40), 64, 100, 1000])
async def test_form_is_the_same_for_any_chunk_size(size: int) -> None:
    camera = Camera(body(FORM, size=size))
    metadata = await camera.send()
    assert metadata == {"guest": "Zoë"}
    assert camera.stored == {"photo": PICTURE}


@pytest.mark.parametrize("length", range(0, len(FORM) - 6, 7))
async def test_a_form_that_ends_too_early_leaves_nothing(length: int) -> None:
    camera = Camera(body(FORM[:length]))
    with pytest.raises(UploadInterrupted if length > 5 else InvalidMultipart):
        await camera.send()
    assert camera.stored == {}
    assert camera.budget.held_bytes == 0


@pytest.mark.parametrize("length", range(0, len(FORM) - 6, 7))
async def test_a_client_that_disconnects_leaves_nothing(length: int) -> None:
    camera = Camera([*body(FORM[:length])[:-1], {"type": "http.disconnect"}])
    with pytest.raises(ClientGone):
        await camera.send()
    assert camera.stored == {}


async def test_wrong_password_ends_the_reading_immediately() -> None:
    camera = Camera(body(FORM.replace(b"right", b"wrong"), size=100))
    with pytest.raises(InvalidPassword):
        await camera.send()
    assert camera.read == 2
    assert camera.stored == {}


async def test_the_body_is_read_to_its_end_beyond_the_last_boundary() -> None:
    messages = body(FORM + b"an epilogue", size=50)
    await Camera(messages).send()
    assert messages == []


async def test_an_epilogue_counts_as_bytes_too() -> None:
    camera = Camera(body(FORM + bytes(2000), size=100))
    with pytest.raises(PayloadTooLarge):
        await camera.send(max_bytes=1000)
    assert camera.stored == {}


async def test_an_upload_without_data_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_IDLE_SECONDS", 0.001)
    camera = Camera(body(FORM[:200])[:-1])
    answers: Callable[[], Awaitable[dict[str, Any]]] = camera.receive

    async def then_silence() -> dict[str, Any]:
        if camera.read:
            await asyncio.Event().wait()
        return await answers()

    monkeypatch.setattr(camera, "receive", then_silence)
    with pytest.raises(UploadInterrupted):
        await camera.send()
    assert camera.stored == {}


async def test_an_upload_that_is_too_slow_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera(body(FORM, size=1))
    at_once: Callable[[], Awaitable[dict[str, Any]]] = camera.receive

    async def after_others_had_a_turn() -> dict[str, Any]:
        await asyncio.sleep(0)
        return await at_once()

    async def time_runs_out(password: str, *, slot: Slot, address: str) -> None:
        monkeypatch.setattr(bodies, "_MIN_BYTES_PER_SECOND", -1e-6)

    monkeypatch.setattr(camera, "receive", after_others_had_a_turn)
    monkeypatch.setattr(camera, "check_ingest_password", time_runs_out)
    with pytest.raises(UploadInterrupted, match="too slowly"):
        await camera.send()
    assert camera.stored == {}


@pytest.mark.parametrize(
    ("value", "fits"),
    [("é" * 8192, True), ("é" * 8193, False), ("𝄞" * 8192, True), ("x" * 50_000, False)],
    ids=["two-byte", "one-too-many", "four-byte", "much-too-long"],
)
async def test_a_field_is_bounded_in_characters(value: str, fits: bool) -> None:
    camera = Camera(body(FORM.replace(b"Zo\xc3\xab", value.encode()), size=4096))
    if fits:
        metadata = await camera.send()
        assert metadata == {"guest": value}
    else:
        with pytest.raises(InvalidMultipart):
            await camera.send()


@pytest.mark.parametrize("content_type", ["", "multipart/mixed; boundary=b", "multipart/form-data", "nonsense"])
async def test_another_content_type_is_refused_before_anything_is_read(content_type: str) -> None:
    camera = Camera(body(FORM))
    with pytest.raises(InvalidMultipart):
        await camera.send(content_type=content_type)
    assert camera.read == 0


async def test_a_form_without_a_password_is_refused_and_its_photo_discarded() -> None:
    camera = Camera(body(FORM.replace(b'"password"', b'"passwort"')))
    with pytest.raises(MissingField, match="password"):
        await camera.send()
    assert camera.stored == {}
    assert camera.without_password == ["192.0.2.7"]


async def test_a_form_with_neither_password_nor_photo_counts_as_a_failure_too() -> None:
    camera = Camera(body(text_part("guest", b"Ada") + END))
    with pytest.raises(MissingField, match="password"):
        await camera.send()
    assert camera.without_password == ["192.0.2.7"]


async def test_what_follows_a_form_without_a_password_is_not_read() -> None:
    messages = [*body(text_part("guest", b"Ada") + END)[:-1], *body(bytes(1000), size=10)]
    camera = Camera(messages)
    with pytest.raises(MissingField):
        await camera.send()
    assert camera.read == 1


@pytest.mark.parametrize("offered", ["right", "for a proxy"])
async def test_password_of_the_form_makes_that_of_the_header_irrelevant(offered: str) -> None:
    camera = Camera(body(PASSWORD + PHOTO + END))
    await camera.send(offered=offered)
    assert camera.checked == ["right"]


async def test_password_of_the_header_is_enough() -> None:
    camera = Camera(body(PHOTO + END))
    await camera.send(offered="right")
    assert camera.stored == {"photo": PICTURE}
    again = Camera(body(PHOTO + text_part("password", b"of another product") + END))
    again.accepted = ["right"]
    assert await again.send(offered="right") == {}
    assert again.checked == ["right"]


@pytest.mark.parametrize("in_form", ["", "wrong"])
async def test_right_password_of_the_header_is_not_refused_for_that_of_the_form(in_form: str) -> None:
    camera = Camera(body(text_part("password", in_form.encode()) + PHOTO + END))
    await camera.send(offered="right")
    assert camera.stored == {"photo": PICTURE}


async def test_wrong_password_of_the_header_is_refused_before_the_photo_is_read() -> None:
    camera = Camera([*body(text_part("guest", b"Ada") + PHOTO)[:-1], *body(bytes(1000), size=10)])
    with pytest.raises(InvalidPassword):
        await camera.send(offered="wrong")
    assert camera.read == 1
    assert camera.stored == {}


EMPTY = b'--b\r\nContent-Disposition: form-data; name="%b"; filename=""\r\nContent-Type: a/b\r\n\r\n\r\n'


@pytest.mark.parametrize("name", [b"other", b"fileToUpload", b"file", b"file[]"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_file_inputs_without_a_file_are_ignored(name: bytes, before: bool) -> None:
    empty = EMPTY % name
    camera = Camera(body(PASSWORD + (empty + PHOTO if before else PHOTO + empty) + END, size=7))
    await camera.send()
    assert camera.stored == {"photo": PICTURE}


@pytest.mark.parametrize(
    ("filename", "error"), [(b"", MissingField), (b"a.jpg", UndecodableImage)], ids=["no file", "empty file"]
)
async def test_form_with_only_an_empty_file_says_so(filename: bytes, error: type[PhotoChangerError]) -> None:
    empty = (EMPTY % b"fileToUpload").replace(b'filename=""', b'filename="%b"' % filename)
    with pytest.raises(error, match="empty"):
        await Camera(body(PASSWORD + empty + END)).send()


@pytest.mark.parametrize(
    ("head", "value"),
    [
        (b"", "Лена".encode()),
        (b"", "Лена".encode("cp1251")),
        (b"Content-Type: text/plain; charset=windows-1251", "Лена".encode("cp1251")),
        (b"content-type: text/plain; Charset=KOI8-R", "Лена".encode("koi8-r")),
        (b"Content-Type: text/plain; charset=no-such-thing", "Лена".encode()),
        (b"Content-Transfer-Encoding: 8bit", "Лена".encode()),
        (b"Content-Transfer-Encoding: Quoted-Printable", b"=D0=9B=D0=\r\n=B5=D0=BD=D0=B0"),
        (b"content-transfer-encoding: base64", b"0JvQ\r\ntdC90LA="),
        (b"Content-Type: text/plain; charset=cp1251\r\nContent-Transfer-Encoding: quoted-printable", b"=CB=E5=ED=E0"),
    ],
)
async def test_text_is_read_in_its_charset_and_encoding(head: bytes, value: bytes) -> None:
    guest = text_part("guest", value)
    if head:
        guest = guest.replace(b"\r\n\r\n", b"\r\n" + head + b"\r\n\r\n", 1)
    assert await Camera(body(guest + PASSWORD + PHOTO + END, size=11)).send() == {"guest": "Лена"}


async def test_charset_field_names_the_charset_of_the_fields_behind_it() -> None:
    fields = text_part("_charset_", b"koi8-r") + text_part("guest", "Лена".encode("koi8-r"))
    assert await Camera(body(fields + PASSWORD + PHOTO + END)).send() == {"guest": "Лена"}


async def test_photo_in_base64_is_decoded() -> None:
    head, _, _ = PHOTO.partition(b"\r\n\r\n")
    encoded = base64.encodebytes(PICTURE * 50).replace(b"\n", b"\r\n")
    photo = head + b"\r\nContent-Transfer-Encoding: BASE64\r\n\r\n" + encoded + b"\r\n"
    for size in (1, 5, 100_000):
        camera = Camera(body(PASSWORD + photo + END, size=size))
        await camera.send()
        assert camera.stored == {"photo": PICTURE * 50}
    broken = Camera(body(PASSWORD + photo.replace(encoded[:4], b"!!!!") + END))
    with pytest.raises(InvalidMultipart, match="base64"):
        await broken.send()


async def test_field_names_are_cleaned_or_dropped() -> None:
    names = ("guest name", "guest[email]", "имя", "1st", "", "a" * 100, "__proto__", "guest_name", "guest-name")
    fields = b"".join(text_part(name, str(number).encode()) for number, name in enumerate(names))
    assert await Camera(body(fields + PASSWORD + PHOTO + END)).send() == {
        "guest_name": "7",
        "guest_email": "1",
        "_1st": "3",
        "a" * 64: "5",
        "__proto__": "6",
    }


async def test_password_under_a_decorated_name_is_no_metadata() -> None:
    fields = text_part(" password ", b"right") + text_part("password[]", b"right")
    assert await Camera(body(fields + PHOTO + END)).send() == {}


async def test_all_text_together_is_bounded() -> None:
    fields = b"".join(text_part(f"field_{number}", b"x" * 8000) for number in range(40))
    with pytest.raises(InvalidMultipart, match="256 KiB of text"):
        await Camera(body(fields + PASSWORD + PHOTO + END)).send()
