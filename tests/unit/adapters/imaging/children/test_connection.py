"""What a parent makes of what a child sends: a child that a hostile picture has taken over gains nothing by it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest
from photochanger.adapters.imaging.children.connection import Child, ChildEnded, NotBegun
from photochanger.adapters.imaging.children.limits import TASK_LIMITS
from photochanger.adapters.imaging.children.messages import (
    MAX_FILES,
    Begun,
    BrokenFrame,
    Done,
    Ended,
    NotStarted,
    PixelsClaimed,
    Task,
    framed,
)
from photochanger.adapters.imaging.children.shared_files import SharedFiles, content_of, write_content

pytestmark = pytest.mark.anyio

TASK = Task("there:nothing", b"", (), TASK_LIMITS)


class Peer:
    """The other end of a connection, in the place of a child process."""

    def __init__(self) -> None:
        ours, self.end = socket.socketpair()
        ours.setblocking(False)
        self.child = Child(1, ours)
        self.claimed: list[int] = []

    async def claim(self, pixels: int) -> None:
        self.claimed.append(pixels)

    async def perform(self, *frames: bytes, files: Sequence[int] = ()) -> tuple[Done, list[int]]:
        """Perform a task to which these frames are the answer, the files beside the last one."""
        for frame in frames[:-1]:
            self.end.send(frame)
        socket.send_fds(self.end, frames[-1:], files)
        self.end.shutdown(socket.SHUT_WR)
        return await self.child.perform(TASK, (), self.claim)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    yield peer
    peer.child.close()
    peer.end.close()


BEGUN = framed(Begun())


async def test_an_answer_that_arrives_in_pieces_is_put_together(peer: Peer) -> None:
    whole = BEGUN + framed(PixelsClaimed(7)) + framed(Done(b"header", (), 5))
    performing = asyncio.create_task(peer.child.perform(TASK, (), peer.claim))
    for byte in whole:
        await asyncio.sleep(0)
        peer.end.send(bytes([byte]))
    done, files = await performing
    assert (done.header, files, peer.claimed) == (b"header", [], [7])


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\3abc",
        b"\0\0\0\0",
        b"\0\0\0\4" + b"\xc0" * 4,
        framed(Done(b"", (5,), 0)),
        framed(Done(b"", (1,) * (MAX_FILES + 1), 0)),
        framed(PixelsClaimed(-1)),
        framed(PixelsClaimed(1)) * 2,
        framed(Ended(-11)),
        framed(Ended(0)),
        b"\0\0",
        msgspec.msgpack.encode(Done(b"", (), 0)),
        framed(TASK),
    ],
    ids=[
        "long",
        "text",
        "empty",
        "nulls",
        "no file",
        "sizes",
        "negative",
        "twice",
        "killed",
        "exit",
        "cut off",
        "no length",
        "task",
    ],
)
async def test_what_is_no_answer_ends_the_child(peer: Peer, frame: bytes) -> None:
    with pytest.raises(ChildEnded):
        await peer.perform(BEGUN, frame)


@pytest.mark.parametrize("frames", [[b""], [framed(Ended(1))], [framed(NotStarted("no memory"))]])
async def test_a_child_that_ends_before_its_task_is_no_fault_of_the_picture(peer: Peer, frames: list[bytes]) -> None:
    if frames == [b""]:
        peer.end.close()
        with pytest.raises(NotBegun):
            await peer.child.perform(TASK, (), peer.claim)
        return
    with pytest.raises(NotBegun):
        await peer.perform(*frames)


async def test_more_files_than_announced_are_closed_with_the_connection(peer: Peer) -> None:
    reading, writing = os.pipe()
    done, files = await peer.perform(BEGUN, framed(Done(b"", (), 0)), files=[writing] * 3)
    assert (done.sizes, files) == ((), [])
    os.close(writing)
    peer.child.close()
    assert os.read(reading, 1) == b"", "an end of the pipe is still open"
    os.close(reading)


async def test_more_files_than_a_frame_may_have_end_the_child(peer: Peer) -> None:
    with pytest.raises(ChildEnded):
        await peer.perform(BEGUN, framed(Done(b"", (1,), 0)), files=[0] * (MAX_FILES + 1))


async def test_a_file_that_is_none_or_too_short_is_not_read() -> None:
    files = SharedFiles()
    write_content(files.file(0), b"four")
    reading, writing = os.pipe()
    for file, size in ((files.file(0), 5), (files.file(0), -2), (reading, 0), (reading, -1)):
        with pytest.raises(BrokenFrame):
            content_of(file, size)
    assert content_of(files.file(0), 4) == b"four"
    files.close()
    os.close(reading)
    os.close(writing)


def test_a_longer_content_leaves_nothing_in_the_next_one() -> None:
    files = SharedFiles()
    file = files.file(0)
    write_content(file, b"a long content")
    write_content(file, b"short")
    assert content_of(file, 5) == b"short"
    files.close()
