"""Files move from one store to another, each whole, whatever interrupts the move."""

from __future__ import annotations

from datetime import timedelta

import pytest
from photochanger.adapters.memory import MemoryMediaStore
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.deadlines import ORPHAN_GRACE
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind, one_chunk
from photochanger.core.ports.repositories.file_records import OwnedFiles
from photochanger.core.services.maintenance.orphans import OrphanFiles
from photochanger.core.services.media.move import MediaMove, MoveReport

from tests.support.wiring import get_now
from tests.support.world import World, chunks, picture

pytestmark = pytest.mark.anyio


def shown_nowhere(report: MoveReport) -> None:
    """Show the report to no one."""


class Rig:
    """A world with a file of each kind in its store, and another store beside it."""

    def __init__(self) -> None:
        self.world = World()
        self.source = self.world.store
        self.target = MemoryMediaStore()

    async def fill(self, photos: int = 1) -> dict[MediaKey, bytes]:
        await self.world.slot()
        for number in range(photos):
            await self.world.submit(picture(str(number)))
            await self.world.work(within=timedelta(0))
        await self.world.submit(picture("waiting"))
        await self.world.media.register(chunks(picture("media")), mime="image/jpeg", max_bytes=1000)
        await self.world.templates.add(chunks(picture("template")), name="Gold", by=Actor("ada"))
        files: dict[MediaKey, bytes] = self.source.inner.files
        assert {key.kind for key in files} == {*MediaKind}
        return dict(files)

    def move(self, source: object, target: object) -> MediaMove:
        return MediaMove(
            source,  # type: ignore[arg-type]
            target,  # type: ignore[arg-type]
            owned=get_now(self.world.container, OwnedFiles),
            begun=self.world.begun_files,
            orphans=get_now(self.world.container, OrphanFiles),
            clock=self.world.clock,
        )

    async def run(self) -> MoveReport:
        work = self.move(self.source, self.target)
        await work.run(shown_nowhere)
        return work.report


async def test_all_files_move_there_and_back() -> None:
    rig = Rig()
    files = await rig.fill()
    assert await rig.run() == MoveReport(moved=len(files), moved_bytes=sum(map(len, files.values())))
    assert (rig.target.files, rig.source.inner.files) == (files, {})
    assert await rig.run() == MoveReport(there=len(files))
    back = rig.move(rig.target, rig.source)
    await back.run(shown_nowhere)
    assert (rig.target.files, rig.source.inner.files) == ({}, files)


@pytest.mark.parametrize("call", ["put", "size", "delete", "open"])
@pytest.mark.parametrize("times", range(1, 40, 3))
async def test_a_move_that_broke_off_is_continued_and_no_file_is_ever_in_neither_store(call: str, times: int) -> None:
    rig = Rig()
    files = await rig.fill(photos=3)
    left = times

    def breaking(owner: object, method: str) -> None:
        original = getattr(owner, method)

        def called(*args: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise StorageUnavailable("broken off")
            return original(*args, **options)

        setattr(owner, method, called)

    for store in (rig.source.inner, rig.target):
        breaking(store, call)
    try:
        await rig.run()
    except StorageUnavailable:
        assert {**rig.target.files, **rig.source.inner.files} == files
    await rig.run()
    assert (rig.target.files, rig.source.inner.files) == (files, {})


async def test_a_damaged_file_stays_where_it_is() -> None:
    rig = Rig()
    files = await rig.fill()
    (key,) = [key for key in files if key.kind is MediaKind.RESULTS]
    rig.source.inner.files[key] = files[key][:-1] + b"?"
    report = await rig.run()
    assert (report.damaged, report.moved) == (1, len(files) - 1)
    assert [*rig.source.inner.files] == [key]
    assert key not in rig.target.files


async def test_a_copy_that_is_not_whole_is_replaced() -> None:
    rig = Rig()
    files = await rig.fill()
    (key,) = [key for key in files if key.kind is MediaKind.RESULTS]
    rig.target.files[key] = files[key][:5]
    await rig.run()
    assert rig.target.files == files


async def test_what_is_in_neither_store_is_counted_unless_it_can_be_made_again() -> None:
    rig = Rig()
    files = await rig.fill()
    for key in files:
        if key.kind in (MediaKind.RESULTS, MediaKind.PREVIEWS):
            del rig.source.inner.files[key]
    assert await rig.run() == MoveReport(
        moved=len(rig.target.files), moved_bytes=sum(map(len, rig.target.files.values())), missing=1
    )


async def test_a_file_of_the_running_service_in_the_target_is_kept() -> None:
    """A preview that was made there again has another size than the one at the source."""
    rig = Rig()
    files = await rig.fill()
    key = next(key for key in files if key.kind is MediaKind.PREVIEWS)
    rig.target.files[key] = b"made again"
    await rig.run()
    assert rig.target.files == {**files, key: b"made again"}
    assert rig.source.inner.files == {}


async def test_orphans_are_deleted_at_the_source_and_their_records_stay() -> None:
    rig = Rig()
    await rig.fill()
    put = rig.world.recorded_store.put
    await put(MediaKind.RESULTS, "left", one_chunk(b"left"), max_bytes=9)
    await rig.world.clock.advance(ORPHAN_GRACE + timedelta(seconds=1))
    await put(MediaKind.RESULTS, "arriving", one_chunk(b"now"), max_bytes=9)
    await rig.run()
    assert [key.name for key in rig.source.inner.files] == ["arriving"]
    later = rig.world.clock.now() + timedelta(hours=1)
    names = [key.name for key in await rig.world.begun_files.before(later, MediaKind.RESULTS, limit=10)]
    assert "left" in names
