"""The multipart parser: what camera software really sends, and bounds on what a stranger may send."""

from __future__ import annotations

import pytest
from photochanger.core.domain.errors import InvalidMultipart, UploadInterrupted
from photochanger.entrypoints.http.protocol.multipart_parser import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_PREAMBLE_BYTES,
    MultipartParser,
    PartHead,
    boundary_of,
)

Part = tuple[PartHead, bytes]


def parsed(body: bytes, *, boundary: bytes = b"b", size: int = 0, max_parts: int = 64) -> list[Part]:
    """The parts of a body that arrives in chunks of this size (0: whole)."""
    parser = MultipartParser(boundary, max_parts=max_parts)
    parts: list[Part] = []
    size = size or len(body) or 1
    for at in range(0, len(body), size):
        for event in parser.feed(body[at : at + size]):
            if isinstance(event, PartHead):
                parts.append((event, b""))
            elif event is not None:
                parts[-1] = (parts[-1][0], parts[-1][1] + event)
    parser.end()
    return parts


def only(head: str | bytes, *, content: bytes = b"x", line: bytes = b"\r\n") -> PartHead:
    """The head of a form's only part."""
    raw = head if isinstance(head, bytes) else head.encode()
    ((found, data),) = parsed(line.join([b"--b", raw, b"", content, b"--b--", b""]))
    assert data == content
    return found


@pytest.mark.parametrize("line", [b"\r\n", b"\n"], ids=["crlf", "lf"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 64])
def test_parts_keep_every_byte_of_their_content(line: bytes, size: int) -> None:
    content = b"\xff\xd8 \r \n --b \r\n--bb\n--" + bytes(range(256)) + b"\r\r"
    head = b'Content-Disposition: form-data; name="file"; filename="a.jpg"'
    body = line.join([b"--b", head, b"", content, b"--b", head, b"", b"", b"--b--", b""])
    assert [data for _, data in parsed(body, size=size)] == [content, b""]


def test_padding_after_the_boundary_is_ignored() -> None:
    body = b"--b \t \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b  \r\n\r\n2\r\n--b-- \t\r\nepilogue"
    assert [data for _, data in parsed(body)] == [b"1", b"2"]


def test_preamble_and_epilogue_are_ignored() -> None:
    assert [data for _, data in parsed(b"for old programs\r\n--b\r\n\r\n1\r\n--b--the end\r\n--b\r\n\r\n2")] == [b"1"]


def test_final_line_end_may_be_missing() -> None:
    assert [data for _, data in parsed(b"--b\r\n\r\n1\r\n--b--")] == [b"1"]


@pytest.mark.parametrize("line", [b"\r\n", b"\n"], ids=["crlf", "lf"])
def test_line_ends_may_differ_between_parts(line: bytes) -> None:
    body = b"--b\n\n1\n--b" + line + line + b"2" + line + b"--b\r\n\r\n3\r\n--b--"
    assert [data for _, data in parsed(body)] == [b"1", b"2", b"3"]


def test_empty_content_may_have_no_line_end_of_its_own() -> None:
    assert [data for _, data in parsed(b"--b\r\n\r\n--b\r\n\r\n2\r\n--b--")] == [b"", b"2"]


def test_longer_line_that_begins_like_the_boundary_is_content() -> None:
    assert [data for _, data in parsed(b"--b\r\n\r\n\r\n--banana\r\n--b x\r\n--b-\r\n--b--")] == [
        b"\r\n--banana\r\n--b x\r\n--b-"
    ]


@pytest.mark.parametrize("closing", [b"--b--", b"--b--\r\n", b"--b\r\n\r\n1\r\n--b--", b"--b-- \n"])
def test_boundary_among_headers_is_no_interrupted_upload(closing: bytes) -> None:
    with pytest.raises(InvalidMultipart, match="no empty line after its headers"):
        parsed(b"--b\r\n" + closing)


def test_header_that_begins_like_the_boundary_is_one() -> None:
    assert [data for _, data in parsed(b"--b\r\n--banana: 1\r\n\r\n2\r\n--b--")] == [b"2"]


@pytest.mark.parametrize("length", range(1, 60))
def test_form_without_its_end_is_an_interrupted_upload(length: int) -> None:
    whole = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--"
    error = InvalidMultipart if length < len(b"--b\r\n") else UploadInterrupted
    if length < len(whole):
        with pytest.raises(error):
            parsed(whole[:length])


@pytest.mark.parametrize("body", [b"", b"no form at all", b"--c\r\n\r\n1\r\n--c--"])
def test_body_without_the_boundary_is_no_form(body: bytes) -> None:
    with pytest.raises(InvalidMultipart, match="does not contain the boundary"):
        parsed(body)


