"""JSON answers with pictures in them, decoded while they arrive: base64 becomes bytes, and only the rest stays JSON.

A picture of 6 MB is a string of 8 MB. Read whole and parsed, it costs three copies and holds the event loop for 10 ms;
here each piece from the network is decoded when it comes (some 20 microseconds for 64 KiB), and the JSON that remains
is a few kilobytes.
"""

from __future__ import annotations

import binascii
import re

import msgspec
import pybase64

LONG_STRING_BYTES = 16 * 1024
"""A string of more bytes than this is taken out of the JSON; no word that anybody reads is as long."""

MAX_JSON_BYTES = 1024 * 1024
"""The most that may remain as JSON, which is parsed on the event loop."""

_PIECE_BYTES = 64 * 1024
_MARK = "\0"
_MAX_DATA_URI_HEAD_BYTES = 256
_URL_SAFE = bytes.maketrans(b"-_", b"+/")

_OUTSIDE = re.compile(rb'[^"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"]*+)*+', re.DOTALL)
"""Everything up to a string that does not end here."""

_INSIDE = re.compile(rb'[^"\\]*+(?:\\(?:u[0-9A-Fa-f]{4}|[^u])[^"\\]*+)*+', re.DOTALL)
"""The rest of a string from an escape on, up to its end or to an escape that does not end here."""

_LONGEST_ESCAPE_BYTES = 6
_ESCAPES = (
    (rb"\/", b"/"),
    (rb"\u002b", b"+"),
    (rb"\u002B", b"+"),
    (rb"\u002f", b"/"),
    (rb"\u002F", b"/"),
    (rb"\u003d", b"="),
    (rb"\u003D", b"="),
)
"""The escapes that base64 may hold, in JSON that is made to be safe inside of HTML."""


class JsonUnreadable(Exception):
    """More than MAX_JSON_BYTES remain as JSON, or a string holds an escape that JSON does not have."""


class PictureJson(msgspec.Struct, frozen=True):
    """A JSON document without its long strings.

    Attributes:
        document: the JSON. A long string is a mark in it, which `picture` understands.
        pictures: what the long strings hold; None for one that is not base64.
    """

    document: bytes
    pictures: tuple[bytes | None, ...] = ()

    def __repr__(self) -> str:
        return f"PictureJson({len(self.document)} bytes, {len(self.pictures)} pictures)"

    def picture(self, value: str) -> bytes | None:
        """Return the bytes of a string of the document: base64, plain or in a data URI; None where it is neither."""
        if is_long(value):
            number = value.removeprefix(_MARK)
            known = number.isdecimal() and number.isascii() and int(number) < len(self.pictures)
            return self.pictures[int(number)] if known else None
        decoder = _Base64()
        decoder.feed(value.encode("ascii", "replace"))
        return decoder.finish()


def is_long(value: str) -> bool:
    """Whether a string of the document stands for a long one."""
    return value.startswith(_MARK)


class PictureJsonReader:
    """Takes the long strings out of a JSON document that arrives in pieces. Whether it is JSON is left to a parser."""

    def __init__(self) -> None:
        self._document = bytearray()
        self._pictures: list[bytes | None] = []
        self._string: bytearray | None = None
        self._decoder: _Base64 | None = None
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Read what has arrived. Raises JsonUnreadable."""
        for start in range(0, len(data), _PIECE_BYTES):
            self._read(self._held + data[start : start + _PIECE_BYTES])
            if len(self._document) > MAX_JSON_BYTES:
                raise JsonUnreadable

    def finish(self) -> PictureJson:
        """Return the document, whole or not."""
        if self._string is not None:
            self._document += b'"'  # a string without an end: no parser takes it
        return PictureJson(bytes(self._document), tuple(self._pictures))

    def _read(self, data: bytes) -> None:
        """Read a piece in a few steps, whatever it holds: the patterns do the rest."""
        position, self._held = 0, b""
        while position < len(data):
            end = _end_of_outside(data, position) if self._string is None else _end_of_inside(data, position)
            part = data[position:end]
            if self._string is None:
                self._document += part
                if end < len(data):
                    self._string = bytearray()
                position = end + 1
                continue
            self._append(part)
            if data[end : end + 1] == b'"':
                self._end_string()
                position = end + 1
                continue
            self._held = data[end:]  # an escape that goes on in the next piece
            if len(self._held) >= _LONGEST_ESCAPE_BYTES:
                raise JsonUnreadable
            return

    def _append(self, part: bytes) -> None:
        assert self._string is not None
        if self._decoder is not None:
            self._decoder.feed(_unescaped(part))
            return
        self._string += part
        if len(self._string) > LONG_STRING_BYTES:
            self._decoder = _Base64()
            self._decoder.feed(_unescaped(bytes(self._string)))

    def _end_string(self) -> None:
        assert self._string is not None
        if self._decoder is None:
            self._document += b'"' + self._string + b'"'
        else:
            self._document += f'"\\u0000{len(self._pictures)}"'.encode()
            self._pictures.append(self._decoder.finish())
        self._string = self._decoder = None


def _end_of_outside(data: bytes, start: int) -> int:
    """Where a string begins that does not end in these bytes; their end where there is none."""
    found = _OUTSIDE.match(data, start)
    assert found is not None  # the pattern matches nothing as well
    return found.end()


def _end_of_inside(data: bytes, start: int) -> int:
    """The end of the string that goes on here, or an escape that does not end in these bytes; else their end.

    Base64 has hardly an escape: a search for one byte is twenty times as fast as the pattern.
    """
    quote = data.find(b'"', start)
    end = len(data) if quote < 0 else quote
    escape = data.find(b"\\", start, end)
    if escape < 0:
        return end
    found = _INSIDE.match(data, escape)
    assert found is not None
    return found.end()


class _Base64:
    """Decodes base64 (RFC 4648, either alphabet, with or without padding) in pieces, a data URI's head before it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._rest = b""
        self._at_start = True
        self._wrong = False

    def feed(self, data: bytes) -> None:
        if self._wrong:
            return
        data = self._rest + data
        if self._at_start:
            if b"data:".startswith(data[:5]) and len(data) < 5:
                self._rest = data
                return
            if data.startswith(b"data:"):
                comma = data.find(b",", 0, _MAX_DATA_URI_HEAD_BYTES)
                if comma < 0 and len(data) < _MAX_DATA_URI_HEAD_BYTES:
                    self._rest = data
                    return
                self._wrong = comma < 0 or not data[:comma].lower().endswith(b";base64")
                data = data[comma + 1 :]
            self._at_start = False
        whole = (len(data) - 1) // 4 * 4  # the last group may have padding, and waits for the end
        whole = max(whole, 0)
        self._rest = data[whole:]
        self._decode(data[:whole])

    def finish(self) -> bytes | None:
        """Return what was decoded; None where it was no base64."""
        last = self._rest.rstrip(b"=")
        self._decode(last + b"=" * (-len(last) % 4))
        if self._wrong or self._at_start:
            return None
        return b"".join(self._parts)

    def _decode(self, data: bytes) -> None:
        if self._wrong or not data:
            return
        if b"-" in data or b"_" in data:
            data = data.translate(_URL_SAFE)
        try:
            self._parts.append(pybase64.b64decode(data, validate=True))
        except binascii.Error:
            self._wrong, self._parts = True, []


def _unescaped(text: bytes) -> bytes:
    """The text without the escapes of base64; others stay, and are no base64."""
    if b"\\" in text:
        for escape, plain in _ESCAPES:
            text = text.replace(escape, plain)
    return text
