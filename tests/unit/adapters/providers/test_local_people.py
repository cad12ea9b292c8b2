"""People in the `local` provider: found on real photos, kept as they are; dark faces and casts in `enhance` and `oil`.

The photos are real ones (tests/vendored/photos/CREDITS.md); other light is simulated. Colours are compared in Lab.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import photochanger
import pytest
import pyvips
from photochanger.adapters.providers.local import processing
from photochanger.adapters.providers.local.effects import canvas
from photochanger.adapters.providers.local.effects.people import found
from photochanger.adapters.providers.local.effects.people.found import Face, People, find_faces, find_people
from photochanger.adapters.providers.local.effects.settings import (
    BackgroundSettings,
    EnhanceSettings,
    OutputSettings,
    StylizeSettings,
)
from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.core.domain.media import Picture
from photochanger.core.domain.slots.slot import RouteEntry, shipped_slots

from tests.support import people_photos as photos
from tests.support.picture_work import InProcess

NETWORKS = {
    "face_detection_short_range.tflite": "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    "selfie_segmentation.tflite": "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
}
FACES = {"portrait": 1, "smile": 1, "hat": 1, "brick": 1, "shade": 1, "telephones": 2, "crew": 3, "soccer": 3}
KINDS: Mapping[str, type[OutputSettings]] = {
    "enhance": EnhanceSettings,
    "stylize": StylizeSettings,
    "background": BackgroundSettings,
}


@lru_cache(maxsize=16)
def people(name: str) -> People:
    result = find_people(photos.photo(name))
    assert result is not None
    return result


def edited(
    image: pyvips.Image, operation: str, templates: Mapping[str, Picture] | None = None, **settings: Any
) -> pyvips.Image:
    """The pixels that an operation makes of a photo."""
    wanted = msgspec.convert({"output": "png", **settings}, KINDS[operation])
    result = processing.process(operation, wanted, photos.as_picture(image), templates or {})
    return pyvips.Image.new_from_buffer(result.data, "").copy_memory()


def inner(image: pyvips.Image, face: Face) -> pyvips.Image:
    """The middle of a face: eyes, nose, mouth."""
    return canvas.part(
        image, face.left + face.width * 0.2, face.top + face.height * 0.2, face.width * 0.6, face.height * 0.6
    ).copy_memory()


def difference(one: pyvips.Image, other: pyvips.Image) -> float:
    """The mean ΔE of two pictures."""
    return float(one.colourspace("lab").dE76(other.colourspace("lab")).avg())


def lightness(image: pyvips.Image) -> float:
    return float(image.colourspace("lab")[0].avg())


def red_over_blue(image: pyvips.Image) -> float:
    """The ratio of the means in linear light."""
    light = image.colourspace("scrgb")
    return float(light[0].avg() / light[2].avg())


@pytest.mark.parametrize("name", FACES)
def test_every_face_is_found_and_inside_the_mask(name: str) -> None:
    result = people(name)
    assert len(result.faces) == FACES[name]
    for face in result.faces:
        assert inner(result.share, face).avg() > 0.97


@pytest.mark.parametrize(("name", "at"), [("telephones", (0.35, 0.3)), ("crew", (0.05, 0.1)), ("smile", (0.03, 0.1))])
def test_the_surroundings_are_outside_the_mask(name: str, at: tuple[float, float]) -> None:
    assert canvas.part(people(name).share, *at, 0.06, 0.2).avg() < 0.03


def test_bodies_have_no_holes() -> None:
    for face in people("crew").faces:
        body = canvas.part(people("crew").share, face.left, face.top + face.height * 1.6, face.width, face.height * 1.5)
        assert body.avg() > 0.97


def test_photos_of_no_person_have_no_people() -> None:
    cat = Path(photochanger.__file__).parent / "entrypoints/diagnostics/sample_photos/pavilion.jpg"
    assert find_faces(pyvips.Image.new_from_buffer(cat.read_bytes(), "").copy_memory()) == []


@pytest.mark.parametrize("size", [(1, 1), (90, 1), (1, 3000), (2000, 40), (16, 16)])
def test_photos_of_any_shape_are_searched(size: tuple[int, int]) -> None:
    blank = canvas.to_uchar(canvas.plain(*size, (0.4, 0.5, 0.6))).copy_memory()
    assert find_faces(blank) == []
    assert find_people(blank) is None


def test_a_face_that_the_network_sees_no_person_around_stays_in_the_mask() -> None:
    from photochanger.adapters.providers.local.effects.people import matte

    nothing = canvas.plain(200, 100, (0.0, 0.0, 0.0))[0].copy_memory()
    face = Face(left=0.4, top=0.3, width=0.1, height=0.2)
    mask = matte._with_faces(nothing, [face])
    assert inner(mask, face).avg() > 0.97
    assert canvas.part(mask, 0, 0, 0.3, 1).max() == 0


@pytest.mark.parametrize("mode", ["studio", "bokeh", "colour", "replace"])
@pytest.mark.parametrize("name", ["telephones", "crew"])
def test_every_face_stays_as_it_is_and_the_surroundings_change(name: str, mode: str) -> None:
    image, result = photos.photo(name), people(name)
    picture = edited(image, "background", mode=mode, color="#208050", strength=90)
    for face in result.faces:
        assert difference(inner(image, face), inner(picture, face)) < 1.0
    corner = (0.35, 0.05, 0.2, 0.3) if name == "telephones" else (0.0, 0.0, 1.0, 0.1)
    before, after = (canvas.part(one, *corner).copy_memory() for one in (image, picture))
    if mode == "bokeh" and name == "telephones":
        assert lightness_texture(after) < 0.35 * lightness_texture(before)
    elif mode != "bokeh":
        assert difference(before, after) > 6


def lightness_texture(image: pyvips.Image) -> float:
    """How much fine detail there is."""
    light = image.colourspace("lab")[0]
    return float((light - canvas.blur(light, 3)).abs().avg())


def test_the_template_stands_behind_the_people() -> None:
    blue = photos.as_picture(canvas.to_uchar(canvas.plain(60, 40, (0.0, 0.0, 0.9))))
    picture = edited(photos.photo("telephones"), "background", {"background": blue}, mode="replace")
    behind = canvas.part(picture, 0.35, 0.05, 0.2, 0.4).copy_memory()
    assert difference(behind, canvas.to_uchar(canvas.flat(behind, (0.0, 0.0, 0.9)))) < 2


def test_hair_carries_no_rim_of_the_old_surroundings() -> None:
    """Around a head before a bright sky, over black: nothing between hair and black is brighter than the hair."""
    image, mask = photos.photo("lake"), people("lake").share
    black = photos.as_picture(canvas.to_uchar(canvas.plain(8, 8, (0.0, 0.0, 0.0))))
    picture = edited(image, "background", {"background": black}, mode="replace")
    rim = ((mask > 0.05) & (mask < 0.6)).ifthenelse(1.0, 0.0)
    upper = canvas.part(rim * picture.colourspace("lab")[0], 0.2, 0, 0.6, 0.45)
    share = canvas.part(rim, 0.2, 0, 0.6, 0.45).avg()
    assert upper.avg() / share < 22


def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "installed", lambda: False)
    monkeypatch.setattr("photochanger.adapters.providers.local.provider.installed", lambda: False)


@pytest.mark.parametrize("name", ["telephones", "crew"])
@pytest.mark.parametrize("mode", ["studio", "bokeh", "colour", "replace"])
def test_without_the_extra_no_face_is_blurred_or_recoloured(
    monkeypatch: pytest.MonkeyPatch, name: str, mode: str
) -> None:
    image, faces = photos.photo(name), people(name).faces
    without_extra(monkeypatch)
    picture = edited(image, "background", mode=mode)
    for face in faces:
        before, after = inner(image, face), inner(picture, face)
        assert lightness_texture(after) > 0.75 * lightness_texture(before)
        assert difference(before, after) < 12


async def diagnosed(entries: list[RouteEntry]) -> list[str]:
    provider = LocalProvider(InProcess())
    try:
        return [finding.detail for finding in await provider.diagnose(entries)]
    finally:
        await provider.close()


@pytest.mark.anyio
async def test_a_missing_extra_is_reported_with_its_command_where_a_slot_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shipped = [entry for slot in shipped_slots() for entry in slot.route.entries]
    assert await diagnosed(shipped) == []
    without_extra(monkeypatch)
    (sentence,) = await diagnosed(shipped)
    assert 'pip install "photochanger[people]"' in sentence
    assert await diagnosed([RouteEntry("local", "background", {"mode": "vignette"})]) == []
    assert await diagnosed([RouteEntry("local", "enhance", {})]) == []


def test_enhance_lifts_a_backlit_face() -> None:
    image = photos.backlit(photos.photo("smile"), people("smile").share)
    (face,) = people("smile").faces
    before, after = lightness(inner(image, face)), lightness(inner(edited(image, "enhance"), face))
    assert before < 30
    assert after > 1.5 * before


@pytest.mark.parametrize("name", ["telephones", "smile"])
def test_enhance_lifts_dark_faces(name: str) -> None:
    image = photos.exposed(photos.photo(name), 1 / 7)
    picture = edited(image, "enhance")
    for face in people(name).faces:
        assert lightness(inner(picture, face)) > 1.4 * lightness(inner(image, face))


@pytest.mark.parametrize("name", ["telephones", "smile"])
def test_enhance_takes_most_of_a_lamps_cast_out(name: str) -> None:
    image = photos.photo(name)
    warm = photos.under_lamps(image)
    cast, left = red_over_blue(warm) / red_over_blue(image), red_over_blue(edited(warm, "enhance"))
    assert cast > 3
    assert left / red_over_blue(image) < cast**0.5


@pytest.mark.parametrize("name", ["lake", "telephones", "powder", "brick", "high_key"])
def test_enhance_leaves_the_colours_and_faces_of_a_good_photo(name: str) -> None:
    image = photos.photo(name)
    picture = edited(image, "enhance")
    assert 0.75 < red_over_blue(picture) / red_over_blue(image) < 1.25
    for face in find_faces(image):
        assert abs(lightness(inner(picture, face)) - lightness(inner(image, face))) < 9


def test_enhance_without_the_extra_lifts_a_dark_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    without_extra(monkeypatch)
    image = photos.exposed(photos.photo("telephones"), 1 / 7)
    assert lightness(edited(image, "enhance")) > 1.3 * lightness(image)


def test_oil_paints_small_faces_with_a_finer_brush() -> None:
    """Eyes and mouths of a group keep their pattern, which strokes for the whole picture would draw into slashes."""
    image, faces = photos.photo("soccer"), people("soccer").faces
    fine = edited(image, "stylize", look="oil")
    for face in faces:
        before, after = inner(image, face)[1], inner(fine, face)[1]
        assert correlation(before, after) > 0.85


def correlation(one: pyvips.Image, other: pyvips.Image) -> float:
    """From -1 to 1: how alike the patterns of two areas are."""
    first, second = one.cast("float") - one.avg(), other.cast("float") - other.avg()
    return float((first * second).avg() / ((first * first).avg() * (second * second).avg()) ** 0.5)


def test_oil_begins_with_a_lifted_photo_where_it_is_dark() -> None:
    image = photos.exposed(photos.photo("telephones"), 1 / 7)
    picture = edited(image, "stylize", look="oil")
    for face in people("telephones").faces:
        assert lightness(inner(picture, face)) > 1.25 * lightness(inner(image, face))


def test_the_networks_are_the_published_ones_with_licence_and_notice() -> None:
    folder = Path(found.__file__).parent
    assert {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.tflite")} == NETWORKS
    assert "Apache License" in (folder / "MediaPipe-LICENSE.txt").read_text()
    notice = (folder / "NOTICE.txt").read_text()
    assert all(name in notice for name in NETWORKS)