@pytest.mark.parametrize(
    ("head", "name", "filename"),
    [
        ('Content-Disposition: form-data; name="file"; filename="a b.jpg"', "file", "a b.jpg"),
        ("content-disposition:FORM-DATA;NAME=file;FileName=a b.jpg", "file", "a b.jpg"),
        ('CONTENT-DISPOSITION : form-data ; name = "file" ; filename = "a.jpg"', "file", "a.jpg"),
        ('Content-Disposition: form-data; filename="a;b=\\"c\\".jpg"; name="file"', "file", 'a;b="c".jpg'),
        (
            'Content-Disposition: form-data; name="file"; filename="C:\\photos\\new\\a.jpg"',
            "file",
            "C:\\photos\\new\\a.jpg",
        ),
        ('Content-Disposition: form-data; name="file"; filename="C:\\photos\\"', "file", "C:\\photos\\"),
        ('Content-Disposition: form-data; name="file"; filename="no end', "file", "no end"),
        ('Content-Disposition: form-data; name="file"; filename=".."', "file", ".."),
        (f'Content-Disposition: form-data; name="file"; filename="{"x" * 300}.jpg"', "file", "x" * 300 + ".jpg"),
        ('Content-Disposition: form-data; name="file"; filename=""', "file", ""),
        ('Content-Disposition: form-data; name="guest name"', "guest name", None),
        ('Content-Disposition: form-data; name="guest[first]"', "guest[first]", None),
        ('Content-Disposition: form-data;\r\n name="file";\r\n\tfilename="a.jpg"', "file", "a.jpg"),
        ("Content-Disposition: form-data; name=file; filename*=UTF-8''%D0%98%D0%B2.jpg", "file", "Ив.jpg"),
        ("Content-Disposition: form-data; name=file; filename*=windows-1251'ru'%C8%E2.jpg", "file", "Ив.jpg"),
        ("Content-Disposition: form-data; name=file; filename*0=a; filename*1=b.jpg", "file", "ab.jpg"),
        ('Content-Disposition: form-data; name=file; filename="=?windows-1251?B?yOI=?=.jpg"', "file", "Ив.jpg"),
        ('Content-Disposition: form-data; name=file; filename="=?koi8-r?Q?=E9=D7?= =?utf-8?Q?_2?="', "file", "Ив 2"),
        ('Content-Disposition: form-data; name=file; filename="=?utf-8?B?abcde?="', "file", "=?utf-8?B?abcde?="),
        ("Content-Type: image/jpeg", "", None),
        ("not a header at all", "", None),
    ],
)
def test_name_and_file_name(head: str, name: str, filename: str | None) -> None:
    found = only(head)
    assert (found.name, found.filename) == (name, filename)


@pytest.mark.parametrize("charset", ["utf-8", "cp1251"])
def test_names_may_be_in_the_code_page_of_the_camera(charset: str) -> None:
    head = 'Content-Disposition: form-data; name="имя"; filename="Свадьба.jpg"'.encode(charset)
    found = only(head)
    assert (found.name, found.filename) == ("имя", "Свадьба.jpg")


def test_western_names_may_be_in_their_code_page() -> None:
    head = 'Content-Disposition: form-data; name="file"; filename="Größe été.jpg"'.encode("cp1252")
    assert only(head).filename == "Größe été.jpg"


def test_charset_and_transfer_encoding_of_a_part() -> None:
    head = 'content-TYPE: text/plain; Charset="Windows-1251"\r\nContent-transfer-encoding: Quoted-Printable'
    found = only(head)
    assert (found.content_type, found.charset) == ('text/plain; Charset="Windows-1251"', "Windows-1251")
    assert found.transfer_encoding == "quoted-printable"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ("Multipart/Form-Data;BOUNDARY=abc", b"abc"),
        ("multipart/form-data; boundary=----=_Part_12=345.6; charset=utf-8", b"----=_Part_12=345.6"),
        ('multipart/form-data; charset="utf-8"; boundary="a b;c=d"', b"a b;c=d"),
        ('multipart/form-data; boundary="a\\"b"', b'a"b'),
        ("multipart/form-data; boundary='a'", b"'a'"),
        ("multipart/form-data; boundary=\xe4", b"\xe4"),
        ('multipart/form-data; boundary="abc', b"abc"),
        ("multipart/form-data; boundary=" + "x" * 200, b"x" * 200),
    ],
)
def test_boundary_is_read_in_any_form(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary
    body = b"--%b\r\n\r\n1\r\n--%b--" % (boundary, boundary)
    assert [data for _, data in parsed(body, boundary=boundary)] == [b"1"]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/mixed; boundary=b",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "x" * 201,
        "multipart/form-data; x=" + "y" * 9000 + "; boundary=b",
    ],
)
def test_content_type_without_a_usable_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidMultipart):
        boundary_of(content_type)


@pytest.mark.parametrize("size", [0, 1, 100])
def test_bounds_are_exact_for_any_chunks(size: int) -> None:
    head = b"A: " + b"x" * (MAX_HEAD_BYTES - 3 - 4)
    assert parsed(b"--b\r\n" + head + b"\r\n\r\n1\r\n--b--", size=size)
    preamble = b"p" * MAX_PREAMBLE_BYTES
    assert parsed(preamble + b"\r\n--b\r\n\r\n1\r\n--b--", size=size)
    headers = b"A: b\r\n" * MAX_HEADERS
    assert parsed(b"--b\r\n" + headers + b"\r\n1\r\n--b--", size=size)
    parts = b"--b\r\n\r\n1\r\n" * 3
    assert parsed(parts + b"--b--", size=size, max_parts=3)
    for too_much in (
        b"--b\r\n" + head + b"x\r\n\r\n1\r\n--b--",
        preamble + b"p\r\n--b\r\n\r\n1\r\n--b--",
        b"--b\r\n" + headers + b"A: b\r\n\r\n1\r\n--b--",
        parts + b"--b\r\n\r\n1\r\n--b--",
    ):
        with pytest.raises(InvalidMultipart):
            parsed(too_much, size=size, max_parts=3)


def test_endless_line_of_a_head_is_refused_before_it_ends() -> None:
    parser = MultipartParser(b"b", max_parts=1)
    with pytest.raises(InvalidMultipart, match="exceed"):
        list(parser.feed(b"--b\r\n" + b"x" * 9000))
