"""People and faces in a photo: what is found of them, and the way to the finders, which only the extra has."""

from __future__ import annotations

import importlib

import pyvips
from msgspec import Struct

from .extra import installed


class Face(Struct, frozen=True):
    """A box from the eyebrows to the chin, in shares of the photo's width and height."""

    left: float
    top: float
    width: float
    height: float
    score: float = 1.0

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2


class People(Struct, frozen=True):
    """What was found: the share of a person in each pixel (one band of 8 bits, in memory), and the faces."""

    mask: pyvips.Image
    faces: list[Face]

    @property
    def share(self) -> pyvips.Image:
        """The mask as floats, 0 to 1."""
        return self.mask / 255


def find_people(photo: pyvips.Image) -> People | None:
    """The people in a photo (8-bit sRGB); None when there are none or the extra is missing."""
    if not installed():
        return None
    found: People | None = importlib.import_module(".matte", __package__).find(photo)
    return found


def find_faces(photo: pyvips.Image) -> list[Face]:
    """The faces in a photo (8-bit sRGB), the surest first; none when the extra is missing."""
    if not installed():
        return []
    found: list[Face] = importlib.import_module(".faces", __package__).find(photo)
    return found
