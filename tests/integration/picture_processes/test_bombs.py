"""Bombs: whatever a picture is made of, its work is bounded in processor time and memory, and others are served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from photochanger.adapters.imaging import ChildPool, ForkServer, ImageTools
from photochanger.adapters.imaging.children import Content
from photochanger.adapters.imaging.children.limits import MIB, TASK_LIMITS, TaskLimits
from photochanger.adapters.imaging.children.pixel_budget import PixelBudget
from photochanger.adapters.imaging.picture_tasks import (
    Normalise,
    Prepare,
    Preview,
    Request,
    encode_request,
    made_picture,
    made_preview,
)
from photochanger.core.domain.errors import PhotoChangerError, UndecodableImage
from photochanger.core.domain.media import ImageLimits, PictureNeeds

from tests.support import child_work, photos
from tests.support import hostile_pictures as hostile

pytestmark = pytest.mark.anyio

LIMITS = ImageLimits(max_pixels=100_000_000)
PATIENT = TaskLimits(wall=timedelta(minutes=10))
"""The limits of production, but for the time of a machine that does other things as well."""

ANYTHING = PictureNeeds(("image/jpeg", "image/png", "image/webp"), 64 * MIB, 100_000_000)
WIDTH, HEIGHT = 1_600, 1_200
REQUESTS: dict[str, Request] = {
    "full size": Prepare(PictureNeeds(("image/jpeg",), 64 * MIB, 100_000_000)),
    "smaller": Prepare(PictureNeeds(("image/jpeg",), MIB, 500_000)),
    "with a preview": Prepare(ANYTHING, with_preview=True),
    "normalise": Normalise(LIMITS),
    "preview": Preview(),
}
EITHER = ""
"""Decoders do not agree whether it is a picture."""

BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "scans": (lambda: hostile.jpeg_scans_of_noise(WIDTH, HEIGHT), EITHER),
    "too many scans": (lambda: hostile.jpeg_scans_of_noise(WIDTH, HEIGHT, 101), "undecodable_image"),
    "interlaced": (lambda: hostile.png_interlaced(WIDTH, HEIGHT), "ok"),
    "text": (hostile.png_text_bomb, "ok"),
    "chunks": (lambda: hostile.png_chunks(1_000_000), "undecodable_image"),
    "animation": (lambda: hostile.webp_animation(WIDTH, HEIGHT), "ok"),
    "one colour": (lambda: hostile.heic_of_one_colour(WIDTH, HEIGHT), "ok"),
    "size": (lambda: hostile.png_of_size(65_535, 65_535), "image_too_large"),
    "pixels that are not there": (lambda: hostile.png_of_size(10_000, 10_000), "undecodable_image"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer([child_work.HERE, "photochanger.adapters.imaging.operations", "pillow_heif"])
    yield server
    server.close()


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_ends_in_bounded_time_and_memory(server: ForkServer, name: str) -> None:
    build, outcome = BOMBS[name]
    bomb = await asyncio.to_thread(build)
    children = ChildPool(server, size=1, limits=PATIENT)
    took = {"mib": 0, "seconds": 0.0}
    outcomes = {}
    for kind, request in REQUESTS.items():
        answer = await children.run(f"{child_work.HERE}:measured", encode_request(request), [bomb])
        before, took = took, json.loads(answer.contents[-1])
        try:
            made = Content(answer.header, answer.contents[:-1])
            made_preview(made) if kind == "preview" else made_picture(made, was=bomb)
            outcomes[kind] = "ok"
        except PhotoChangerError as error:
            outcomes[kind] = error.code
        pixels = 100_000_000 if name == "pixels that are not there" else WIDTH * HEIGHT
        assert took["mib"] * MIB <= TASK_LIMITS.memory(pixels), kind
        assert took["seconds"] - before["seconds"] <= TASK_LIMITS.cpu(pixels) + 1, kind
    await children.close()
    assert set(outcomes.values()) <= ({outcome} if outcome != EITHER else {"ok", "undecodable_image"})


async def test_a_picture_that_needs_more_memory_than_it_may_take_is_refused(server: ForkServer) -> None:
    bomb = await asyncio.to_thread(hostile.png_interlaced, 4_000, 3_000)
    children = ChildPool(server, limits=TaskLimits(memory_bytes=100 * MIB, memory_bytes_per_pixel=1))
    with pytest.raises(UndecodableImage):
        await ImageTools(children).normalise(bomb, limits=LIMITS)
    assert await ImageTools(children).preview(photos.jpeg(320, 240))
    await children.close()


async def test_other_photos_are_served_meanwhile(server: ForkServer, tmp_path: Path) -> None:
    """A hostile photo in one child that never ends, and another one that ends its children."""
    photos.store(tmp_path / "notes", b"")
    with (tmp_path / "notes").open("r+b") as notes:
        children = ChildPool(server, size=2, limits=PATIENT, budget=PixelBudget(2 * WIDTH * HEIGHT))
        hangs = asyncio.create_task(
            children.run(f"{child_work.HERE}:wait_for_ever", b"%d" % (WIDTH * HEIGHT), [notes.fileno()])
        )
        tools, photo = ImageTools(children), photos.jpeg(640, 480)
        dies = [asyncio.create_task(children.run(f"{child_work.HERE}:die", b"11", [notes.fileno()])) for _ in range(3)]
        previews = await asyncio.gather(*(tools.preview(photo) for _ in range(5)))
        assert len(set(previews)) == 1
        assert not hangs.done()
        await asyncio.wait(dies)
        assert all(task.exception() is not None for task in dies)
        hangs.cancel()
        await asyncio.wait([hangs])
    await children.close()
