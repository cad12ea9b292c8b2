"""The brushes that every effect uses: working in floats from 0 to 1, blurs, masks, noise, colours.

Nothing here depends on chance: noise has a fixed seed, so the same photo gives the same picture.
"""

from __future__ import annotations

import math
from itertools import pairwise

import pyvips

_LUMA = [[0.2126, 0.7152, 0.0722]]
_MAX_DIRECT_SIGMA = 2.5
_MAX_DIRECT_RADIUS = 4
_TILE = 64

RGB = tuple[float, float, float]


def to_float(image: pyvips.Image) -> pyvips.Image:
    """8-bit sRGB as floats from 0 to 1, encoded the same way."""
    return image.cast("float") / 255


def to_uchar(image: pyvips.Image) -> pyvips.Image:
    """Floats from 0 to 1 as 8-bit sRGB; what lies outside is clipped."""
    return (image * 255 + 0.5).cast("uchar").copy(interpretation="srgb")


def rgb(colour: str) -> RGB:
    """#RRGGBB as floats from 0 to 1."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def luma(image: pyvips.Image) -> pyvips.Image:
    return image.recomb(_LUMA)


def blur(image: pyvips.Image, sigma: float) -> pyvips.Image:
    """Gaussian blur; wide ones are done on a smaller copy, where they cost little and look the same."""
    factor = min(2 ** math.floor(math.log2(max(1.0, sigma / _MAX_DIRECT_SIGMA))), image.width, image.height)
    if factor <= 1:
        return image.gaussblur(max(sigma, 0.3), precision="float")
    small = image.resize(1 / factor, kernel="linear").gaussblur(sigma / factor, precision="float").copy_memory()
    return resize_to(small, image.width, image.height, kernel="linear")


def smoothed(grey: pyvips.Image, sigma: float, *, evenness: float) -> pyvips.Image:
    """Blurred within areas, but not over edges stronger than the square root of `evenness` (a guided filter)."""
    sums = blur(grey.bandjoin(grey * grey), sigma).copy_memory()
    mean = sums[0]
    slope = (sums[1] - mean * mean).clamp(min=0, max=1)
    slope = slope / (slope + evenness)
    lines = blur(slope.bandjoin(mean - slope * mean), sigma)
    return grey * lines[0] + lines[1]


def disc_blur(image: pyvips.Image, radius: float) -> pyvips.Image:
    """Blur as a wide lens does it: every point becomes a disc of this radius in pixels."""
    factor = min(2 ** math.floor(math.log2(max(1.0, radius / _MAX_DIRECT_RADIUS))), image.width, image.height)
    small = image.resize(1 / factor, kernel="linear") if factor > 1 else image
    reach = math.ceil(radius / factor)
    side = range(-reach, reach + 1)
    # Pixels at the rim count in part, as the rim passes through them.
    disc = [[min(max(radius / factor + 0.5 - math.hypot(x, y), 0.0), 1.0) for x in side] for y in side]
    kernel = pyvips.Image.new_from_array(disc, scale=max(sum(map(sum, disc)), 1e-6))
    return resize_to(small.conv(kernel, precision="float").copy_memory(), image.width, image.height)


def at_most(image: pyvips.Image, side: int) -> pyvips.Image:
    """The image with its longest side no longer than this, in memory."""
    scale = side / max(image.width, image.height)
    return (image.resize(scale, kernel="linear") if scale < 1 else image).copy_memory()


def size_at_most(image: pyvips.Image, side: int) -> tuple[int, int]:
    """The size of `at_most`."""
    scale = min(side / max(image.width, image.height), 1.0)
    return max(round(image.width * scale), 1), max(round(image.height * scale), 1)


def in_tiles(image: pyvips.Image) -> pyvips.Image:
    """The image made square by square: where its parts come from `ifthenelse`, only those are made that are seen."""
    return image.tilecache(tile_width=_TILE, tile_height=_TILE, max_tiles=-1, threaded=True).copy_memory()


def resize_to(image: pyvips.Image, width: int, height: int, *, kernel: str = "cubic") -> pyvips.Image:
    """Exactly this size, whatever that does to the shape."""
    if (image.width, image.height) == (width, height):
        return image
    resized = image.resize(width / image.width, vscale=height / image.height, kernel=kernel)
    return resized.gravity("centre", width, height, extend="copy")


def cover(image: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """Scaled to fill this size, the middle cut out."""
    scale = max(width / image.width, height / image.height)
    scaled = resize_to(image, max(width, round(image.width * scale)), max(height, round(image.height * scale)))
    return scaled.crop((scaled.width - width) // 2, (scaled.height - height) // 2, width, height)


def part(image: pyvips.Image, left: float, top: float, width: float, height: float) -> pyvips.Image:
    """A rectangle given in shares of the width and height, inside the image and at least a pixel."""
    x, y = (min(max(int(at * side), 0), side - 1) for at, side in ((left, image.width), (top, image.height)))
    right, bottom = math.ceil((left + width) * image.width), math.ceil((top + height) * image.height)
    return image.crop(x, y, min(max(right - x, 1), image.width - x), min(max(bottom - y, 1), image.height - y))


def shift(image: pyvips.Image, dx: int, dy: int) -> pyvips.Image:
    """Moved by whole pixels, edges repeated."""
    left, top = max(dx, 0), max(dy, 0)
    wide = image.embed(left, top, image.width + abs(dx), image.height + abs(dy), extend="copy")
    return wide.crop(max(-dx, 0), max(-dy, 0), image.width, image.height)


def clip(image: pyvips.Image) -> pyvips.Image:
    return image.clamp(min=0, max=1)


def smoothstep(image: pyvips.Image, low: float, high: float) -> pyvips.Image:
    """0 below `low`, 1 above `high`, a soft S between them."""
    t = clip((image - low) / (high - low))
    return t * t * (t * -2 + 3)


def mix(one: pyvips.Image, other: pyvips.Image, share: pyvips.Image | float) -> pyvips.Image:
    """`share` of the other, the rest of the one."""
    return one + (other - one) * share


def screen(one: pyvips.Image, other: pyvips.Image) -> pyvips.Image:
    return (one * -1 + 1) * (other * -1 + 1) * -1 + 1


def contrast(image: pyvips.Image, amount: float) -> pyvips.Image:
    """An S-curve that leaves black, white and the middle where they are."""
    clipped = clip(image)
    return mix(clipped, clipped * clipped * (clipped * -2 + 3), amount)


def saturate(image: pyvips.Image, factor: float) -> pyvips.Image:
    grey = luma(image)
    return clip(grey + (image - grey) * factor)


def flat(like: pyvips.Image, colour: RGB) -> pyvips.Image:
    """One colour, the size of another image."""
    return plain(like.width, like.height, colour)


def plain(width: int, height: int, colour: RGB) -> pyvips.Image:
    """One colour, of this size."""
    return pyvips.Image.black(width, height, bands=3).linear([1, 1, 1], list(colour))


def gradient_map(grey: pyvips.Image, stops: list[tuple[float, RGB]]) -> pyvips.Image:
    """Grey values become colours: `stops` are (grey value, colour) from 0 to 1, in between is interpolated."""
    result = grey * 0 + list(stops[0][1])
    for (low, start), (high, end) in pairwise(stops):
        step = [b - a for a, b in zip(start, end, strict=True)]
        result = result + clip((grey - low) / (high - low)) * step
    return result


def noise(width: int, height: int, *, seed: int) -> pyvips.Image:
    """One band of Gaussian noise around 0 with deviation 1."""
    return pyvips.Image.gaussnoise(width, height, mean=0, sigma=1, seed=seed)


def steadied(image: pyvips.Image) -> pyvips.Image:
    """One band of noise around 0, scaled to deviation 1 again after blurring; in memory."""
    image = image.copy_memory()
    if image.width * image.height == 1:
        return image * 0
    return (image / max(image.deviate(), 1e-6)).copy_memory()


def clouds(width: int, height: int, *, cell: float, seed: int) -> pyvips.Image:
    """Soft noise from about -1 to 1 with blotches of about `cell` pixels."""
    small_width, small_height = (max(2, math.ceil(side / cell) + 2) for side in (width, height))
    small = noise(small_width, small_height, seed=seed).copy_memory()
    return (resize_to(small, width, height) / 1.5).clamp(min=-1, max=1)


def radial(width: int, height: int, *, centre_y: float = 0.5) -> pyvips.Image:
    """Distance from the middle: 0 there, 1 at the middle of each edge, about 1.41 in the corners."""
    xy = pyvips.Image.xyz(width, height)
    x = (xy[0] - (width - 1) / 2) / (width / 2)
    y = (xy[1] - (height - 1) * centre_y) / (height / 2)
    return (x * x + y * y) ** 0.5


def vignette(image: pyvips.Image, amount: float) -> pyvips.Image:
    """Darker towards the corners."""
    return image * (smoothstep(radial(image.width, image.height), 0.55, 1.5) * -amount + 1)


def grain(image: pyvips.Image, amount: float, *, seed: int = 11) -> pyvips.Image:
    """Film grain: strongest in the middle tones, a little soft."""
    grains = noise(image.width, image.height, seed=seed).gaussblur(0.6, precision="float")
    grey = luma(image)
    return image + grains * (grey * (grey * -1 + 1) * 4 * amount + amount * 0.25)


def unit(image: pyvips.Image) -> float:
    """A thousandth of the longest side: sizes given in it look the same on any size of photo."""
    return float(max(image.width, image.height)) / 1000
