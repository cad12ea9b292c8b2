"""The painted looks: oil and watercolour. Both flatten the photo into patches first and then show the hand in it."""

from __future__ import annotations

import math

import pyvips

from . import canvas
from .people.found import Face

_SECTORS = 8
_FACE_BRUSH = 0.017
"""The brush on a face, as a share of its height."""

_MAX_FACES = 24
_FLAT = 1e-9
"""Less change than any photo has: where there is none, every direction is as good."""

PAINT_SIDE = 1400
"""Paint has no detail finer than a brush: the patches are found on a picture of this size."""


def oil(image: pyvips.Image, faces: list[Face]) -> pyvips.Image:
    """Thick paint: brush strokes that follow the shapes, with light falling on their ridges; finer ones on faces."""
    small = _easel(image)
    unit = canvas.unit(small)
    paint, flow = _strokes(small, 4.5 * unit)
    paint = _with_fine_faces(paint, small, faces)
    paint = canvas.saturate(canvas.contrast(paint, 0.3), 1.25).copy_memory()
    ridges = _smear(canvas.noise(small.width, small.height, seed=3).gaussblur(1.1 * unit), flow, 4 * unit, rounds=3)
    ridges = canvas.steadied(ridges)
    height = (ridges * 0.045 + canvas.luma(paint) * 0.35).copy_memory()
    step = max(1, round(unit))
    # On a large print a ridge's shadow is as long as a pixel of the print allows, which is more than one here.
    steep = max(1.0, round(canvas.unit(image)) * small.width / image.width / step)
    light = (canvas.shift(height, step, step) - canvas.shift(height, -step, -step)) * steep
    done = canvas.to_uchar(paint + light.clamp(min=-0.12, max=0.12) * -0.8 + ridges * 0.01)
    return canvas.resize_to(done.copy_memory(), image.width, image.height)


def _easel(image: pyvips.Image) -> pyvips.Image:
    """The photo (8-bit sRGB) at the size at which it is painted, as floats in memory."""
    return canvas.to_float(canvas.at_most(image, PAINT_SIDE)).copy_memory()


def _strokes(small: pyvips.Image, brush: float) -> tuple[pyvips.Image, pyvips.Image]:
    """The picture painted with a brush of this radius in pixels, and the flow that its strokes follow."""
    flow = _flow(canvas.luma(small), max(0.8 * brush, 0.7))
    return _smear(patches(small, brush), flow, 0.6 * brush, rounds=2).copy_memory(), flow


def _with_fine_faces(paint: pyvips.Image, small: pyvips.Image, faces: list[Face]) -> pyvips.Image:
    """Each face again, with a brush that leaves its eyes and mouth what they are."""
    for face in sorted(faces, key=lambda face: face.height, reverse=True)[:_MAX_FACES]:
        brush = _FACE_BRUSH * face.height * small.height
        if brush >= 4.5 * canvas.unit(small):
            continue
        left, top = max(round((face.left - face.width * 0.6) * small.width), 0), face.top - face.height * 0.9
        top = max(round(top * small.height), 0)
        width = min(round(face.width * 2.2 * small.width), small.width - left)
        height = min(round(face.height * 2.4 * small.height), small.height - top)
        if min(width, height) < 8:
            continue
        area = small.crop(left, top, width, height).copy_memory()
        fine, _ = _strokes(area, max(brush, 0.8))
        # A painter sets eyes and lips in last: a part of the photo's own fine detail.
        fine = fine + (area - canvas.blur(area, 2 * max(brush, 0.8))) * 0.35
        x, y = face.centre
        at = pyvips.Image.xyz(width, height)
        across = (at[0] - (x * small.width - left)) / (face.width * small.width)
        down = (at[1] - ((y - 0.15 * face.height) * small.height - top)) / (face.height * small.height * 1.15)
        share = canvas.smoothstep((across * across + down * down) ** 0.5 * -1, -1.0, -0.55)
        before = paint.crop(left, top, width, height)
        paint = paint.insert(canvas.mix(before, fine, share), left, top).copy_memory()
    return paint


def watercolor(image: pyvips.Image, faces: list[Face]) -> pyvips.Image:
    """Thin washes on rough paper: pale, darker where a wash dried at its edge, with unpainted borders."""
    small = _easel(image)
    unit = canvas.unit(small)
    washes = patches(small, 4.5 * unit).copy_memory()
    wobble = canvas.clouds(small.width, small.height, cell=14 * unit, seed=5).bandjoin(
        canvas.clouds(small.width, small.height, cell=14 * unit, seed=6)
    )
    washes = washes.mapim(pyvips.Image.xyz(small.width, small.height) + wobble * (2.2 * unit), extend="copy")
    washes = canvas.clip(_with_fine_faces(washes.copy_memory(), small, faces)).copy_memory()
    grey = canvas.luma(washes)
    rims = canvas.smoothstep((canvas.blur(grey, 3.5 * unit) - canvas.blur(grey, 1.2 * unit)), 0.006, 0.09)
    washes = canvas.saturate(washes, 1.45) ** 0.75 * 0.8 + 0.2
    washes = washes * (rims * -0.34 + 1)
    washes = canvas.resize_to(washes.copy_memory(), image.width, image.height)
    return canvas.to_uchar(_on_paper(washes))


