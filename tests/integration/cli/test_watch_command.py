"""`photochanger watch` as a booth runs it: a process of its own, against the live service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from photochanger.core.ports.provider import Rejected

from tests.support import photos
from tests.support.hot_folder import HotFolder
from tests.support.http_server import PICTURE, Gate, Service, serving
from tests.support.sender import held, read_until, url_of
from tests.support.windows import WITHOUT_UNIX

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path / "home") as running:
        yield running


@pytest.fixture
def hot(tmp_path: Path) -> HotFolder:
    return HotFolder(tmp_path / "booth")


async def test_a_photo_becomes_a_picture_of_the_same_name_and_moves_to_done(service: Service, hot: HotFolder) -> None:
    photo = photos.load(hot.photo())
    done = await hot.once(url=url_of(service))
    assert done.code == 0, done.errors
    assert hot.pictures() == ["IMG_0001.jpg"]
    assert photos.load(hot.output / "IMG_0001.jpg") == PICTURE
    assert hot.names() == []
    assert photos.load(hot.folder / "done" / "IMG_0001.JPG") == photo
    assert "1 pictures, 0 failed, 0 duplicates" in done.out


async def test_photos_that_appear_later_are_sent_and_hidden_or_unfinished_files_are_not(
    service: Service, hot: HotFolder
) -> None:
    async with hot.watching(url=url_of(service)) as process:
        seen = await read_until(process, b"Watching")
        (hot.folder / ".hidden.jpg").write_bytes(photos.jpeg())
        copying = hot.photo("b.jpg.part", photos.jpeg(168, 120))
        hot.photo("a.jpg")
        await read_until(process, b"a.jpg: picture")
        assert hot.pictures() == ["a.jpg"]
        copying.rename(hot.folder / "b.jpg")
        await read_until(process, b"b.jpg: picture")
    assert hot.pictures() == ["a.jpg", "b.jpg"]
    assert hot.names("done") == ["a.jpg", "b.jpg"]
    assert b"Traceback" not in seen


async def test_two_photos_of_one_stem_get_two_pictures(service: Service, hot: HotFolder) -> None:
    hot.photo("a.jpg")
    hot.photo("a.png", photos.png())
    await hot.once(url=url_of(service))
    assert hot.pictures() == ["a-2.jpg", "a.jpg"]
    assert hot.names("done") == ["a.jpg", "a.png"]


async def test_the_same_photo_is_sent_once_whatever_its_names(service: Service, hot: HotFolder) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        hot.photo(name)
    first = await hot.once(url=url_of(service))
    hot.photo("later.jpg")
    second = await hot.once(url=url_of(service))
    assert len(service.database.jobs) == 1
    assert "1 pictures, 0 failed, 2 duplicates" in first.out
    assert "0 pictures, 0 failed, 1 duplicates" in second.out
    assert hot.names("done") == ["a.jpg", "b.jpg", "c.jpg", "later.jpg"]


async def test_a_file_of_fields_becomes_metadata_and_moves_along(service: Service, hot: HotFolder) -> None:
    hot.photo("a.jpg")
    (hot.folder / "a.json").write_text(json.dumps({"guest": "Zoë", "table": 7}))
    await hot.once("--field", "event=gala", "--field", "guest=nobody", url=url_of(service))
    job = await service.only_job()
    assert job.metadata == {"event": "gala", "guest": "Zoë", "table": "7"}
    assert hot.names("done") == ["a.jpg", "a.json"]


async def test_a_photo_that_is_none_fails_with_the_reason_beside_it_and_may_be_put_back(
    service: Service, hot: HotFolder
) -> None:
    path = hot.photo("a.jpg", b"\xff\xd8 noise \xff\xd9")
    done = await hot.once(url=url_of(service))
    assert done.code == 1
    assert hot.names("failed") == ["a.jpg", "a.jpg.problem.json"]
    problem = hot.problem("a.jpg")
    assert problem["photo"] == "a.jpg"
    assert problem["status"] in (415, 422)
    (hot.folder / "failed" / "a.jpg").rename(path)
    again = await hot.once(url=url_of(service))
    assert "1 failed" in again.out


async def test_fields_that_cannot_be_read_fail_the_photo_before_it_is_sent(service: Service, hot: HotFolder) -> None:
    hot.photo("a.jpg")
    (hot.folder / "a.txt").write_text("nothing of use")
    done = await hot.once(url=url_of(service))
    assert done.code == 1
    assert hot.problem("a.jpg")["code"] == "sidecar_unusable"
    assert hot.names("failed") == ["a.jpg", "a.jpg.problem.json", "a.txt"]
    assert not service.database.jobs


async def test_a_picture_that_the_service_cannot_make_is_asked_for_again_then_fails(
    service: Service, hot: HotFolder
) -> None:
    async def refuse(request: Any) -> bytes:
        raise Rejected("No.")

    service.provider.script = refuse
    hot.photo("a.jpg")
    done = await hot.once(url=url_of(service))
    assert done.code == 1
    assert hot.problem("a.jpg")["code"] == "provider_failed"
    assert len(service.database.jobs) == 3


async def test_photos_wait_while_the_password_is_wrong(service: Service, hot: HotFolder) -> None:
    hot.photo("a.jpg")
    async with hot.watching(url=url_of(service), password="wrong") as process:
        await read_until(process, b"invalid_password, retry in 2 s")
    assert hot.names() == ["a.jpg"]
    await hot.once(url=url_of(service))
    assert hot.pictures() == ["a.jpg"]


async def test_a_killed_watch_goes_on_with_the_picture_that_was_made_meanwhile(
    service: Service, hot: HotFolder
) -> None:
    service.provider.script = gate = Gate()
    hot.photo("a.jpg")
    process = await hot.start(url=url_of(service))
    await held(gate, 1)
    process.kill()
    await process.wait()
    assert hot.names() == ["a.jpg"]
    async with hot.watching(url=url_of(service)) as again:
        gate.opened.set()
        await read_until(again, b"a.jpg: picture")
    assert hot.pictures() == ["a.jpg"]
    assert len(service.database.jobs) == 1


async def test_a_stopped_watch_ends_at_once_and_leaves_the_photo(service: Service, hot: HotFolder) -> None:
    service.provider.script = gate = Gate()
    hot.photo("a.jpg")
    async with hot.watching(url=url_of(service)):
        await held(gate, 1)
    assert hot.names() == ["a.jpg"]


async def test_a_folder_has_one_watch(service: Service, hot: HotFolder) -> None:
    async with hot.watching(url=url_of(service)) as process:
        await read_until(process, b"Watching")
        second = await hot.once(url=url_of(service))
    assert second.code == 2
    assert "watched by another process" in second.errors


async def test_folders_that_cannot_be_used_are_named_before_anything_is_sent(service: Service, tmp_path: Path) -> None:
    hot = HotFolder(tmp_path / "booth")
    hot.photo()
    hot.output = hot.folder
    same = await hot.once(url=url_of(service))
    assert (same.code, "--output" in same.errors) == (2, True)
    hot.output = hot.folder / "IMG_0001.JPG"
    taken = await hot.once(url=url_of(service))
    assert (taken.code, "--output" in taken.errors) == (2, True)
    hot.folder = tmp_path / "nowhere"
    missing = await hot.once(url=url_of(service))
    assert (missing.code, "is not a folder" in missing.errors) == (2, True)
    assert not service.database.jobs


async def test_a_folder_that_goes_away_is_waited_for(service: Service, hot: HotFolder, tmp_path: Path) -> None:
    async with hot.watching(url=url_of(service)) as process:
        await read_until(process, b"Watching")
        hot.folder.rename(tmp_path / "away")
        await read_until(process, b"cannot be read: No such file or directory; waiting")
        (tmp_path / "away").rename(hot.folder)
        hot.photo("a.jpg")
        await read_until(process, b"a.jpg: picture")
    assert hot.pictures() == ["a.jpg"]


async def test_watch_runs_without_what_windows_lacks(service: Service, hot: HotFolder) -> None:
    hot.photo("a.jpg")
    done = await hot.once(url=url_of(service), wrapper=WITHOUT_UNIX)
    assert done.code == 0, done.errors
    assert hot.pictures() == ["a.jpg"]
