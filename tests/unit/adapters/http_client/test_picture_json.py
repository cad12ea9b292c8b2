"""Pictures in JSON, in both directions: decoded while an answer arrives, encoded while a request is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.adapters.http_client.json_body import DataUri, JsonBody
from photochanger.adapters.http_client.picture_json import (
    LONG_STRING_BYTES,
    MAX_JSON_BYTES,
    JsonUnreadable,
    PictureJson,
    PictureJsonReader,
)

pytestmark = pytest.mark.anyio

LONG = LONG_STRING_BYTES // 4 * 3 + 1
"""A picture of this size is a long string in base64."""


def read(document: bytes, *, pieces: Sequence[int] = ()) -> PictureJson:
    """Read a document in pieces of these sizes, and the rest at once."""
    reader, start = PictureJsonReader(), 0
    for size in pieces:
        reader.feed(document[start : start + size])
        start += size
    reader.feed(document[start:])
    return reader.finish()


def picture_in(document: bytes, *, pieces: Sequence[int] = ()) -> bytes | None:
    found = read(document, pieces=pieces)
    return found.picture(json.loads(found.document)["data"])


def of_bytes(size: int) -> bytes:
    return bytes(index * 37 % 256 for index in range(size))


@given(
    st.sampled_from([1, 2, 3, 4, LONG - 1, LONG, LONG + 1, LONG + 2, 3 * LONG]),
    st.lists(st.integers(0, 9000), max_size=12),
    st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
    st.sampled_from(["", "data:image/png;base64,", "data:image/webp;x=1;BASE64,"]),
    st.booleans(),
    st.sampled_from([{}, {"/": "\\/"}, {"=": "\\u003d", "+": "\\u002b"}]),
)
def test_every_form_of_base64_in_any_pieces_becomes_the_picture(
    size: int, pieces: list[int], encode: object, head: str, padded: bool, escapes: dict[str, str]
) -> None:
    picture = of_bytes(size)
    assert callable(encode)
    text = head + encode(picture).decode().rstrip("" if padded else "=")
    for plain, escaped in escapes.items():
        text = text.replace(plain, escaped)
    document = f'{{"before": "a\\"b\\\\", "data": "{text}", "after": [1, "é", null]}}'.encode()
    found = read(document, pieces=pieces)
    value = json.loads(found.document)
    assert (value["before"], value["after"]) == ('a"b\\', [1, "é", None])
    assert found.picture(value["data"]) == picture


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)


@given(VALUES, st.lists(st.integers(0, 50), max_size=30))
def test_json_without_long_strings_stays_as_it_is(value: object, pieces: list[int]) -> None:
    document = json.dumps(value).encode()
    assert read(document, pieces=pieces).document == document


@pytest.mark.parametrize(
    "text", ["!" * LONG * 2, "A" * (LONG * 2) + "!", "data:text/plain," + "A" * LONG * 2, "д" * LONG]
)
def test_a_long_string_that_is_no_base64_holds_no_picture(text: str) -> None:
    assert picture_in(json.dumps({"data": text}).encode()) is None


def test_what_remains_as_json_is_bounded() -> None:
    reader = PictureJsonReader()
    with pytest.raises(JsonUnreadable):
        reader.feed(b'["a",' * (MAX_JSON_BYTES // 4))


def test_a_document_that_ends_within_a_string_is_no_json() -> None:
    found = read(b'{"data": "' + b"A" * LONG * 2)
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(found.document)


@pytest.mark.parametrize("unit", [b'\\"', b"\\u0041", b"\\\\", b'"a",', b'"",', b'"\\n",'])
def test_a_piece_of_any_kind_is_read_in_a_few_steps(unit: bytes) -> None:
    reader = PictureJsonReader()
    steps = 0
    original = reader._append

    def append(part: bytes) -> None:
        nonlocal steps
        steps += 1
        original(part)

    reader._append = append  # type: ignore[method-assign]
    reader.feed((b'["' + unit * 20_000)[: 64 * 1024])
    assert steps <= 2


def test_an_escape_that_is_none_ends_the_reading() -> None:
    reader = PictureJsonReader()
    with pytest.raises(JsonUnreadable):
        reader.feed(b'{"data": "' + b"\\uZZZZ" * 10)


def test_a_mark_without_a_picture_is_none() -> None:
    for value in ("\0", "\x007", "\0x", "\0\u0661"):
        assert PictureJson(b"").picture(value) is None


@pytest.mark.parametrize("sizes", [(), (0,), (1,), (2, 3), (196_607, 196_608, 196_609), (1_000_000, 5)])
async def test_pictures_of_a_request_become_base64_while_it_is_sent(sizes: tuple[int, ...]) -> None:
    pictures = [of_bytes(size) for size in sizes]
    body = JsonBody({"parts": [{"data": picture, "mime": "image/jpeg"} for picture in pictures], "text": 'say "é"\0'})
    sent = b"".join([piece async for piece in body])
    assert len(sent) == body.size_bytes
    value = json.loads(sent)
    assert [base64.b64decode(part["data"]) for part in value["parts"]] == pictures
    assert value["text"] == 'say "é"\0'


@pytest.mark.parametrize("size", [0, 1, 196_607, 1_000_000])
async def test_pictures_of_a_request_may_be_data_uris(size: int) -> None:
    uri = DataUri("image/png", of_bytes(size))
    body = JsonBody({"image_urls": [uri, "https://a.example/b"], "photo": uri})
    sent = b"".join([piece async for piece in body])
    assert len(sent) == body.size_bytes
    expected = f"data:image/png;base64,{base64.b64encode(uri.data).decode()}"
    assert json.loads(sent) == {"image_urls": [expected, "https://a.example/b"], "photo": expected}
    assert uri.size_bytes == len(expected)
    assert repr(uri) == f"DataUri(image/png, {size} bytes)"
