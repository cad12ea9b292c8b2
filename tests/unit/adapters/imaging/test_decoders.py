"""No decoder sees what was not checked, on any path; a bomb costs neither memory nor processor time."""

from __future__ import annotations

import ast
import io
import resource
import subprocess
import sys
from pathlib import Path

import photochanger
import pillow_heif
import pytest
import pyvips
from photochanger.adapters.imaging import ImageTools
from photochanger.adapters.imaging.libvips import open_shrunk
from photochanger.core.domain.errors import UndecodableImage
from photochanger.core.domain.media import ImageLimits, Picture, PictureNeeds

from tests.support import hostile_pictures as hostile
from tests.support import photos
from tests.support.picture_work import InProcess

pytestmark = pytest.mark.anyio

LIMITS = ImageLimits(max_pixels=100_000_000)
ANYTHING = PictureNeeds(("image/jpeg", "image/png", "image/webp"), 64 * 2**20, 100_000_000)
SMALLER = PictureNeeds(("image/jpeg",), 2**20, 5_000)

SOURCE = Path(photochanger.__file__).parent
DECODERS = {
    "open_heif", "read_heif", "JpegImageFile", "Operation", "new_from_buffer", "new_from_file", "new_from_source",
    "thumbnail", "thumbnail_buffer", "thumbnail_source", *(
        f"{kind}load{where}" for kind in ("jpeg", "png", "webp", "heif") for where in ("", "_buffer", "_source")
    ),
}  # fmt: skip
LIBRARIES = ("pyvips", "PIL", "pillow_heif")
MAY_DECODE = {
    "adapters/imaging/libvips.py",
    "adapters/imaging/heif.py",
    # Pictures of our own, and a test kit:
    "entrypoints/cli/demo.py",
    "entrypoints/diagnostics/sample_photos/__init__.py",
    "testing/provider_contract.py",
}


@pytest.fixture
def tools() -> ImageTools:
    return ImageTools(InProcess())


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What decoders were given."""
    seen: list[bytes] = []
    call, heif = pyvips.Operation.call, pillow_heif.open_heif

    def call_recorded(name: str, *arguments: object, **options: object) -> object:
        if "load" in name and isinstance(arguments[0], bytes):
            seen.append(arguments[0])
        return call(name, *arguments, **options)

    def heif_recorded(source: io.BytesIO, **options: object) -> object:
        seen.append(source.getvalue())
        return heif(source, **options)

    monkeypatch.setattr(pyvips.Operation, "call", call_recorded)
    monkeypatch.setattr(pillow_heif, "open_heif", heif_recorded)
    return seen


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (kind, path)
        for kind in ("JPEG", "progressive JPEG", "PNG", "WEBP", "HEIF")
        for path in ("photo", "smaller photo", "provider's answer", "preview", "local effect")
        if (kind, path) != ("HEIF", "local effect")  # is converted before
    ],
)
async def test_no_decoder_sees_text_or_metadata(
    tools: ImageTools, decoded: list[bytes], tmp_path: Path, kind: str, path: str
) -> None:
    if kind == "progressive JPEG":
        data = photos.encoded(photos.scene(320, 240), "JPEG", progressive=True, exif=photos.located_exif(6))
    else:
        data = photos.located(kind, orientation=6)
    if path == "local effect":
        open_shrunk(Picture(data, tools.sniff(data) or "", 320, 240), max_side=64).copy_memory()
    elif path == "provider's answer":
        await tools.normalise(data, limits=LIMITS)
    elif path == "preview":
        await tools.preview(data)
    else:
        photos.store(tmp_path / "photo", data)
        await tools.prepare(tmp_path / "photo", ANYTHING if path == "photo" else SMALLER)
    assert decoded
    for seen in decoded:
        if seen[4:8] != b"ftyp":  # the metadata of HEIF stays where it is, out of sight for the decoder
            assert photos.GPS_MARK.encode() not in seen
            assert b"Exif" not in seen
        else:
            assert not pillow_heif.HeifFile(io.BytesIO(seen)).info["exif"]


@pytest.mark.parametrize(
    "data",
    [hostile.jpeg_scans(2_000), hostile.jpeg_scans(2_000, progressive=False), hostile.png_chunks(50_000)],
    ids=["progressive", "sequential", "chunks"],
)
async def test_no_decoder_sees_a_picture_beyond_the_bounds(
    tools: ImageTools, decoded: list[bytes], tmp_path: Path, data: bytes
) -> None:
    photos.store(tmp_path / "photo", data)
    with pytest.raises(UndecodableImage):
        await tools.normalise(data, limits=LIMITS)
    with pytest.raises(UndecodableImage):
        await tools.preview(data)
    for needs in (ANYTHING, SMALLER):
        with pytest.raises(UndecodableImage):
            await tools.prepare(tmp_path / "photo", needs)
    with pytest.raises(UndecodableImage):
        open_shrunk(Picture(data, "image/jpeg", 64, 48), max_side=64)
    assert decoded == []


async def test_a_heic_of_more_pixels_than_it_says_is_not_decoded(tools: ImageTools) -> None:
    data = bytearray(photos.heic(1_200, 800))
    at = data.index(b"ispe") + 8
    assert data[at : at + 8] == hostile.numbers(1_200, 800, size=4)
    data[at : at + 8] = hostile.numbers(64, 48, size=4)
    with pytest.raises(UndecodableImage):
        await tools.normalise(bytes(data), limits=LIMITS)


def test_only_the_imaging_adapter_decodes_what_comes_from_outside() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if any(library in text for library in LIBRARIES) else ():
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            is_pillow = name == "open" and isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Image"
            if name in DECODERS or is_pillow:
                found.add(path.relative_to(SOURCE).as_posix())
    assert found <= MAY_DECODE
    assert {"adapters/imaging/heif.py", "adapters/imaging/libvips.py"} <= found


CHILD = """
import asyncio, io, resource, sys, time
from pathlib import Path
from photochanger.adapters.imaging import ImageTools
from photochanger.adapters.imaging.libvips import open_shrunk
from photochanger.core.domain.errors import PhotoChangerError
from photochanger.core.domain.media import ImageLimits, Picture, PictureNeeds
from tests.support.picture_work import InProcess

