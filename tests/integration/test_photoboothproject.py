"""The include for PhotoboothProject, run by PHP as that program includes it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from photochanger.core.ports.provider import ProviderRequest

from tests.support import photos
from tests.support.documents import ROOT
from tests.support.http_server import PASSWORD, PICTURE, Gate, Service, serving
from tests.support.sender import answer, answering

SHIPPED = ROOT / "examples/photoboothproject/applyEffects.php"
PHOTO = photos.jpeg(640, 480)
HARNESS = """<?php
namespace Photobooth\\Enum {
    enum FolderEnum: string {
        case TEMP = 'tmp';
        public function absolute(): string { return getenv('PHOTOS'); }
    }
}
namespace {
    error_reporting(E_ALL);
    ini_set('display_errors', 'stdout');
    $logger = new class { public function error(string $text): void { echo $text, "\\n"; } };
    $srcImages = explode(',', getenv('NAMES'));
    $file = $srcImages[0];
    include getenv('EFFECTS');
}
"""


def php_with_curl() -> bool:
    if (php := shutil.which("php")) is None:
        return False
    return "curl" in subprocess.run([php, "-m"], capture_output=True, text=True).stdout.split()


pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not php_with_curl(), reason="the PHP of this machine has no curl"),
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Service]:
    async with serving(tmp_path_factory.mktemp("photoboothproject")) as running:
        await running.change_slot("slot-004", active=False)
        yield running


@pytest.fixture(autouse=True)
def scripted(service: Service) -> None:
    async def picture(request: ProviderRequest) -> bytes:
        return PICTURE

    service.provider.script = picture


class Booth:
    """The folder of the program with its photos."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos = folder / "tmp"
        self.photos.mkdir()
        (folder / "harness.php").write_text(HARNESS)

    async def capture(self, address: str, *names: str, key: str = PASSWORD) -> str:
        """What is logged while the effects of these photos are applied."""
        for name in names:
            photos.store(self.photos / name, PHOTO)
        shipped = SHIPPED.read_text()
        assert "http://192.168.1.10:8000/ingest/slot-002" in shipped
        own = shipped.replace("http://192.168.1.10:8000/ingest/slot-002", address).replace("pck_…", key)
        (self.folder / "applyEffects.php").write_text(own)
        environment = {"PHOTOS": str(self.photos), "EFFECTS": "applyEffects.php", "NAMES": ",".join(names)}
        process = await asyncio.create_subprocess_exec(
            "php",
            "harness.php",
            cwd=self.folder,
            env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode()

    def left(self) -> dict[str, bytes]:
        return {path.name: photos.load(path) for path in self.photos.iterdir()}


@pytest.fixture
def booth(tmp_path: Path) -> Booth:
    return Booth(tmp_path)


def slot(service: Service, number: int) -> str:
    return f"http://127.0.0.1:{service.port}/ingest/slot-{number:03}"


async def test_the_photo_is_replaced_by_the_picture(booth: Booth, service: Service) -> None:
    assert await booth.capture(slot(service, 2), "photo.jpg") == ""
    assert booth.left() == {"photo.jpg": PICTURE}


async def test_the_photos_of_a_collage_are_worked_on_at_the_same_time(booth: Booth, service: Service) -> None:
    service.provider.script = gate = Gate()
    names = ("1.jpg", "2.jpg", "3.jpg")
    capture = asyncio.create_task(booth.capture(slot(service, 2), *names))
    async with asyncio.timeout(180):
        await gate.held(len(names))
    gate.opened.set()
    assert await capture == ""
    assert booth.left() == dict.fromkeys(names, PICTURE)


@pytest.mark.parametrize(
    ("address", "key", "logged"),
    [
        (lambda service: slot(service, 2), "not the password", "PhotoChanger: 401 no picture: {"),
        (lambda service: slot(service, 4), PASSWORD, "PhotoChanger: 404 no picture: {"),
        (lambda service: "http://127.0.0.1:9/ingest/slot-002", PASSWORD, "PhotoChanger: 0 "),
    ],
    ids=["wrong key", "slot off", "service away"],
)
async def test_the_photo_stays_where_there_is_no_picture(
    booth: Booth, service: Service, address: Callable[[Service], str], key: str, logged: str
) -> None:
    assert (await booth.capture(address(service), "photo.jpg", key=key)).startswith(logged)
    assert booth.left() == {"photo.jpg": PHOTO}


@pytest.mark.parametrize(
    "answered",
    [answer(200, b"<html>"), answer(200, b"", Content_Length="900000000"), answer(200, PICTURE)[:-9]],
    ids=["no picture", "too large", "cut off"],
)
async def test_an_answer_that_is_no_picture_is_left_out(booth: Booth, answered: bytes) -> None:
    async with answering(answered) as stub:
        assert (await booth.capture(stub.url, "photo.jpg")).startswith("PhotoChanger: 200 ")
    assert booth.left() == {"photo.jpg": PHOTO}


async def test_a_picture_that_cannot_be_saved_leaves_the_photo(booth: Booth, service: Service) -> None:
    (booth.photos / "photo.jpg.part").mkdir()
    assert "the picture cannot be saved" in await booth.capture(slot(service, 2), "photo.jpg")
    assert photos.load(booth.photos / "photo.jpg") == PHOTO
