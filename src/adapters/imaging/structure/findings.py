"""What a parser finds in the structure of a picture, held against the limits while it is found."""

from __future__ import annotations

from ....core.domain.errors import ImageTooLarge
from ....core.domain.media import ImageLimits
from ..bounds import undecodable
from .colour import Colour


class Findings:
    """Type, size and frames of a picture, and which of its bytes a decoder needs.

    Attributes:
        width, height: in pixels as stored, for HEIC as shown; 0 until they are found.
        frames: how many an animation announces or a HEIC holds.
        orientation: what EXIF asks for, 1 to 8; 1 is upright.
        is_enough: what follows says nothing about the size, and is bounded by what a decoder does with it.
        is_whole: the structure reaches its end.
        is_still: no animation.
        is_one_scan: a JPEG whose pixels are in one sequential Huffman-coded scan, as cameras write it.
        is_plain: every reader takes the values of the pixels in the same way: grey or RGB of 8 bits, nothing rare.
        is_jfif: a JPEG of grey or YCbCr pixels, which is what a JFIF header says.
        lacks_pixels: a JPEG whose scans, as far as there are any, do not hold all of its pixels.
        kept: bytes that a decoder needs, as offsets of start and end; no profile, colour space or density.
        profile: where the colour profile is, in parts; packed in a PNG.
        colour: the space of the pixels' values where there is no profile; None for sRGB.
        hidden: offsets of the item types of metadata in a HEIC.
        steps: the work so far; each is a chunk, segment, box or entry, or a stretch that was searched.
    """

    def __init__(self, mime: str, limits: ImageLimits) -> None:
        self.mime = mime
        self.limits = limits
        self.width = 0
        self.height = 0
        self.frames = 1
        self.orientation = 1
        self.is_enough = False
        self.is_whole = False
        self.is_still = True
        self.is_one_scan = False
        self.is_plain = True
        self.is_jfif = False
        self.lacks_pixels = False
        self.kept: list[tuple[int, int]] = []
        self.profile: list[tuple[int, int]] = []
        self.colour: Colour | None = None
        self.hidden: list[int] = []
        self.steps = 0

    def found_size(self, width: int, height: int) -> None:
        """Note the size. UndecodableImage where it is empty, ImageTooLarge."""
        if width < 1 or height < 1:
            raise undecodable(self.mime)
        self.require_size(width, height)
        self.width, self.height = width, height

    def require_size(self, width: int, height: int) -> None:
        """Raise ImageTooLarge for more pixels than are accepted."""
        pixels = width * height
        if pixels > self.limits.max_pixels:
            raise ImageTooLarge(
                f"The picture has {width}x{height} = {pixels} pixels, at most {self.limits.max_pixels} are accepted."
            )

    def found_frames(self, frames: int) -> None:
        """Note how many frames there are. ImageTooLarge."""
        if frames > self.limits.max_frames:
            raise ImageTooLarge(
                f"The picture has {frames} frames or more, at most {self.limits.max_frames} are accepted."
            )
        self.frames = max(frames, 1)

    def keep(self, start: int, end: int) -> None:
        """Add bytes that a decoder needs."""
        if self.kept and self.kept[-1][1] == start:
            self.kept[-1] = (self.kept[-1][0], end)
        elif start < end:
            self.kept.append((start, end))
