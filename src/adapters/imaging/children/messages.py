"""What a process and a child say to each other: frames of msgpack on a socket pair, with open files with them.

The parent trusts no child, which a hostile picture may have taken over: frames and files are counted and bounded, and
nothing that arrives is executed.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable

import msgspec

from .limits import TaskLimits

MAX_FRAME_BYTES = 256 * 1024
MAX_FILES = 16
"""Files with one frame: a photo and its templates."""

WHOLE = -1

OUT_OF_MEMORY = 12
"""Exit code of a child whose task needed more memory than it may have."""

_LENGTH_BYTES = 4
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Task(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """From the parent: call the function `work` ("module:name") with this header and the files with the frame.

    `sizes`: how many bytes of each file count; WHOLE for all.
    """

    work: str
    header: bytes
    sizes: tuple[int, ...]
    limits: TaskLimits


class Granted(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """From the parent: the pixels that were claimed may be decoded."""


class Begun(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """From the child: the task has arrived."""


class PixelsClaimed(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """From the child: wait until this many pixels may be decoded."""

    pixels: int


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """From the child: what the function returned; `sizes` of its contents, which are in the files with the frame."""

    header: bytes
    sizes: tuple[int, ...]
    resident_bytes: int


class Failed(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """From the child: the function raised an error that it does not know; `where` is a stack without values."""

    error: str
    where: str


class Ended(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """From the fork server, the last frame of a child: its exit code, or the negative number of a signal."""

    code: int


class NotStarted(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """From the fork server, the only frame of a child that could not be started."""

    reason: str


ToChild = Task | Granted
FromChild = Begun | PixelsClaimed | Done | Failed | Ended | NotStarted

_to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
_from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
_encoder = msgspec.msgpack.Encoder()


class BrokenFrame(Exception):
    """The other side sent what is no frame."""


class FrameBuffer:
    """Bytes and files that have arrived, until they are a frame. Owns the files until they are taken."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._files: list[int] = []

    def receive(self, connection: socket.socket) -> bool:
        """Read once; False at the end of the stream. BlockingIOError where nothing has arrived, BrokenFrame."""
        data, files, flags, _ = socket.recv_fds(connection, 65_536, MAX_FILES, _CLOSE_ON_EXEC)
        self._files += files
        if not _CLOSE_ON_EXEC:
            for file in files:
                os.set_inheritable(file, False)
        if flags & getattr(socket, "MSG_CTRUNC", 0) or len(self._files) > MAX_FILES:
            raise BrokenFrame("too many files")
        self._data += data
        return bool(data)

    def frame(self) -> bytes | None:
        """Take the next whole frame; None where it has not arrived. BrokenFrame."""
        if len(self._data) < _LENGTH_BYTES:
            return None
        end = _LENGTH_BYTES + int.from_bytes(self._data[:_LENGTH_BYTES], "big")
        if end > MAX_FRAME_BYTES:
            raise BrokenFrame("a frame is too long")
        if len(self._data) < end:
            return None
        frame = bytes(self._data[_LENGTH_BYTES:end])
        del self._data[:end]
        return frame

    def take_files(self, count: int) -> list[int]:
        """Take the files of a frame, in their order; the caller closes them. BrokenFrame."""
        if not 0 <= count <= len(self._files):
            raise BrokenFrame("files are missing")
        taken, self._files = self._files[:count], self._files[count:]
        return taken

    def close(self) -> None:
        """Close the files that were not taken."""
        close_files(self._files)
        self._files = []


def framed(message: ToChild | FromChild) -> bytes:
    """A message as a frame; ValueError where it is too long."""
    body = _encoder.encode(message)
    if len(body) + _LENGTH_BYTES > MAX_FRAME_BYTES:
        raise ValueError(f"the message has {len(body)} bytes, more than a frame may have")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def message_to_child(frame: bytes) -> ToChild:
    """Decode a frame from the parent. BrokenFrame."""
    try:
        return _to_child.decode(frame)
    except msgspec.MsgspecError as error:
        raise BrokenFrame(str(error)) from None


def message_from_child(frame: bytes) -> FromChild:
    """Decode a frame from a child. BrokenFrame."""
    try:
        return _from_child.decode(frame)
    except msgspec.MsgspecError as error:
        raise BrokenFrame(str(error)) from None


def close_files(files: Iterable[int]) -> None:
    """Close open files."""
    for file in files:
        with contextlib.suppress(OSError):
            os.close(file)