async def main():
    path, limits = Path(sys.argv[1]), ImageLimits(max_pixels=100_000_000)
    data = path.read_bytes()
    tools = ImageTools(InProcess())
    await tools.preview(Path(sys.argv[2]).read_bytes())  # loads the libraries
    memory, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    def header():
        reader = tools.header(limits=limits)
        for at in range(0, len(data), 65536):
            list(reader.feed(data[at : at + 65536]))
        reader.facts()
    async def shrink():
        await asyncio.to_thread(lambda: open_shrunk(Picture(data, "image/png", 32, 32), max_side=16).copy_memory())
    outcomes = []
    for work in (
        lambda: asyncio.to_thread(header),
        lambda: tools.normalise(data, limits=limits),
        lambda: tools.prepare(path, PictureNeeds(("image/png",), 2**20, 10**6)),
        lambda: tools.prepare(path, PictureNeeds(("image/jpeg",), 2**20, 500)),
        lambda: tools.preview(data),
        shrink,
    ):
        try:
            await work()
            outcomes.append("ok")
        except PhotoChangerError as error:
            outcomes.append(error.code)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    print(*outcomes, grown // 1024, time.process_time() - cpu)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("bomb", "outcome"),
    [
        (hostile.png_text_bomb, "ok"),
        (lambda: hostile.png_chunks(5_000_000), "undecodable_image"),
        (lambda: hostile.jpeg_scans(2_000), "undecodable_image"),
        (lambda: hostile.png_of_size(65_535, 65_535), "image_too_large"),
    ],
    ids=["text", "chunks", "scans", "size"],
)
def test_a_bomb_costs_a_child_neither_memory_nor_time(tmp_path: Path, bomb: object, outcome: str) -> None:
    assert callable(bomb)
    photos.store(tmp_path / "bomb", bomb())
    photos.store(tmp_path / "plain", photos.png(32, 32))
    size = (tmp_path / "bomb").stat().st_size // 2**20
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "bomb"), str(tmp_path / "plain")],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)),
    )
    *outcomes, mebibytes, seconds = done.stdout.split()
    assert outcomes == [outcome] * 6
    assert int(mebibytes) <= 3 * size + 32
    assert float(seconds) < 5, "seconds of CPU: a full decode of the bomb on one path takes more"
