"""JSON from outside: what could be understood in two ways, or not be kept, is refused with a reason."""

from __future__ import annotations

import json

import pytest
from photochanger.core.domain.errors import InvalidJson
from photochanger.entrypoints.http.protocol.json_body import json_object


def test_an_object_is_read_as_it_is() -> None:
    assert json_object(b'{"a": [1, 2.5, null, true, "\\u00fc\\ud83d\\ude00"]}') == {"a": [1, 2.5, None, True, "ü😀"]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a": 1, "a": 2}', "Duplicate name 'a'"),
        (b'{"x": {"b": 1, "b": 1}}', "Duplicate name 'b'"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e999}', "A number is out of range"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "a lone surrogate"),
        (b"[1]", "Must be a JSON object"),
        (b'"text"', "Must be a JSON object"),
        (b"", "Not JSON"),
        (b"{", "Not JSON"),
        (b"\xff\xfe\x00", "Not JSON"),
        (b'{"a": 1} x', "Not JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}", "Not JSON"),
        (json.dumps({"a": json.loads("[" * 40 + "]" * 40)}).encode(), "Nested deeper"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "Nested deeper"),
    ],
)
def test_what_is_not_clear_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(InvalidJson, match=why):
        json_object(text)
