"""Results: proven, then stored, and recorded meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import pytest
from photochanger.adapters.memory import FakeClock, MemoryBegunFiles, MemoryMediaStore
from photochanger.core.domain.errors import PhotoChangerError, UndecodableImage, UnsupportedMediaType
from photochanger.core.domain.media import ImageLimits, MediaKey
from photochanger.core.ports.image_tool import PreviewedPicture
from photochanger.core.services.media.recorded_store import RecordedMediaStore
from photochanger.core.services.media.result_pictures import ResultPictures

from tests.support.text_images import TextImages

pytestmark = pytest.mark.anyio

JOB = UUID(int=7)
LIMITS = ImageLimits(max_pixels=1_000_000)


class Records(MemoryBegunFiles):
    def __init__(self) -> None:
        super().__init__()
        self.recorded = asyncio.Event()

    async def add(self, keys: Collection[MediaKey], *, now: datetime) -> None:
        await super().add(keys, now=now)
        self.recorded.set()


class Images(TextImages):
    """Pictures that are proven once something else has happened."""

    def __init__(self, until: asyncio.Event) -> None:
        super().__init__()
        self._until = until

    async def normalise(self, data: bytes, *, limits: ImageLimits, with_preview: bool = True) -> PreviewedPicture:
        await self._until.wait()
        return await super().normalise(data, limits=limits, with_preview=with_preview)


async def test_a_result_is_recorded_while_it_is_proven() -> None:
    records, files = Records(), MemoryMediaStore()
    pictures = ResultPictures(RecordedMediaStore(files, records, FakeClock()), Images(records.recorded))
    async with asyncio.timeout(180):
        stored, _ = await pictures.store(JOB, b"WEBP 600x400 an answer of the provider", limits=LIMITS)
    assert [*files.files] == [stored.file.key]
    assert (stored.mime, stored.file.key.name.rpartition(".")[2]) == ("image/webp", "webp")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"JPEG 600x400 torn in the middle, as it is", UndecodableImage),
        (b"an error of the service, as a text", UnsupportedMediaType),
    ],
)
async def test_an_answer_that_is_no_picture_leaves_no_file(answer: bytes, error: type[PhotoChangerError]) -> None:
    files = MemoryMediaStore()
    pictures = ResultPictures(RecordedMediaStore(files, Records(), FakeClock()), TextImages())
    with pytest.raises(error):
        await pictures.store(JOB, answer, limits=LIMITS)
    assert not files.files
