"""The `frame` operation: a drawn border with a caption, or the slot's own frame picture over the photo."""

from __future__ import annotations

import math
import random

import pyvips
from PIL import Image, ImageDraw

from . import canvas, transparency
from .lettering import caption_mask
from .settings import FrameFit, FrameSettings, FrameStyle

_WHITE: canvas.RGB = (1.0, 1.0, 1.0)
_INK: canvas.RGB = (0.16, 0.15, 0.17)
_CAPTION_SHARE = 0.13
"""Height of the caption's strip, of the photo's shorter side."""

_CONFETTI = ("#FFD23F", "#3BCEAC", "#FFFFFF", "#FF8C42", "#7FD1FF")
_CONFETTI_SEED = 2607
_MAX_SCRAPS = 20_000


def overlay(photo: pyvips.Image, frame: pyvips.Image, fit: FrameFit) -> pyvips.Image:
    """The slot's frame picture over the photo, through its own transparency; that of the photo stays."""
    if fit is FrameFit.STRETCH:
        laid = canvas.resize_to(frame, photo.width, photo.height).cast("uchar")
    else:
        scale = max(photo.width, photo.height) / max(frame.width, frame.height)
        width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        laid = canvas.resize_to(frame, width, height).cast("uchar")
        photo = canvas.cover(photo, width, height).cast("uchar")
    both = photo.copy(interpretation="srgb").composite2(laid.copy(interpretation="srgb"), "over")
    return (both if photo.hasalpha() else transparency.without(both)).cast("uchar")


def draw(photo: pyvips.Image, settings: FrameSettings) -> pyvips.Image:
    """The drawn border of the chosen style around the photo."""
    return {
        FrameStyle.PARTY: _party,
        FrameStyle.GRADIENT: _gradient,
        FrameStyle.POLAROID: _polaroid,
        FrameStyle.CLASSIC: _classic,
    }[settings.style](photo, settings)


class _Sheet:
    """Where photo and caption lie on the finished picture, in pixels."""

    def __init__(self, photo: pyvips.Image, settings: FrameSettings, *, foot: float = 0.0) -> None:
        short = min(photo.width, photo.height)
        self.border: int = max(1, round(short * settings.border / 100))
        self.lettered = bool(settings.caption.strip())
        strip = _CAPTION_SHARE if self.lettered else 0.0
        self.foot: int = max(self.border, round(short * max(foot, strip)))
        self.width: int = photo.width + 2 * self.border
        self.height: int = photo.height + self.border + self.foot
        self.photo = photo
        self.unit = max(self.width, self.height) / 1000

    def place(self, sheet: pyvips.Image, *, radius: float, shadow: float) -> pyvips.Image:
        """The photo on a sheet of floats, with rounded corners and a soft shadow below it."""
        hole = self._rounded(radius)
        if shadow:
            cast = canvas.blur(canvas.shift(hole, 0, round(5 * self.unit)), 9 * self.unit)
            sheet = sheet * (cast * -shadow + 1)
        wide = canvas.to_float(self.photo).embed(self.border, self.border, self.width, self.height, extend="copy")
        return canvas.mix(sheet, wide, hole)

    def letter(self, sheet: pyvips.Image, caption: str, colour: canvas.RGB) -> pyvips.Image:
        """The caption in the strip below the photo."""
        if not self.lettered:
            return sheet
        mask = caption_mask(caption, width=self.photo.width, height=self.foot)
        mask = mask.embed(self.border, self.border + self.photo.height, self.width, self.height)
        return canvas.mix(sheet, canvas.flat(sheet, colour), mask)

    def covers(self, x: float, y: float) -> bool:
        """Whether the photo or the caption will lie on this point."""
        lowest = self.height if self.lettered else self.height - self.foot
        return self.border < x < self.width - self.border and self.border < y < lowest

    def _rounded(self, radius: float) -> pyvips.Image:
        """1 inside the photo's rounded rectangle, 0 outside, smooth by a pixel."""
        # Half a pixel is what a pixel itself reaches from its middle: a radius of 0 keeps the whole photo.
        radius = max(0.5, min(radius, self.photo.width / 2, self.photo.height / 2))
        xy = pyvips.Image.xyz(self.width, self.height)
        middle = [self.border + (self.photo.width - 1) / 2, self.border + (self.photo.height - 1) / 2]
        half = [self.photo.width / 2 - radius, self.photo.height / 2 - radius]
        beyond = ((xy - middle).abs() - half).cast("float")
        beyond = (beyond > 0).ifthenelse(beyond, 0)
        distance = (beyond[0] * beyond[0] + beyond[1] * beyond[1]) ** 0.5
        return canvas.clip(distance * -1 + (radius + 0.5)).copy_memory()


def _party(photo: pyvips.Image, settings: FrameSettings) -> pyvips.Image:
    sheet = _Sheet(photo, settings)
    ground = _confetti(_blend(sheet, settings), sheet)
    placed = sheet.place(ground, radius=sheet.border * 0.55, shadow=0.4)
    return canvas.to_uchar(sheet.letter(placed, settings.caption, _WHITE))


