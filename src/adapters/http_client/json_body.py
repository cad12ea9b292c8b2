"""JSON requests with pictures in them: base64 is made while it is sent, so that no copy of a picture is held for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import msgspec
import pybase64

_CHUNK_BYTES = 3 * 64 * 1024
"""Divisible by three, so that the pieces join without padding."""


class DataUri(msgspec.Struct, frozen=True):
    """A picture that is sent as a data URI (RFC 2397), as services want that take addresses of pictures."""

    mime: str
    data: bytes

    def __repr__(self) -> str:
        return f"DataUri({self.mime}, {len(self.data)} bytes)"

    @property
    def size_bytes(self) -> int:
        """The length of the URI."""
        return len(_head(self.mime)) + -(-len(self.data) // 3) * 4


class JsonBody:
    """A JSON document in which every `bytes` value of lists and mappings is sent as base64, a DataUri as its URI."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._pictures: list[bytes] = []
        self._mark = uuid4().hex
        encoded = msgspec.json.encode(self._marked(document))
        self._texts = encoded.split(self._mark.encode())

    def __repr__(self) -> str:
        return f"JsonBody({self.size_bytes} bytes)"

    @property
    def size_bytes(self) -> int:
        """The length of the encoded document."""
        return sum(map(len, self._texts)) + sum(-(-len(picture) // 3) * 4 for picture in self._pictures)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for text, picture in zip(self._texts, (*self._pictures, b""), strict=True):
            yield text
            for start in range(0, len(picture), _CHUNK_BYTES):
                yield pybase64.b64encode(picture[start : start + _CHUNK_BYTES])

    def _marked(self, value: Any) -> Any:
        if isinstance(value, bytes):
            self._pictures.append(value)
            return self._mark
        if isinstance(value, DataUri):
            self._pictures.append(value.data)
            return _head(value.mime) + self._mark
        if isinstance(value, Mapping):
            return {name: self._marked(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._marked(each) for each in value]
        return value


def _head(mime: str) -> str:
    return f"data:{mime};base64,"
