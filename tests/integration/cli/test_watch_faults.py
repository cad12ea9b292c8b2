"""`photochanger watch` with a service that is away or busy, a full disk, and a thousand photos."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from photochanger.entrypoints.cli.send.client import Photo, SendResult, make_client
from photochanger.entrypoints.cli.send.target import make_target
from photochanger.entrypoints.cli.watch import loop as loops
from photochanger.entrypoints.cli.watch import photo_run
from photochanger.entrypoints.cli.watch.folders import WatchFolders, prepare_folders
from photochanger.entrypoints.cli.watch.journal import JOURNAL_NAME, Journal
from photochanger.entrypoints.cli.watch.loop import FolderWatch
from photochanger.entrypoints.cli.watch.photo_run import PhotoEnd, PhotoRuns
from photochanger.entrypoints.cli.watch.scanner import FolderScanner

from tests.support import photos
from tests.support.hot_folder import HotFolder
from tests.support.http_server import PICTURE
from tests.support.sender import Stub, answer, answering, read_until

pytestmark = pytest.mark.anyio

GOOD = answer(200, PICTURE, X_Job_Id="3f8a")


@pytest.fixture
def hot(tmp_path: Path) -> HotFolder:
    return HotFolder(tmp_path / "booth")


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_run, "MIN_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(loops, "AWAY_SECONDS", 0.0)
    monkeypatch.setattr(loops, "LOOK_SECONDS", 0.0)


class Quiet:
    """A display that keeps the ends."""

    def __init__(self) -> None:
        self.ended: list[SendResult] = []

    def starts(self, photo: Photo, size_bytes: int) -> None: ...

    def advances(self, photo: Photo, sent_bytes: int) -> None: ...

    def pauses(self, photo: Photo, seconds: float, code: str) -> None: ...

    def ends(self, photo: Photo, sent: SendResult) -> None:
        self.ended.append(sent)


class InProcess:
    """A watch in this process, whose folders a test may change."""

    def __init__(self, hot: HotFolder) -> None:
        prepare_folders(hot.folder, hot.output)
        journal = Journal(hot.folder / JOURNAL_NAME)
        self.folders = WatchFolders(hot.folder, hot.output, journal, now=lambda: datetime.now(UTC))
        self.display = Quiet()
        self.lines: list[str] = []

    async def once(self, url: str) -> FolderWatch:
        target = make_target(url, "slot-001", password="secret", fields=(), timeout_seconds=60)
        stop = asyncio.Event()
        async with make_client(target, at_once=2) as http:
            runs = PhotoRuns(http, target, self.folders, progress=self.display, stop=stop)
            scanner = FolderScanner(self.folders.folder)
            watch = FolderWatch(scanner, runs, folder=self.folders.folder, at_once=2, notify=self.lines.append)
            await watch.run(stop, once=True)
        return watch


async def test_a_service_that_is_away_is_waited_for(hot: HotFolder) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))  # refuses connections until it listens
        stub = Stub(GOOD)
        hot.photo("a.jpg")
        async with hot.watching(url=f"http://127.0.0.1:{place.getsockname()[1]}") as process:
            await read_until(process, b"a.jpg: unreachable, retry in 2 s")
            async with await asyncio.start_server(stub, sock=place):
                await read_until(process, b"a.jpg: picture")
    assert hot.pictures() == ["a.jpg"]
    assert hot.names("done") == ["a.jpg"]


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("status", [401, 403, 404, 409, 500, 503])
async def test_what_is_not_the_fault_of_the_photo_is_waited_for(hot: HotFolder, status: int) -> None:
    hot.photo("a.jpg")
    refusal = answer(status, kind="text/html", Retry_After="0")
    async with answering(*[refusal] * 12, GOOD) as stub:
        await InProcess(hot).once(stub.url)
    assert hot.pictures() == ["a.jpg"]


@pytest.mark.usefixtures("no_pauses")
async def test_every_try_of_a_photo_has_the_same_key_and_another_photo_has_another(hot: HotFolder) -> None:
    hot.photo("a.jpg")
    async with answering(answer(503, Retry_After="0"), answer(502), b"garbage\r\n\r\n", GOOD) as stub:
        watch = InProcess(hot)
        await watch.once(stub.url)
        first = {stub.header(request, "idempotency-key") for request in range(len(stub.heads))}
        hot.photo("b.jpg", photos.png())
        await watch.once(stub.url)
    assert len(first) == 1
    assert first != {stub.header(-1, "idempotency-key")}


@pytest.mark.usefixtures("no_pauses")
async def test_a_full_disk_costs_no_second_picture(hot: HotFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service answers the same key with the same picture."""
    hot.photo("a.jpg")
    watch = InProcess(hot)
    save, failures = watch.folders.save, iter([OSError(28, "No space left on device")] * 2)

    def full_at_first(*arguments: Any, **options: Any) -> Path:
        if error := next(failures, None):
            raise error
        return save(*arguments, **options)

    monkeypatch.setattr(watch.folders, "save", full_at_first)
    async with answering(GOOD) as stub:
        await watch.once(stub.url)
    assert len({stub.header(request, "idempotency-key") for request in range(len(stub.heads))}) == 1
    assert len(stub.heads) == 3
    assert hot.pictures() == ["a.jpg"]


