"""Forms as camera software really builds them: none of its habits costs the photo."""

from __future__ import annotations

import base64

import pytest

from tests.support import photos
from tests.support.administration import Administrator
from tests.support.http_server import BOUNDARY, END, FORM, PASSWORD, PICTURE, Service, form, head, part

pytestmark = pytest.mark.anyio

PHOTO = photos.jpeg(64, 48)
WITH_PASSWORD = part("password", PASSWORD)


def named(disposition: str | bytes, content: bytes = PHOTO, *, more: bytes = b"") -> bytes:
    """A part whose Content-Disposition goes on like this."""
    raw = disposition if isinstance(disposition, bytes) else disposition.encode()
    return b"--%b\r\n%b%b\r\n\r\n%b\r\n" % (BOUNDARY.encode(), raw, more, content)


FILE = 'Content-Disposition: form-data; name="fileToUpload"; filename='

FORMS = {
    "file name in windows-1251": WITH_PASSWORD + named((FILE + '"Свадьба 1.jpg"').encode("cp1251")) + END,
    "file name in latin-1": WITH_PASSWORD + named((FILE + '"Größe.jpg"').encode("latin-1")) + END,
    "file name by RFC 2047": WITH_PASSWORD + named(FILE + '"=?windows-1251?B?yOI=?="') + END,
    "file name by RFC 5987": WITH_PASSWORD
    + named("Content-Disposition: form-data; name=file; filename*=UTF-8''%D0%98.jpg")
    + END,
    "file name of two dots": WITH_PASSWORD + named(FILE + '".."') + END,
    "file name of 400 characters": WITH_PASSWORD + named(FILE + f'"{"д" * 400}.jpg"') + END,
    "Windows path": WITH_PASSWORD + named(FILE + '"C:\\photos\\new;1\\"') + END,
    "headers in odd case": WITH_PASSWORD.replace(b"Content-Disposition", b"content-DISPOSITION")
    + named('CONTENT-DISPOSITION:FORM-DATA;NAME=fileToUpload;FILENAME="A.JPG"', more=b"\r\ncontent-type:IMAGE/JPEG")
    + END,
    "empty file inputs": named('Content-Disposition: form-data; name="second"; filename=""', b"")
    + form(PHOTO)[: -len(END)]
    + named(FILE + '""', b"")
    + END,
    "odd field names": part("guest[name]", "A")
    + part("имя", "B")
    + part("first name", "C")
    + part("", "D")
    + part("x" * 300, "E")
    + form(PHOTO),
    "part charset and quoted-printable": named(
        'Content-Disposition: form-data; name="password"',
        b"open=20se=\r\nsame",
        more=b"\r\nContent-Type: text/plain; charset=windows-1251\r\nContent-Transfer-Encoding: quoted-printable",
    )
    + named(FILE + '"a.jpg"')
    + END,
    "photo in base64": WITH_PASSWORD
    + named(FILE + '"a.jpg"', base64.encodebytes(PHOTO), more=b"\r\nContent-Transfer-Encoding: base64")
    + END,
    "padding after the boundaries": form(PHOTO).replace(BOUNDARY.encode() + b"\r\n", BOUNDARY.encode() + b" \t \r\n"),
    "preamble and epilogue": b"This is a form.\r\n" + form(PHOTO) + b"\r\nThat was it.",
    "no line end at the end": form(PHOTO)[:-2],
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS.keys())
async def test_form_with_odd_habits_brings_its_picture(service: Service, body: bytes) -> None:
    answer = await service.post_form("slot-001", body)
    assert answer.status_code == 200, answer.text
    assert answer.content == PICTURE


async def test_form_with_lf_line_ends_brings_its_picture(service: Service) -> None:
    photo = photos.jpeg(65, 48) + b"\r"  # what follows the picture is part of the file
    line_ends = form(b"PHOTO").replace(b"\r\n", b"\n").replace(b"PHOTO", photo)
    answer = await service.post_form("slot-001", line_ends)
    assert answer.status_code == 200, answer.text
    job = await service.job(answer.headers["x-job-id"])
    assert job.spec.photo.file.size_bytes == len(photo)


@pytest.mark.parametrize("boundary", ["----=_Part_1=2", "a b", "x" * 70, "'(),./:?"])
async def test_boundary_may_be_written_in_any_way(service: Service, boundary: str) -> None:
    body = form(PHOTO).replace(BOUNDARY.encode(), boundary.encode())
    for written in (boundary, f'"{boundary}"', f'"{boundary}"; charset=utf-8'):
        answer = await service.post_form("slot-001", body, content_type=f"Multipart/Form-Data; Boundary={written}")
        assert answer.status_code == 200, answer.text


async def test_fields_with_unusual_names_are_kept_under_a_cleaned_name(service: Service) -> None:
    answer = await service.post_form("slot-001", FORMS["odd field names"])
    job = await service.job(answer.headers["x-job-id"])
    assert job.metadata == {"guest_name": "A", "first_name": "C", "x" * 64: "E"}


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
async def test_password_may_be_in_the_header(service: Service, scheme: str) -> None:
    body = part("guest", "Ada") + part("fileToUpload", PHOTO, filename="a.jpg") + END
    given = base64.b64encode(b"camera:" + PASSWORD.encode()).decode() if scheme == "Basic" else PASSWORD
    for _ in range(2):
        answer = await service.post_form("slot-001", body, headers={"Authorization": f"{scheme} {given}"})
        assert answer.status_code == 200, answer.text


async def test_wrong_password_in_the_header_is_refused_before_the_photo_is_sent(service: Service) -> None:
    reader, writer = await service.connect()
    writer.write(head("slot-001", 50_000_000, headers={"Authorization": "Bearer wrong", "Connection": "close"}))
    writer.write(part("fileToUpload", b"\xff", filename="a.jpg")[:-2] + bytes(100))
    assert (await reader.readuntil(b"\r\n")) == b"HTTP/1.1 401 Unauthorized\r\n"
    writer.close()
    shown = await service.client.get("/healthz")
    assert shown.status_code == 200


@pytest.mark.parametrize("authorization", ["Basic dXNlcjpwcm94eQ==", "Bearer eyJhbGciOi.eyJzdWIi.c2ln", "Digest x"])
async def test_header_that_is_meant_for_others_does_not_matter(service: Service, authorization: str) -> None:
    answer = await service.ingest(headers={"Authorization": authorization, "Content-Type": FORM})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("in_header", ["general", "own"])
async def test_right_password_of_a_slot_counts_wherever_it_is(
    service: Service, admin: Administrator, in_header: str
) -> None:
    own = "of the rented booth"
    assert (await service.ingest()).status_code == 200  # the general password was accepted before
    assert (await admin.change_slot("slot-002", ingest_password=own)).status_code == 200
    header, field = (PASSWORD, own) if in_header == "general" else (own, PASSWORD)
    body = part("password", field) + part("fileToUpload", photos.jpeg(32, 24), filename="a.jpg") + END
    answer = await service.post_form("slot-002", body, headers={"Authorization": f"Bearer {header}"})
    assert answer.status_code == 200, answer.text