def _gradient(photo: pyvips.Image, settings: FrameSettings) -> pyvips.Image:
    sheet = _Sheet(photo, settings)
    placed = sheet.place(_blend(sheet, settings), radius=sheet.border * 0.35, shadow=0.3)
    return canvas.to_uchar(sheet.letter(placed, settings.caption, _WHITE))


def _polaroid(photo: pyvips.Image, settings: FrameSettings) -> pyvips.Image:
    """White card with a wide foot, a whisper of texture and a dark rim around the picture."""
    sheet = _Sheet(photo, settings, foot=0.2)
    card = canvas.plain(sheet.width, sheet.height, (0.975, 0.97, 0.955))
    card = card + canvas.noise(sheet.width, sheet.height, seed=31).gaussblur(0.8, precision="float") * 0.008
    placed = sheet.place(card, radius=2 * sheet.unit, shadow=0.28)
    return canvas.to_uchar(sheet.letter(placed, settings.caption, _INK))


def _classic(photo: pyvips.Image, settings: FrameSettings) -> pyvips.Image:
    """Passe-partout: off-white card with a thin line in the colour between photo and edge."""
    sheet = _Sheet(photo, settings, foot=settings.border / 100 * 1.5)
    card = canvas.plain(sheet.width, sheet.height, (0.965, 0.96, 0.945))
    inset, line = round(sheet.border * 0.62), max(1, round(1.6 * sheet.unit))
    gap = sheet.border - inset
    outer = _bars(sheet, inset, photo.width + 2 * gap, photo.height + 2 * gap, line)
    card = canvas.mix(card, canvas.flat(card, canvas.rgb(settings.color)), outer)
    placed = sheet.place(card, radius=0, shadow=0.12)
    return canvas.to_uchar(sheet.letter(placed, settings.caption, canvas.rgb(settings.color)))


def _bars(sheet: _Sheet, inset: int, width: int, height: int, line: int) -> pyvips.Image:
    """The outline of a rectangle: 1 on it, 0 elsewhere."""
    bars = pyvips.Image.black(width, height) + 1
    if min(width, height) > 2 * line:
        inner = pyvips.Image.black(width - 2 * line, height - 2 * line) + 1
        bars = bars - inner.embed(line, line, width, height)
    return bars.embed(inset, inset, sheet.width, sheet.height)


def _blend(sheet: _Sheet, settings: FrameSettings) -> pyvips.Image:
    """Both colours across the sheet, from one corner to the other, with a little noise against banding."""
    xy = pyvips.Image.xyz(sheet.width, sheet.height)
    way = xy[0] / (2 * sheet.width) + xy[1] / (2 * sheet.height)
    blended = canvas.gradient_map(way, [(0.05, canvas.rgb(settings.color)), (0.95, canvas.rgb(settings.accent))])
    return blended + canvas.noise(sheet.width, sheet.height, seed=32) * 0.006


def _confetti(ground: pyvips.Image, sheet: _Sheet) -> pyvips.Image:
    """Scraps of coloured paper along the border; the same ones each time."""
    chance = random.Random(_CONFETTI_SEED)
    size = max(2.0, sheet.border * 0.17)
    colours = Image.new("RGB", (sheet.width, sheet.height))
    mask = Image.new("L", (sheet.width, sheet.height))
    for _ in range(min(_MAX_SCRAPS, round(sheet.width * sheet.height / (size * size * 12)))):
        x, y = chance.uniform(0, sheet.width), chance.uniform(0, sheet.height)
        if sheet.covers(x, y):
            continue
        outline = _scrap(x, y, size * chance.uniform(0.5, 1.2), chance)
        ImageDraw.Draw(colours).polygon(outline, fill=chance.choice(_CONFETTI), width=3)
        ImageDraw.Draw(mask).polygon(outline, fill=round(255 * chance.uniform(0.55, 0.95)))
    scraps = canvas.to_float(pyvips.Image.new_from_memory(colours.tobytes(), sheet.width, sheet.height, 3, "uchar"))
    where = canvas.to_float(pyvips.Image.new_from_memory(mask.tobytes(), sheet.width, sheet.height, 1, "uchar"))
    return canvas.mix(ground, scraps, canvas.blur(where, 0.6))


def _scrap(x: float, y: float, size: float, chance: random.Random) -> list[tuple[float, float]]:
    """A round or an oblong scrap, turned at random."""
    turn = chance.uniform(0, math.pi)
    corners, flat = (12, 1.0) if chance.random() < 0.4 else (4, 0.5)
    points = []
    for corner in range(corners):
        angle = 2 * math.pi * (corner + 0.5) / corners
        across, along = size * flat * math.cos(angle), size * math.sin(angle)
        points.append(
            (x + across * math.cos(turn) - along * math.sin(turn), y + across * math.sin(turn) + along * math.cos(turn))
        )
    return points
