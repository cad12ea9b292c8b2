"""Real photos of people (see `tests/vendored/photos/CREDITS.md`), and the same in other light: simulated, linearly."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import photochanger
import pyvips
from photochanger.core.domain.media import Picture

FOLDER = Path(__file__).parents[1] / "vendored/photos"
_PORTRAIT = Path(photochanger.__file__).parent / "entrypoints/diagnostics/sample_photos/portrait.jpg"
_NOISE = 0.0015

NAMES = ("portrait", *sorted(path.stem for path in FOLDER.glob("*.jpg")))


@lru_cache(maxsize=32)
def photo(name: str) -> pyvips.Image:
    """A photo as 8-bit sRGB, in memory."""
    path = _PORTRAIT if name == "portrait" else FOLDER / f"{name}.jpg"
    return pyvips.Image.new_from_buffer(path.read_bytes(), "").colourspace("srgb").copy_memory()


def exposed(image: pyvips.Image, factor: float) -> pyvips.Image:
    """As with so many times the light, with a sensor's noise."""
    return _developed(_light(image) * factor)


def under_lamps(image: pyvips.Image, *, strength: float = 1.0) -> pyvips.Image:
    """As a camera set to daylight sees it in the light of lamps."""
    return _developed(_light(image) * [1.25**strength, 0.78**strength, 0.33**strength])


def backlit(image: pyvips.Image, people: pyvips.Image) -> pyvips.Image:
    """With the people (a mask from 0 to 1) in an eighth of the light, and the surroundings in twice of it."""
    return _developed(_light(image) * (people * (0.125 - 2.0) + 2.0))


def as_picture(image: pyvips.Image) -> Picture:
    """The photo as a file without loss."""
    return Picture(bytes(image.pngsave_buffer(compression=1)), "image/png", image.width, image.height)


def _light(image: pyvips.Image) -> pyvips.Image:
    return image.colourspace("scrgb")


def _developed(light: pyvips.Image) -> pyvips.Image:
    noise = pyvips.Image.gaussnoise(light.width, light.height, mean=0, sigma=_NOISE, seed=7)
    return (light + noise).copy(interpretation="scrgb").colourspace("srgb").cast("uchar").copy_memory()
