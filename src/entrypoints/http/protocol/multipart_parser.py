"""A push parser of multipart bodies that takes what camera software sends, with bounds on everything (ADR 42).

Lines may end with LF or CRLF, boundaries may be padded, headers may be folded, in any case and any charset. The same
bytes give the same parts however they are cut. Work is linear, memory is bounded by one chunk and one part's head.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

import msgspec

from ....core.domain.errors import InvalidMultipart, UploadInterrupted
from .charsets import decode
from .parameters import parse_parameters, text_parameter

MAX_HEAD_BYTES = 8 * 1024
"""Maximum size of the headers of a part."""

MAX_HEADERS = 32
MAX_PREAMBLE_BYTES = 16 * 1024
MAX_BOUNDARY_CHARS = 200

_TAIL = rb"(?:(?P<closing>--)|[ \t]{0,256}\r?\n|(?P<unknown>-?\Z|[ \t]{0,256}\r?\Z))"
"""What follows a boundary; with anything else it is content that looks like one."""


class PartHead(msgspec.Struct, frozen=True):
    """What the headers of a part say. `filename` is None where there is none, empty for a file input without a file."""

    name: str = ""
    filename: str | None = None
    content_type: str | None = None
    charset: str | None = None
    transfer_encoding: str = ""


Event = PartHead | bytes | None
"""The head of a part, its bytes, None at its end."""


class _State(enum.Enum):
    PREAMBLE = enum.auto()
    HEAD = enum.auto()
    CONTENT = enum.auto()
    CLOSED = enum.auto()


class _Tail(enum.Enum):
    """What follows a boundary."""

    PART = enum.auto()
    CLOSING = enum.auto()
    UNKNOWN = enum.auto()


def boundary_of(content_type: str) -> bytes:
    """The boundary in a Content-Type header. InvalidMultipart."""
    if len(content_type) > MAX_HEAD_BYTES:
        raise InvalidMultipart("The Content-Type header is too long.")
    kind, parameters = parse_parameters(content_type)
    if kind != "multipart/form-data":
        raise InvalidMultipart("The Content-Type must be multipart/form-data.")
    boundary = parameters.get("boundary", "")
    if not boundary:
        raise InvalidMultipart("The Content-Type header has no boundary.")
    if len(boundary) > MAX_BOUNDARY_CHARS:
        raise InvalidMultipart(f"The boundary is longer than {MAX_BOUNDARY_CHARS} characters.")
    return boundary.encode("latin-1", "replace")


class MultipartParser:
    """Parses one body. Feed it chunks of any size, consume all events of one before the next, then call `end`."""

    def __init__(self, boundary: bytes, *, max_parts: int) -> None:
        self._dashes = b"--" + boundary
        self._line = b"\n" + self._dashes
        self._boundary = re.compile(re.escape(self._dashes) + _TAIL)
        self._boundary_line = re.compile(re.escape(self._line) + _TAIL)
        self._max_parts = max_parts
        self._parts = 0
        self._state = _State.PREAMBLE
        self._rest = b""
        self._line_start = True
        """Whether the rest begins a line, where a boundary needs no line end before it."""

        self._strip_cr = True
        """Whether the line end before the next boundary may be CRLF: not in a part whose head ends its lines by LF."""

        self._preamble_bytes = 0
        self._head_bytes = 0
        self._headers: list[bytes] = []

    @property
    def closed(self) -> bool:
        """Whether the closing boundary was read; what follows is not part of the form."""
        return self._state is _State.CLOSED

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events in these bytes. InvalidMultipart."""
        data, at, waits = self._rest + chunk, 0, False
        while not waits and not self.closed:
            if self._state is _State.HEAD:
                at, head = self._read_head(data, at)
                waits = head is None
                if head is not None:
                    yield head
                continue
            end, after, tail = self._find_boundary(data, at)
            if end > at:
                self._line_start = False
                if self._state is _State.CONTENT:
                    yield data[at:end]
                else:
                    self._count_preamble(end - at)
            at, waits = after, tail is _Tail.UNKNOWN
            if not waits:
                if self._state is _State.CONTENT:
                    yield None
                self._begin_part(closing=tail is _Tail.CLOSING)
        self._rest = b"" if self.closed else data[at:]

    def end(self) -> None:
        """Note the end of the body: InvalidMultipart where it was no form, UploadInterrupted where it is incomplete."""
        if self._state is _State.PREAMBLE:
            raise InvalidMultipart("The body does not contain the boundary that its Content-Type names.")
        if self._state is _State.HEAD:
            self._require_no_boundary(self._rest)
        if self._state is not _State.CLOSED:
            raise UploadInterrupted("The form ends before its closing boundary: the upload is incomplete.")

    def _begin_part(self, *, closing: bool) -> None:
        self._state = _State.CLOSED if closing else _State.HEAD
        self._parts += not closing
        if self._parts > self._max_parts:
            raise InvalidMultipart(f"The form has more than {self._max_parts} parts.")
        self._head_bytes, self._headers = 0, []

    def _count_preamble(self, count: int) -> None:
        self._preamble_bytes += count
        if self._preamble_bytes > MAX_PREAMBLE_BYTES:
            raise InvalidMultipart("The body does not begin with the boundary that its Content-Type names.")

    def _find_boundary(self, data: bytes, at: int) -> tuple[int, int, _Tail]:
        """Where the content ends that is known, where to go on from, and what is there; UNKNOWN: more bytes decide."""
        if self._line_start:
            if len(data) - at < len(self._dashes) and self._dashes.startswith(data[at:]):
                return at, at, _Tail.UNKNOWN
            if (match := self._boundary.match(data, at)) is not None:
                tail = _tail(match)
                return at, at if tail is _Tail.UNKNOWN else match.end(), tail
        found = data.find(self._line, at)  # much faster than the expression, which photos never need
        match = self._boundary_line.search(data, found) if found >= 0 else None
        if match is None:
            known = max(len(data) - len(self._line), at)  # the rest may be CR, LF and the start of a boundary
            return known, known, _Tail.UNKNOWN
        end, tail = match.start(), _tail(match)
        end -= self._strip_cr and end > at and data[end - 1] == 0x0D
        return end, end if tail is _Tail.UNKNOWN else match.end(), tail

    def _read_head(self, data: bytes, at: int) -> tuple[int, PartHead | None]:
        """Read whole lines; the head once it has ended."""
        while (end := data.find(b"\n", at)) >= 0:
            self._head_bytes += end + 1 - at
            self._require_small_head(self._head_bytes)
            line = data[at:end].removesuffix(b"\r")
            self._require_no_boundary(line)
            at = end + 1
            if not line:
                self._state, self._line_start = _State.CONTENT, True
                self._strip_cr = data[end - 1 : end] == b"\r"
                return at, _head(self._headers)
            if line[:1] in (b" ", b"\t") and self._headers:
                self._headers[-1] += b" " + line.strip()
            else:
                self._headers.append(line)
            if len(self._headers) > MAX_HEADERS:
                raise InvalidMultipart(f"A part of the form has more than {MAX_HEADERS} headers.")
        self._require_small_head(self._head_bytes + len(data) - at)
        return at, None

    def _require_no_boundary(self, line: bytes) -> None:
        if line.startswith(self._dashes) and line.removeprefix(self._dashes).rstrip() in (b"", b"--"):
            raise InvalidMultipart("A part of the form has no empty line after its headers.")

    def _require_small_head(self, size: int) -> None:
        if size > MAX_HEAD_BYTES:
            raise InvalidMultipart(f"The headers of a part of the form exceed {MAX_HEAD_BYTES} bytes.")


def _tail(match: re.Match[bytes]) -> _Tail:
    return {None: _Tail.PART, "closing": _Tail.CLOSING, "unknown": _Tail.UNKNOWN}[match.lastgroup]


def _head(lines: list[bytes]) -> PartHead:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = decode(line).partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    _, disposition = parse_parameters(headers.get("content-disposition", ""))
    content_type = headers.get("content-type")
    _, options = parse_parameters(content_type or "")
    return PartHead(
        name=(text_parameter(disposition, "name") or "").strip(),
        filename=text_parameter(disposition, "filename"),
        content_type=content_type,
        charset=options.get("charset"),
        transfer_encoding=headers.get("content-transfer-encoding", "").lower(),
    )