@pytest.mark.usefixtures("no_pauses")
async def test_a_photo_that_another_program_has_open_is_tried_again(
    hot: HotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot.photo("a.jpg")
    watch = InProcess(hot)
    checksum, move = photo_run.sha256_of, watch.folders.move_done
    faults = {"read": 1, "move": 1}

    def once(kind: str) -> None:
        if faults.pop(kind, 0):
            raise PermissionError(13, "The process cannot access the file")

    def read(path: Path) -> str:
        once("read")
        return checksum(path)

    def moved(name: str) -> None:
        once("move")
        move(name)

    monkeypatch.setattr(photo_run, "sha256_of", read)
    monkeypatch.setattr(watch.folders, "move_done", moved)
    async with answering(GOOD) as stub:
        await watch.once(stub.url)
    assert len(stub.heads) == 1
    assert hot.pictures() == ["a.jpg"]
    assert hot.names("done") == ["a.jpg"]
    assert len(watch.lines) == 2
    assert not faults


@pytest.mark.usefixtures("no_pauses")
async def test_a_picture_that_was_saved_before_a_crash_is_written_again_under_its_name(hot: HotFolder) -> None:
    photo = hot.photo("a.jpg")
    watch = InProcess(hot)
    sha256 = photo_run.sha256_of(photo)
    watch.folders.save(Photo(photo, "a.jpg", 1), sha256, b"before the crash", extension="jpg", job_id="3f8a")
    async with answering(GOOD) as stub:
        await InProcess(hot).once(stub.url)
    assert hot.pictures() == ["a.jpg"]
    assert photos.load(hot.output / "a.jpg") == PICTURE


@pytest.mark.usefixtures("no_pauses")
async def test_a_thousand_photos_are_all_sent_once(hot: HotFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # what is durable is tested elsewhere
    monkeypatch.setattr(loops, "LOOK_SECONDS", 0.1)
    photo = photos.jpeg(64, 48)
    names = [f"IMG_{number:04}.jpg" for number in range(1000)]
    for number, name in enumerate(names):
        (hot.folder / name).write_bytes(photo + number.to_bytes(2, "big"))
    async with answering(GOOD) as stub:
        watch = await InProcess(hot).once(stub.url)
    assert watch.ends == {PhotoEnd.PICTURE: 1000}
    assert hot.pictures() == hot.names("done") == names
    assert len(stub.heads) == len({head.lower().partition("idempotency-key: ")[2][:90] for head in stub.heads}) == 1000
    assert hot.names() == []
