"""What every ImageTool promises to the core; the imaging adapter passes it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from photochanger.adapters.imaging import ChildPool, ForkServer, ImageTools, picture_tasks
from photochanger.core.domain.errors import ImageTooLarge, UndecodableImage, UnsupportedMediaType
from photochanger.core.domain.media import RESULT_TYPES, ImageFacts, ImageLimits, PictureNeeds
from photochanger.core.ports.image_tool import ImageTool
from PIL import Image, ImageChops, ImageStat

from tests.support import photos
from tests.support.picture_work import InProcess

pytestmark = pytest.mark.anyio

LIMITS = ImageLimits(max_pixels=100_000_000)
ANYTHING = PictureNeeds(("image/jpeg", "image/png", "image/webp"), 64 * 2**20, 100_000_000)
KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "HEIF": "image/heic"}


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(picture_tasks.PRELOAD)
    yield server
    server.close()


@pytest.fixture(params=["in this process", "children"])
async def tool(request: pytest.FixtureRequest, server: ForkServer) -> AsyncIterator[ImageTool]:
    """The operations by themselves, and as the service has them done; the processes are those of the module."""
    if request.param == "children":
        children = ChildPool(server)
        yield ImageTools(children)
        await children.close()
    else:
        yield ImageTools(InProcess())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "payload.bin"


def facts_of(tool: ImageTool, data: bytes, limits: ImageLimits, *, size: int = 65_536) -> ImageFacts:
    """What the header says of a picture that arrives in pieces of `size`."""
    header = tool.header(limits=limits)
    for at in range(0, len(data), size):
        list(header.feed(data[at : at + size]))
    return header.facts()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 61, 65_536])
async def test_the_type_comes_from_the_content(tool: ImageTool, kind: str, size: int) -> None:
    data = photos.located(kind, 320, 240)
    assert tool.sniff(data[:32]) == KINDS[kind]
    header = tool.header(limits=LIMITS)
    assert header.mime is None
    list(header.feed(data[:64]))
    assert header.mime == KINDS[kind]
    assert facts_of(tool, data, LIMITS, size=size) == ImageFacts(KINDS[kind], 320, 240)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", photos.TEXT_AS_JPG, b"GIF89a" + bytes(60), b"<svg/>" * 9])
async def test_what_is_no_picture_is_refused_by_its_type(tool: ImageTool, data: bytes) -> None:
    assert tool.sniff(data[:32]) is None
    with pytest.raises(UnsupportedMediaType):
        facts_of(tool, data, LIMITS)
    with pytest.raises(UnsupportedMediaType):
        await tool.normalise(data, limits=LIMITS)


async def test_avif_is_not_taken_for_heif(tool: ImageTool) -> None:
    assert tool.sniff(b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B") is None
    assert tool.sniff(b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiafMA1B") is None
    assert tool.sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(20)) == "image/heic"
    assert tool.sniff(b"\0\0\0\x14ftypmif1\0\0\0\0mif1" + bytes(20)) == "image/heif"
    assert tool.sniff(b"\0\0\0\x14ftypmp42\0\0\0\0isom" + bytes(20)) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
async def test_a_picture_cut_off_anywhere_is_undecodable(tool: ImageTool, file: Path, kind: str, share: float) -> None:
    data = photos.truncated(photos.located(kind), share=share)
    photos.store(file, data)
    with pytest.raises(UndecodableImage):
        await tool.normalise(data, limits=LIMITS)
    with pytest.raises(UndecodableImage):
        await tool.prepare(file, ANYTHING)
    with pytest.raises(UndecodableImage):
        await tool.prepare(file, PictureNeeds(("image/webp",), 2**20, 5_000))
    with pytest.raises(UndecodableImage):
        await tool.preview(data)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_start_without_a_header_is_undecodable(tool: ImageTool, kind: str) -> None:
    with pytest.raises(UndecodableImage):
        facts_of(tool, photos.located(kind)[:20], LIMITS)


@pytest.mark.parametrize("kind", KINDS)
async def test_more_pixels_than_allowed_are_refused_as_soon_as_they_show(tool: ImageTool, kind: str) -> None:
    data = photos.located(kind)
    header = tool.header(limits=ImageLimits(max_pixels=320 * 240 - 1))
    with pytest.raises(ImageTooLarge):
        list(header.feed(data[:2_000]))
    with pytest.raises(ImageTooLarge):
        await tool.normalise(data, limits=ImageLimits(max_pixels=320 * 240 - 1))


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
async def test_an_animation_is_bounded_and_becomes_its_first_frame(tool: ImageTool, file: Path, kind: str) -> None:
    data = photos.animated(kind, frames=5)
    photos.store(file, data)
    with pytest.raises(ImageTooLarge):
        facts_of(tool, data, ImageLimits(max_pixels=10_000, max_frames=4))
    with pytest.raises(ImageTooLarge):
        await tool.normalise(data, limits=ImageLimits(max_pixels=10_000, max_frames=4))
    assert facts_of(tool, data, ImageLimits(max_pixels=10_000, max_frames=5)).width == 24
    picture = await tool.prepare(file, ANYTHING)
    assert (picture.width, picture.height) == (24, 24)
    red, green, blue = photos.pixels(picture.data).getpixel((12, 12))
    assert red > 180
    assert green < 60
    assert blue < 60
    assert b"ANMF" not in picture.data
    assert b"fdAT" not in picture.data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_photo_that_fits_keeps_its_pixels_and_loses_its_place(tool: ImageTool, file: Path, kind: str) -> None:
    data = photos.located(kind)
    assert photos.GPS_MARK.encode() in data
    photos.store(file, data)
    picture = await tool.prepare(file, ANYTHING)
    assert picture.mime == KINDS[kind]
    assert photos.pixels(picture.data).tobytes() == photos.pixels(data).tobytes()
    assert photos.GPS_MARK.encode() not in picture.data
    assert b"Exif" not in picture.data


@pytest.mark.parametrize("kind", KINDS)
async def test_a_converted_photo_has_no_place_either(tool: ImageTool, file: Path, kind: str) -> None:
    photos.store(file, photos.located(kind))
    picture = await tool.prepare(file, PictureNeeds(("image/jpeg",), 2**20, 160 * 120))
    assert (picture.mime, picture.width, picture.height) == ("image/jpeg", 160, 120)
    assert photos.GPS_MARK.encode() not in picture.data
    assert b"Exif" not in picture.data


async def test_a_photo_is_made_to_fit_bytes_and_pixels(tool: ImageTool, file: Path) -> None:
    photos.store(file, photos.noise(1200, 800))
    needs = PictureNeeds(("image/webp", "image/jpeg"), 50_000, 500_000)
    picture = await tool.prepare(file, needs)
    assert picture.mime == "image/webp"
    assert len(picture.data) <= needs.max_bytes
    assert picture.width * picture.height <= needs.max_pixels
    assert photos.pixels(picture.data).size == (picture.width, picture.height)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_result_has_300_dpi_and_no_place(tool: ImageTool, kind: str) -> None:
    data = photos.located(kind)
    picture = (await tool.normalise(data, limits=LIMITS)).picture
    assert (picture.width, picture.height) == (320, 240)
    assert picture.mime == ("image/jpeg" if kind == "HEIF" else KINDS[kind])
    assert photos.GPS_MARK.encode() not in picture.data
    with Image.open(io.BytesIO(picture.data)) as opened:
        assert photos.density(opened) == (300, 300)
        assert opened.size == (320, 240)
        if kind != "HEIF":
            assert opened.convert("RGB").tobytes() == photos.pixels(data).tobytes()


async def test_a_result_that_is_fine_changes_no_more(tool: ImageTool) -> None:
    for data in (photos.jpeg(300, 200), photos.png(), photos.webp()):
        picture = (await tool.normalise(data, limits=LIMITS)).picture
        assert (await tool.normalise(picture.data, limits=LIMITS)).picture.data == picture.data


@pytest.mark.parametrize(
    "data",
    [photos.jpeg(1600, 900), photos.noise(1500, 1500), photos.png(16, 16), photos.heic(), photos.webp(40, 2000)],
    ids=["photo", "noise", "tiny", "heic", "tower"],
)
async def test_a_preview_is_a_small_webp(tool: ImageTool, data: bytes) -> None:
    preview = await tool.preview(data)
    assert tool.sniff(preview) == "image/webp"
    assert len(preview) <= 64 * 1024
    assert max(photos.pixels(preview).size) <= 512


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("needs", [ANYTHING, PictureNeeds(("image/jpeg",), 2**20, 600 * 450)], ids=["fits", "smaller"])
async def test_a_prepared_photo_and_its_preview_are_the_same_picture(
    tool: ImageTool, file: Path, kind: str, needs: PictureNeeds
) -> None:
    photos.store(file, photos.located(kind, 1_000, 750))
    prepared = await tool.prepare_with_preview(file, needs)
    assert prepared.picture == await tool.prepare(file, needs)
    assert_shows(tool, await prepared.preview, photos.pixels(prepared.picture.data))


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_result_and_its_preview_are_the_same_picture(tool: ImageTool, kind: str, orientation: int) -> None:
    normalised = await tool.normalise(photos.located(kind, 1_200, 900, orientation=orientation), limits=LIMITS)
    preview = await normalised.preview
    assert_shows(tool, preview, photos.pixels(normalised.picture.data))
    alone = await tool.normalise(
        photos.located(kind, 1_200, 900, orientation=orientation), limits=LIMITS, with_preview=False
    )
    assert (alone.picture, await alone.preview) == (normalised.picture, None)
    assert normalised.picture.mime == (KINDS[kind] if KINDS[kind] in RESULT_TYPES else "image/jpeg")
    # What is made on demand may come in between: both are one file under one ETag.
    assert await tool.preview(normalised.picture.data) == preview


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 1), (511, 513), (512, 512), (1_025, 2_049)])
async def test_a_preview_has_the_shape_of_its_picture(tool: ImageTool, size: tuple[int, int]) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        normalised = await tool.normalise(photos.encoded(photos.scene(*size), kind), limits=LIMITS)
        preview = await normalised.preview
        assert preview is not None
        scale = min(512 / max(size), 1)
        width, height = photos.pixels(preview).size
        assert abs(width - size[0] * scale) <= 1, kind
        assert abs(height - size[1] * scale) <= 1, kind


def assert_shows(tool: ImageTool, preview: bytes | None, picture: Image.Image) -> None:
    """A preview within its bounds, which shows this picture."""
    assert preview is not None
    assert tool.sniff(preview) == "image/webp"
    assert len(preview) <= 64 * 1024
    shown = photos.pixels(preview)
    assert max(shown.size) == 512
    expected = picture.resize(shown.size, Image.Resampling.BOX)
    difference = ImageStat.Stat(ImageChops.difference(shown, expected)).mean
    assert max(difference) <= 4


@pytest.mark.parametrize("data", [b"", photos.TEXT_AS_JPG])
async def test_a_preview_of_no_picture_is_refused(tool: ImageTool, data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        await tool.preview(data)


async def test_a_photo_that_must_be_encoded_anew_gets_the_quality_that_is_asked_for(
    tool: ImageTool, file: Path
) -> None:
    photos.store(file, photos.located("HEIF", 640, 480))
    sizes = [
        len((await tool.prepare(file, msgspec.structs.replace(ANYTHING, quality=quality))).data)
        for quality in (98, 92, 80, 30)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4
