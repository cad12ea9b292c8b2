"""The `local` provider: every operation on every shape of photo, its schemas, and what it refuses."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.adapters.providers.local.task import SURCHARGE_PIXELS
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.media import Picture
from photochanger.core.domain.slots.slot import Branded, shipped_slots
from photochanger.core.ports.provider import ProviderRequest, ProviderResult, Rejected
from PIL import Image, ImageDraw, ImageFilter, ImageStat

from tests.support import photos
from tests.support.picture_work import InProcess

pytestmark = pytest.mark.anyio

LOOKS = ("oil", "watercolor", "sketch", "comic", "pop", "noir", "vintage", "cyber")
STYLES = ("party", "gradient", "polaroid", "classic")
MODES = ("studio", "bokeh", "colour", "replace", "vignette")
EVERYTHING: list[tuple[str, dict[str, Any]]] = [
    ("enhance", {}),
    *(("stylize", {"look": look}) for look in LOOKS),
    *(("frame", {"style": style, "caption": "Anna & Пётр"}) for style in STYLES),
    *(("background", {"mode": mode}) for mode in MODES),
]
PHOTO = Picture(photos.jpeg(360, 240), "image/jpeg", 360, 240)
SHAPES = {
    "landscape": Picture(photos.jpeg(150, 100), "image/jpeg", 150, 100),
    "portrait": Picture(photos.webp(100, 150), "image/webp", 100, 150),
    "tiny": Picture(photos.png(16, 16), "image/png", 16, 16),
    "line": Picture(photos.png(90, 1), "image/png", 90, 1),
    "dot": Picture(photos.png(1, 1), "image/png", 1, 1),
    "clear": Picture(photos.encoded(Image.new("RGBA", (80, 60), (9, 99, 200, 70)), "PNG"), "image/png", 80, 60),
    "grey": Picture(photos.encoded(photos.scene(80, 60).convert("L"), "JPEG"), "image/jpeg", 80, 60),
    "black": Picture(photos.encoded(Image.new("RGB", (80, 60)), "JPEG"), "image/jpeg", 80, 60),
}


@pytest.fixture
async def local() -> AsyncIterator[LocalProvider]:
    provider = LocalProvider(InProcess())
    yield provider
    await provider.close()


async def no_reference(reference: str) -> None:
    raise AssertionError("the local provider has no references")


async def process(
    local: LocalProvider,
    operation_id: str,
    settings: Mapping[str, Any],
    photo: Picture = PHOTO,
    templates: Mapping[str, Picture] | None = None,
) -> ProviderResult:
    return await local.process(
        ProviderRequest(
            job_id=UUID(int=1),
            operation_id=operation_id,
            settings=settings,
            photo=photo,
            until=datetime.now(UTC) + timedelta(seconds=30),
            note_reference=no_reference,
            templates=templates or {},
        )
    )


def seen(result: ProviderResult) -> Image.Image:
    return photos.pixels(result.data)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("operation_id", "settings"), EVERYTHING, ids=lambda value: str(value)[:40])
async def test_every_operation_makes_a_picture_of_any_photo(
    local: LocalProvider, operation_id: str, settings: dict[str, Any], shape: str
) -> None:
    photo = SHAPES[shape]
    picture = seen(await process(local, operation_id, settings, photo))
    if operation_id == "frame":
        assert picture.width > photo.width
        assert picture.height > photo.height
    else:
        assert picture.size == (photo.width, photo.height)


@pytest.mark.parametrize(("operation_id", "settings"), EVERYTHING, ids=lambda value: str(value)[:40])
async def test_the_same_photo_and_settings_give_the_same_bytes(
    local: LocalProvider, operation_id: str, settings: dict[str, Any]
) -> None:
    first = await process(local, operation_id, settings, SHAPES["landscape"])
    other = LocalProvider(InProcess())
    again = await process(other, operation_id, settings, SHAPES["landscape"])
    assert first.data == again.data


async def test_every_look_is_a_look_of_its_own(local: LocalProvider) -> None:
    pictures = {look: seen(await process(local, "stylize", {"look": look})) for look in LOOKS}
    pictures["photo"] = photos.pixels(PHOTO.data)
    tiny = {look: list(picture.resize((12, 8)).tobytes()) for look, picture in pictures.items()}
    for look, values in tiny.items():
        for other, others in tiny.items():
            difference = sum(abs(a - b) for a, b in zip(values, others, strict=True)) / len(values)
            assert look == other or difference > 3, (look, other, difference)


async def test_a_noir_picture_has_no_colour_and_a_sketch_is_mostly_paper(local: LocalProvider) -> None:
    noir = seen(await process(local, "stylize", {"look": "noir"})).convert("HSV")
    assert ImageStat.Stat(noir.getchannel("S")).mean[0] < 20
    sketch = seen(await process(local, "stylize", {"look": "sketch"})).convert("L")
    assert ImageStat.Stat(sketch).mean[0] > 128


async def test_strength_mixes_the_look_with_the_photo(local: LocalProvider) -> None:
    photo = photos.pixels(PHOTO.data)
    none = seen(await process(local, "stylize", {"look": "cyber", "strength": 0, "output": "png"}))
    assert none.tobytes() == photo.tobytes()


async def test_enhance_gives_a_dull_photo_more_contrast_and_leaves_black_black(local: LocalProvider) -> None:
    dull = photos.scene(200, 150).point(lambda value: 90 + value // 4)
    photo = Picture(photos.encoded(dull, "PNG"), "image/png", 200, 150)
    better = seen(await process(local, "enhance", {}, photo))
    assert ImageStat.Stat(better.convert("L")).stddev[0] > 1.2 * ImageStat.Stat(dull.convert("L")).stddev[0]
    black = seen(await process(local, "enhance", {}, SHAPES["black"]))
    assert max(high for _, high in black.getextrema()) < 10


async def test_warmth_warms(local: LocalProvider) -> None:
    def red_over_blue(picture: Image.Image) -> float:
        red, _, blue = ImageStat.Stat(picture).mean
        return red / blue

    warm = red_over_blue(seen(await process(local, "enhance", {"warmth": 80})))
    cool = red_over_blue(seen(await process(local, "enhance", {"warmth": -80})))
    assert warm > cool * 1.1


@pytest.mark.parametrize("style", STYLES)
async def test_a_frame_keeps_the_photo_and_shows_the_caption(local: LocalProvider, style: str) -> None:
    photo = Picture(photos.encoded(Image.new("RGB", (300, 200), (10, 200, 30)), "PNG"), "image/png", 300, 200)
    settings = {"style": style, "border": 10, "output": "png"}
    plain = seen(await process(local, "frame", {**settings, "caption": "   "}, photo))
    lettered = seen(await process(local, "frame", {**settings, "caption": "Summer party"}, photo))
    assert lettered.getpixel((20 + 150, 20 + 100)) == (10, 200, 30)
    assert lettered.height >= plain.height
    foot = lettered.crop((20, 222, 320, lettered.height)).convert("L")
    low, high = foot.getextrema()
    assert high - low > 80


async def test_a_long_caption_with_odd_characters_fits(local: LocalProvider) -> None:
    caption = "A very long caption\n\twith breaks and \u202e turns, which goes on and on " + "W" * 18
    picture = seen(await process(local, "frame", {"caption": caption[:80], "style": "polaroid", "output": "png"}))
    border = picture.crop((0, 0, 8, picture.height)).convert("L")
    assert border.getextrema()[0] > 200


async def test_a_frame_picture_lies_over_the_photo(local: LocalProvider) -> None:
    frame = Image.new("RGBA", (100, 100), (255, 0, 0, 255))
    ImageDraw.Draw(frame).rectangle((20, 20, 79, 79), fill=(0, 0, 0, 0))
    template = Picture(photos.encoded(frame, "PNG"), "image/png", 100, 100)
    photo = Picture(photos.encoded(Image.new("RGB", (300, 150), (0, 0, 255)), "PNG"), "image/png", 300, 150)
    stretched = await process(local, "frame", {"fit": "stretch", "output": "png"}, photo, {"frame": template})
    covered = await process(local, "frame", {"fit": "cover", "output": "png"}, photo, {"frame": template})
    for result, size in ((stretched, (300, 150)), (covered, (300, 300))):
        picture = seen(result)
        assert picture.size == size
        assert picture.getpixel((5, 5)) == (255, 0, 0)
        assert picture.getpixel((150, size[1] // 2)) == (0, 0, 255)
    assert stretched.remarks == {"frame": "template"}


def cutout(size: tuple[int, int] = (240, 200)) -> Picture:
    """A blue figure with a soft edge; around it nothing."""
    alpha = Image.new("L", size)
    ImageDraw.Draw(alpha).rectangle((80, 40, 160, 160), fill=255)
    picture = Image.new("RGB", size, (30, 60, 200))
    picture.putalpha(alpha.filter(ImageFilter.GaussianBlur(4)))
    return Picture(photos.encoded(picture, "PNG"), "image/png", *size)


def with_alpha(result: ProviderResult) -> Image.Image:
    with Image.open(io.BytesIO(result.data)) as opened:
        assert opened.format in ("PNG", "WEBP")
        assert opened.mode == "RGBA"
        return opened.copy()


@pytest.mark.parametrize(("operation_id", "settings"), [one for one in EVERYTHING if one[0] != "background"], ids=str)
async def test_a_transparent_photo_becomes_a_transparent_picture(
    local: LocalProvider, operation_id: str, settings: dict[str, Any]
) -> None:
    picture = with_alpha(await process(local, operation_id, {**settings, "max_side": 256}, cutout()))
    alpha = picture.getchannel("A")
    if operation_id == "frame":
        assert alpha.getpixel((2, 2)) == 255, "the frame"
        assert alpha.getextrema()[0] < 8, "beside the figure"
    else:
        assert alpha.tobytes() == Image.open(io.BytesIO(cutout().data)).getchannel("A").tobytes()
    webp = await process(local, operation_id, {**settings, "output": "webp"}, cutout())
    assert with_alpha(webp).getchannel("A").getextrema() == (0, 255)


async def test_the_edge_of_a_transparent_picture_has_no_white_rim(local: LocalProvider) -> None:
    picture = with_alpha(await process(local, "stylize", {"look": "cyber", "strength": 0}, cutout()))
    edge = [picture.getpixel((x, 100)) for x in range(70, 90)]
    assert all(red < 90 and blue > 150 for red, _, blue, alpha in edge if alpha > 20)
    framed = with_alpha(await process(local, "frame", {"style": "classic", "border": 10}, cutout()))
    edge = [framed.getpixel((20 + x, 120)) for x in range(70, 90)]
    assert all(red < 90 and blue > 150 for red, _, blue, alpha in edge if alpha > 60)


async def test_a_frame_picture_leaves_the_photo_transparent(local: LocalProvider) -> None:
    frame = Image.new("RGBA", (240, 200), (0, 0, 0, 0))
    ImageDraw.Draw(frame).rectangle((0, 0, 239, 19), fill=(255, 0, 0, 255))
    template = Picture(photos.encoded(frame, "PNG"), "image/png", 240, 200)
    for fit in ("stretch", "cover"):
        picture = with_alpha(await process(local, "frame", {"fit": fit}, cutout(), {"frame": template}))
        assert picture.getpixel((5, 5)) == (255, 0, 0, 255)
        assert picture.getpixel((5, 100))[3] == 0
        assert picture.getpixel((120, 100)) == (30, 60, 200, 255)


async def test_a_background_is_opaque(local: LocalProvider) -> None:
    picture = await process(local, "background", {"mode": "vignette", "output": "png"}, cutout())
    with Image.open(io.BytesIO(picture.data)) as opened:
        assert opened.mode == "RGB"


def before_a_backdrop() -> Picture:
    """A red figure with a green badge before an even green backdrop."""
    picture = Image.new("RGB", (240, 320), (40, 170, 70))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((70, 100, 170, 320), fill=(200, 40, 40))
    draw.rectangle((105, 180, 135, 210), fill=(40, 170, 70))
    return Picture(photos.encoded(picture, "PNG"), "image/png", 240, 320)


async def test_an_even_backdrop_is_replaced_and_the_figure_stays(local: LocalProvider) -> None:
    template = Picture(photos.encoded(Image.new("RGB", (50, 20), (0, 0, 220)), "PNG"), "image/png", 50, 20)
    result = await process(
        local, "background", {"mode": "replace", "output": "png"}, before_a_backdrop(), {"background": template}
    )
    picture = seen(result)
    assert result.remarks == {"background": "replace"}
    assert picture.getpixel((20, 20)) == (0, 0, 220)
    assert picture.getpixel((90, 250)) == (200, 40, 40)
    badge = picture.getpixel((120, 195))
    assert badge[1] > 150
    assert badge[2] < 90


async def test_an_even_backdrop_becomes_the_chosen_colour(local: LocalProvider) -> None:
    settings = {"mode": "replace", "color": "#CC0000", "output": "png"}
    red, green, _ = seen(await process(local, "background", settings, before_a_backdrop())).getpixel((20, 60))
    assert red > 90
    assert green < 60


async def test_a_photo_without_an_even_backdrop_says_what_was_done_instead(local: LocalProvider) -> None:
    photo = Picture(photos.noise(200, 150), "image/png", 200, 150)
    result = await process(local, "background", {"mode": "replace"}, photo)
    assert result.remarks == {"background": "vignette"}


@pytest.mark.parametrize(("output", "kind"), [("jpeg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")])
async def test_the_output_type_can_be_chosen(local: LocalProvider, output: str, kind: str) -> None:
    result = await process(local, "enhance", {"output": output})
    with Image.open(io.BytesIO(result.data)) as picture:
        assert picture.format == kind
        assert not picture.getexif()


@pytest.mark.parametrize("operation_id", ["enhance", "stylize", "frame", "background"])
async def test_the_longest_side_is_bounded(local: LocalProvider, operation_id: str) -> None:
    photo = Picture(photos.jpeg(1600, 700), "image/jpeg", 1600, 700)
    picture = seen(await process(local, operation_id, {"max_side": 400}, photo))
    assert 380 <= max(picture.size) <= 400


async def test_a_photo_or_template_that_does_not_decode_is_rejected(local: LocalProvider) -> None:
    broken = Picture(photos.truncated(photos.jpeg(300, 200)), "image/jpeg", 300, 200)
    with pytest.raises(Rejected, match="photo cannot be decoded"):
        await process(local, "enhance", {}, broken)
    with pytest.raises(Rejected, match="frame picture cannot be decoded"):
        await process(local, "frame", {}, templates={"frame": broken})


async def test_unknown_operations_and_unusable_settings_are_rejected(local: LocalProvider) -> None:
    with pytest.raises(Rejected, match="no operation 'teleport'"):
        await process(local, "teleport", {})
    with pytest.raises(Rejected, match="look"):
        await process(local, "stylize", {"look": "cubist"})
    with pytest.raises(InvalidSettings):
        local.check_settings("teleport", {})


def test_every_schema_is_valid_and_stands_alone() -> None:
    provider = LocalProvider(InProcess())
    for operation in provider.info.operations:
        jsonschema.Draft202012Validator.check_schema(operation.settings_schema)
        assert "$ref" not in str(operation.settings_schema)
        assert "$defs" not in str(operation.settings_schema)
        assert operation.settings_schema["additionalProperties"] is False
        for setting in operation.settings_schema["properties"].values():
            assert setting["title"]
            assert setting["description"]
            assert "default" in setting


@pytest.mark.parametrize(
    ("operation_id", "settings"),
    [
        *EVERYTHING,
        ("enhance", {"strength": 0, "warmth": -100, "sharpness": 100, "max_side": 256, "output": "webp"}),
        ("enhance", {"strength": 101}),
        ("enhance", {"strength": True}),
        ("enhance", {"strength": "70"}),
        ("enhance", {"warmth": 0.5}),
        ("enhance", {"max_side": 5000}),
        ("stylize", {"look": "cubist"}),
        ("stylize", {"looks": "oil"}),
        ("frame", {"color": "red"}),
        ("frame", {"color": "#12345G"}),
        ("frame", {"caption": "x" * 81}),
        ("frame", {"border": 1}),
        ("frame", {"border": None}),
        ("background", {"mode": 3}),
        ("background", {"tolerance": -1}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_settings_are_checked_as_the_schema_says(operation_id: str, settings: dict[str, Any]) -> None:
    provider = LocalProvider(InProcess())
    operation = provider.info.operation(operation_id)
    assert operation is not None
    fits = jsonschema.Draft202012Validator(operation.settings_schema).is_valid(settings)
    if fits:
        provider.check_settings(operation_id, settings)
    else:
        with pytest.raises(InvalidSettings):
            provider.check_settings(operation_id, settings)


def test_every_wrong_setting_is_named() -> None:
    wrong = {"look": "cubist", "strength": 101, "mood": "merry", "max_side": 800}
    with pytest.raises(InvalidSettings) as caught:
        LocalProvider(InProcess()).check_settings("stylize", wrong)
    assert [error.field for error in caught.value.errors] == ["look", "strength", "mood"]


def test_the_shipped_slots_and_the_branded_answer_use_settings_that_fit() -> None:
    provider = LocalProvider(InProcess())
    active = [slot for slot in shipped_slots() if slot.active]
    assert len(active) == 4
    for slot in active:
        for entry in slot.route.entries:
            assert entry.provider_id == provider.info.id
            provider.check_settings(entry.operation_id, entry.settings)
    provider.check_settings(Branded().operation_id, Branded().settings)


@pytest.mark.parametrize(("max_side", "pixels"), [(4096, 3 * 3000 * 2000), (1500, 1.5 * 3000 * 2000)])
async def test_an_operation_claims_pixels_for_the_photo_and_for_its_effects(max_side: int, pixels: float) -> None:
    children = InProcess()
    photo = Picture(photos.jpeg(300, 200), "image/jpeg", 3000, 2000)
    await process(LocalProvider(children), "enhance", {"max_side": max_side}, photo)
    assert children.claimed == [SURCHARGE_PIXELS + int(pixels)]
