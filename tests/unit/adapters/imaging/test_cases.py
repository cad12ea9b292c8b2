"""Pictures that once came out wrong (`tests/cases`, whose README says what must come out), on every way through."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import pyvips
from photochanger.adapters.imaging import operations
from photochanger.adapters.imaging.libvips import open_shrunk
from photochanger.adapters.imaging.sniffing import sniff
from photochanger.core.domain.errors import PhotoChangerError, UndecodableImage
from photochanger.core.domain.media import ImageLimits, Picture, PictureNeeds
from PIL import Image

from tests.support import photos
from tests.support.colours import CASES, decoded, differ, patches_differ, reference

ANYTHING = PictureNeeds(("image/jpeg", "image/png", "image/webp"), 64 * 2**20, 100_000_000)
PNG = PictureNeeds(("image/png",), 64 * 2**20, 100_000_000)
LIMITS = ImageLimits(max_pixels=100_000_000)

WAYS: dict[str, Callable[[str], bytes]] = {
    "provider": lambda name: operations.prepare(CASES / name, ANYTHING).data,
    "provider that takes PNG": lambda name: operations.prepare(CASES / name, PNG).data,
    "result": lambda name: operations.normalise((CASES / name).read_bytes(), LIMITS).picture.data,
    "result without a preview": lambda name: (
        operations.normalise((CASES / name).read_bytes(), LIMITS, with_preview=False).picture.data
    ),
    "local effect": lambda name: local(operations.prepare(CASES / name, ANYTHING).data),
    "local effect at once": lambda name: local((CASES / name).read_bytes()),
}


def local(data: bytes) -> bytes:
    return bytes(open_shrunk(Picture(data, sniff(data) or "", 600, 400), max_side=600).pngsave_buffer(keep="none"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("reference_base.jpg", 0.5),
        ("adobergb_dcf_r03_no_icc.jpg", 2),
        ("display_p3.jpg", 2),
        ("heic_nclx_p3.heic", 2),
        ("plain.heic", 2),
        ("orient6.jpg", 2),
        ("gps_everywhere.jpg", 2),
        ("arithmetic.jpg", 2),
        ("no_eoi.jpg", 2),
    ],
)
def test_colours_come_out_as_they_were_meant(way: str, name: str, most: float) -> None:
    assert patches_differ(decoded(WAYS[way](name))) <= most


@pytest.mark.parametrize("way", WAYS)
def test_a_pq_photo_is_natural(way: str) -> None:
    image = decoded(WAYS[way]("heic_pq_bt2020.heic"))
    assert differ(image, reference()) <= 6
    assert patches_differ(image) <= 6


@pytest.mark.parametrize("way", WAYS)
def test_cmyk_becomes_rgb_by_the_profile_for_print(way: str) -> None:
    data = WAYS[way]("cmyk_im.jpg")
    with Image.open(io.BytesIO(data)) as seen:
        assert seen.mode == "RGB"
    printed = pyvips.Image.new_from_file(str(CASES / "cmyk_im.jpg"))
    expected = printed.icc_transform("srgb", embedded=False, input_profile="cmyk", depth=8).copy_memory()
    assert differ(decoded(data), expected) <= 2
    assert differ(decoded(data), reference()) <= 6


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["no_dqt.jpg", "cut_half_with_eoi.jpg", "bomb_turned_3000_500.jpg"])
def test_what_is_not_whole_or_beyond_the_bounds_comes_out_nowhere(way: str, name: str) -> None:
    with pytest.raises((PhotoChangerError, operations.VipsError)) as caught:
        WAYS[way](name)
    if way != "local effect at once":
        assert isinstance(caught.value, UndecodableImage)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", sorted(file.name for file in CASES.iterdir() if file.suffix != ".md"))
def test_nothing_but_pixels_and_density_leaves(way: str, name: str) -> None:
    try:
        data = WAYS[way](name)
    except (PhotoChangerError, operations.VipsError):
        return
    photos.require_no_metadata(data)
    lowered = data.lower()
    for word in (b"workflow", b"ksampler", b"x:xmpmeta", b"photoshop", b"canon"):
        assert word not in lowered


@pytest.mark.parametrize("name", ["plain.heic", "orient6.jpg", "gps_everywhere.jpg", "answer_comfyui_workflow.png"])
def test_a_result_is_upright_and_has_300_dpi(name: str) -> None:
    picture = operations.normalise((CASES / name).read_bytes(), LIMITS).picture
    with Image.open(io.BytesIO(picture.data)) as opened:
        assert opened.size == (picture.width, picture.height)
        assert opened.size == ((300, 200) if name.endswith(".png") else (600, 400))
        assert opened.format == ("PNG" if name.endswith(".png") else "JPEG")
        assert photos.density(opened) == (300, 300)
