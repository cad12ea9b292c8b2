"""The plugin for photobooth-app in the real program, with a virtual camera."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import ProviderRequest
from PIL import Image

from tests.support import photos
from tests.support.http_server import PASSWORD, Gate, Service, serving
from tests.support.photobooth_app import Booth, missing, photobooth, until
from tests.support.sender import held

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

OIL, COMIC = "PhotoChanger.Oil", "PhotoChanger.Комикс"
STYLES = [{"name": "Oil", "slot": "slot-001"}, {"name": "Комикс", "slot": "slot-002"}]
GREEN, BLUE = (20, 180, 40), (30, 40, 200)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Service]:
    async with serving(tmp_path_factory.mktemp("service")) as running:
        for slot_id, colour in (("slot-001", GREEN), ("slot-002", BLUE)):
            await running.change_slot(slot_id, entries=(RouteEntry("scripted", "any", {"colour": [*colour]}),))
        yield running


@pytest.fixture(scope="module")
async def booth(tmp_path_factory: pytest.TempPathFactory, service: Service, anyio_backend: str) -> AsyncIterator[Booth]:
    folder: Path = tmp_path_factory.mktemp("booth")
    async with photobooth(folder, url=address(service), key=PASSWORD, styles=STYLES) as running:
        yield running
        assert PASSWORD not in running.log


@pytest.fixture(autouse=True)
async def painted(service: Service, booth: Booth) -> None:
    """Pictures are the colour of their slot; the plugin is as it is after its installation."""
    service.provider.script, service.provider.calls = paint, 0
    await booth.set(mode="wait", key=PASSWORD, url=address(service))


def address(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}/"


def painting(colour: tuple[int, ...], kind: str = "JPEG") -> bytes:
    return photos.encoded(Image.new("RGB", (300, 200), colour), kind)


async def paint(request: ProviderRequest) -> bytes:
    return painting(tuple(request.settings["colour"]))


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 12 for a, b in zip(one, other, strict=True))


async def test_a_capture_becomes_the_picture_of_its_slot_and_guests_choose_another(
    booth: Booth, service: Service
) -> None:
    assert {OIL, COMIC} <= {*await booth.filters()}
    id = await booth.capture(0)
    assert near(await booth.colour(id), GREEN)
    await booth.choose(id, COMIC)
    assert near(await booth.colour(id), BLUE)
    await booth.choose(id, "original")
    photo = await booth.colour(id)
    assert not near(photo, GREEN)
    assert not near(photo, BLUE)
    made = service.provider.calls
    for filter in (OIL, COMIC):
        preview = await booth.preview(id, filter)
        assert (preview.status_code, preview.content[:2]) == (200, b"\xff\xd8")
    assert service.provider.calls == made == 2, "previews spend no job"


async def test_the_booth_goes_on_with_the_photo_where_there_is_no_picture(booth: Booth, service: Service) -> None:
    id = await booth.capture(1)
    photo = await booth.colour(id)
    await booth.set(key="not the password", reload=True)
    await booth.choose(id, OIL)
    assert near(await booth.colour(id), photo)
    assert "401 invalid_password" in booth.log
    await booth.set(url="http://127.0.0.1:9", reload=True)
    await booth.choose(id, OIL)
    assert near(await booth.colour(id), photo)
    assert "cannot be reached" in booth.log
    assert service.provider.calls == 0


async def test_later_the_next_guest_need_not_wait_and_photos_are_replaced(booth: Booth, service: Service) -> None:
    await booth.set(mode="later", reload=True)
    service.provider.script = gate = Gate(painting(GREEN, "WEBP"))
    first = await booth.capture(0)
    await held(gate, 1)
    second = await booth.capture(0)
    await held(gate, 2)
    deleted = await booth.capture(0)
    assert not near(await booth.colour(first), GREEN)
    await booth.delete(deleted)
    gate.opened.set()

    async def replaced() -> bool:
        revisions = {item["id"]: item["revision"] for item in await booth.items()}
        return (revisions[first], revisions[second]) == (1, 1)

    await until(replaced)
    assert near(await booth.colour(first), GREEN)
    assert near(await booth.colour(second), GREEN)
    assert deleted not in {item["id"] for item in await booth.items()}
