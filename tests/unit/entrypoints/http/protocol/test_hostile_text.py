"""Any bytes in any chunks, and a megabyte of anything: a result or a listed error, by linear work."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photochanger.core.domain.accounts import MAX_PASSWORD_CHARS
from photochanger.core.domain.errors import InvalidMultipart, UploadInterrupted
from photochanger.core.domain.ingest_request import metadata_name
from photochanger.core.domain.slots.slot import is_field_name
from photochanger.entrypoints.http.ingest.credentials import offered_password
from photochanger.entrypoints.http.protocol.charsets import decode
from photochanger.entrypoints.http.protocol.multipart_parser import MultipartParser, PartHead, boundary_of
from photochanger.entrypoints.http.protocol.parameters import parse_parameters, text_parameter

MIB = 1024 * 1024
Outcome = list[tuple[PartHead, bytes, bool]] | str
"""The parts with their bytes and whether they ended, or the name of the error."""

_PIECES = [
    *(
        b"--b",
        b"\r\n",
        b"\n",
        b"\r",
        b"--",
        b"-",
        b" ",
        b"\t",
        b"b",
        b"\r\n--b",
        b"\n--b",
        b"\r\n--b--",
        b"x",
        b"\0\xff",
    ),
    b'Content-Disposition: form-data; name="file"; filename="\xc8\xe2.jpg"\r\n\r\n',
    b"content-disposition: form-data; name=a\n\n",
    b"Content-Type: text/plain; charset=koi8-r\r\n",
    b"\r\n\r\n",
    b"=?utf-8?q?=",
    b"; filename*=utf-8''%ff; name=\"\\",
]
bodies = st.lists(st.sampled_from(_PIECES) | st.binary(max_size=8), max_size=40).map(b"".join)
header_texts = st.lists(
    st.sampled_from(
        ["multipart/form-data", "boundary", "=", ";", '"', "\\", "filename", "*", "'", "=?", "?b?", " ", "%e4"]
    )
    | st.text(max_size=5),
    max_size=40,
).map("".join)


def outcome(body: bytes, cuts: list[int]) -> Outcome:
    """What the parser makes of a body that is cut at these places."""
    parser = MultipartParser(b"b", max_parts=8)
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    parts: list[tuple[PartHead, bytes, bool]] = []
    try:
        for start, end in pairwise(places):
            for event in parser.feed(body[start:end]):
                if isinstance(event, PartHead):
                    parts.append((event, b"", False))
                else:
                    head, data, _ = parts[-1]
                    parts[-1] = (head, data + (event or b""), event is None)
        parser.end()
    except (InvalidMultipart, UploadInterrupted) as error:
        return type(error).__name__
    return parts


@settings(max_examples=500, deadline=None)
@given(bodies, st.lists(st.integers(0, 10_000), max_size=20))
def test_any_bytes_give_the_same_outcome_for_any_chunks(body: bytes, cuts: list[int]) -> None:
    whole = outcome(body, [])
    assert outcome(body, cuts) == whole
    assert outcome(body, [*range(len(body))]) == whole
    if not isinstance(whole, str):
        assert all(ended for _, _, ended in whole)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=200), st.booleans()), min_size=1, max_size=6), st.integers(1, 50))
def test_form_that_is_well_made_is_read_back(contents: list[tuple[bytes, bool]], size: int) -> None:
    boundary = b"a boundary that no content holds"
    body = b""
    for content, lf in contents:
        line = b"\n" if lf else b"\r\n"
        body += b"--" + boundary + line + b"Content-Disposition: form-data; name=a" + line + line + content + line
    body += b"--" + boundary + b"--"
    parser, found = MultipartParser(boundary, max_parts=8), []
    for at in range(0, len(body), size):
        for event in parser.feed(body[at : at + size]):
            if isinstance(event, PartHead):
                found.append(b"")
            else:
                found[-1] += event or b""
    parser.end()
    assert found == [content for content, _ in contents]


@settings(max_examples=300, deadline=None)
@given(header_texts)
def test_any_header_is_read_without_an_error(text: str) -> None:
    _, parameters = parse_parameters(text)
    for name in ("name", "filename"):
        value = text_parameter(parameters, name)
        assert value is None or len(value) <= 3 * len(text)
    assert len(offered_password(text) or "") <= 4 * MAX_PASSWORD_CHARS + 1024
    with contextlib.suppress(InvalidMultipart):
        assert boundary_of(text)


@given(st.binary(max_size=100), st.text(max_size=20))
def test_any_bytes_are_some_text(data: bytes, charset: str) -> None:
    decode(data, charset)


@given(st.text(max_size=300))
def test_any_field_name_is_kept_under_a_name_that_metadata_may_have(name: str) -> None:
    kept = metadata_name(name)
    assert kept is None or is_field_name(kept)
    if is_field_name(name):
        assert kept == name


HOSTILE = {
    "one word": "a",
    "blanks": " ",
    "braces": "{",
    "URLs": "a://",
    "quotes": '"',
    "backslashes": "\\",
    "escaped quotes": '\\"',
    "semicolons": ";",
    "parameters": "a=b;",
    "quoted parameters": 'a="b";',
    "encoded words": "=?utf-8?q?a?= ",
    "starts of encoded words": "=?a?q?",
    "percents": "%41",
    "apostrophes": "'",
    "cyrillic": "Я",
}


def _read_all(text: str) -> None:
    """Run everything that reads text of a request before its password is known."""
    for head in (text, f'form-data; name="{text}', f"form-data; name*={text}", f"form-data; name={text}"):
        _, parameters = parse_parameters(head)
        text_parameter(parameters, "name")
    for refused in (text, f"multipart/form-data; boundary={text}"):
        with pytest.raises(InvalidMultipart):
            boundary_of(refused)
    for scheme in ("", "Basic ", "Bearer "):
        offered_password(scheme + text)
    metadata_name(text)
    decode(text.encode(), text)


def _parse(body: bytes) -> None:
    parser = MultipartParser(b"b", max_parts=64)
    for at in range(0, len(body), 64 * 1024):
        for _ in parser.feed(body[at : at + 64 * 1024]):
            pass


@pytest.fixture
def cpu_seconds() -> Callable[[], float]:
    """CPU time since the test began."""
    begun = time.process_time()
    return lambda: time.process_time() - begun


@pytest.mark.parametrize("word", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_megabyte_in_a_header_costs_little(word: str, cpu_seconds: Callable[[], float]) -> None:
    _read_all(word * (MIB // len(word)))
    assert cpu_seconds() < 2


@pytest.mark.parametrize("word", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_megabyte_in_a_part_head_is_refused_for_little(word: str, cpu_seconds: Callable[[], float]) -> None:
    text = (word * MIB).encode()[:MIB]
    for before in (b"--b\r\n", b'--b\r\nContent-Disposition: form-data; name="', b""):
        with pytest.raises(InvalidMultipart):
            _parse(before + text)
    assert cpu_seconds() < 2


@pytest.mark.parametrize(
    "content", [b"\n--b", b"\r\n--b ", b"\r", b"\n", b"\n--b" + b" " * 255, b"\r\n--", b"-"], ids=repr
)
def test_work_on_hostile_content_is_linear(content: bytes, cpu_seconds: Callable[[], float]) -> None:
    _parse(b"--b\r\n\r\n" + b"x".join([content] * (8 * MIB // (len(content) + 1))))
    assert cpu_seconds() < 10


def test_single_bytes_are_not_quadratic(cpu_seconds: Callable[[], float]) -> None:
    for content in (b"\n--b" + b" " * 200 + b"x", b"A: b"):
        parser = MultipartParser(b"b", max_parts=64)
        begun = b"--b\r\n\r\n" if content[:1] == b"\n" else b"--b\r\n"
        for byte in begun + (content * 8192)[: 8 * 1024 - 1 if content[:1] == b"A" else 64 * 1024]:
            for _ in parser.feed(bytes([byte])):
                pass
    assert cpu_seconds() < 10


def test_memory_does_not_grow_with_the_body() -> None:
    parser, chunk = MultipartParser(b"b", max_parts=64), bytes(64 * 1024)
    tracemalloc.start()
    try:
        for data in (b"--b\r\n\r\n", *[chunk] * 256):
            for _ in parser.feed(data):
                pass
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()