def _on_paper(washes: pyvips.Image) -> pyvips.Image:
    """Pigment that settles in the grain of a warm white sheet and ends in a ragged border."""
    width, height, unit = washes.width, washes.height, canvas.unit(washes)
    blotches = canvas.clouds(width, height, cell=70 * unit, seed=7) + canvas.clouds(
        width, height, cell=22 * unit, seed=8
    )
    tooth = canvas.steadied(canvas.noise(width, height, seed=9).gaussblur(1.1 * unit, precision="float"))
    pigment = (washes * -1 + 1) * (blotches * 0.10 + tooth * 0.045 + 1)
    xy = pyvips.Image.xyz(width, height)
    margin = _least([xy[0], xy[0] * -1 + (width - 1), xy[1], xy[1] * -1 + (height - 1)]) / unit
    painted = canvas.smoothstep(margin + blotches * 7 + tooth * 1.2, 17, 27)
    paper = canvas.flat(washes, (0.985, 0.975, 0.945)) + tooth * 0.008
    return paper - pigment * painted


def patches(image: pyvips.Image, radius: float) -> pyvips.Image:
    """Every pixel becomes the mean of its most uniform neighbourhoods: patches of one colour, sharp borders.

    Eight overlapping neighbourhoods around a pixel are weighed by how even they are (a smooth Kuwahara filter).
    """
    grey = canvas.luma(image)
    moments = image.bandjoin([grey, grey * grey])
    moments = moments.gaussblur(max(radius * 0.5, 0.5), precision="float", min_ampl=0.1).copy_memory()
    variance = (moments[4] - moments[3] * moments[3]).clamp(min=0, max=1)
    unrest = variance * 4000 + 0.05
    calm = 1 / (unrest * unrest * unrest)
    weighted = (moments.extract_band(0, n=3) * calm).bandjoin(calm).copy_memory()
    sums = weighted.conv(_ring(radius), precision="float").copy_memory()
    return sums.extract_band(0, n=3) / sums[3]


def _ring(radius: float) -> pyvips.Image:
    """A kernel that adds up what is at this distance in each sector's direction."""
    angles = [2 * math.pi * sector / _SECTORS for sector in range(_SECTORS)]
    points = [(round(radius * math.cos(angle)), round(radius * math.sin(angle))) for angle in angles]
    reach = max(abs(at) for point in points for at in point)
    side = range(-reach, reach + 1)
    return pyvips.Image.new_from_array([[points.count((x, y)) for x in side] for y in side])


def _flow(grey: pyvips.Image, sigma: float) -> pyvips.Image:
    """For each pixel the direction along the shapes around it, as a two-band unit vector (structure tensor)."""
    across = grey.conv([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], precision="float")
    down = grey.conv([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], precision="float")
    slopes = (across * across).bandjoin([down * down, across * down]).copy_memory()
    tensor = canvas.blur(slopes, sigma).copy_memory()
    # The strongest change is at half the angle of this vector, and the flow across that.
    x, y = tensor[0] - tensor[1], tensor[2] * 2
    cosine = (x / ((x * x + y * y) ** 0.5 + _FLAT)).clamp(min=-1, max=1)
    along = ((cosine + 1) / 2) ** 0.5
    across = ((cosine * -1 + 1) / 2) ** 0.5
    return (y < 0).ifthenelse(across, across * -1).bandjoin(along).copy_memory()


def _smear(image: pyvips.Image, flow: pyvips.Image, length: float, *, rounds: int) -> pyvips.Image:
    """Drawn out along the flow. Each round triples the reach, and follows the curves that the round before drew."""
    at = pyvips.Image.xyz(image.width, image.height)
    reach = length
    for number in range(rounds):
        ahead = image.mapim(at + flow * reach, extend="copy")
        behind = image.mapim(at - flow * reach, extend="copy")
        image = (ahead + image + behind) / 3
        reach = length * 3 ** (-number - 1)
        image = image.copy_memory()
    return image


def _least(images: list[pyvips.Image]) -> pyvips.Image:
    result = images[0]
    for image in images[1:]:
        result = (result < image).ifthenelse(result, image)
    return result
