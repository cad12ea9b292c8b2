"""The one way to a decoder: a picture whose structure was walked through and is within the bounds (ADR 40).

Every decoder takes a CheckedPicture, and only `check` makes one. Its bytes hold what the pixels need and nothing else:
text, EXIF, XMP, previews, unknown chunks and whatever follows the end are left out, losslessly.
"""

from __future__ import annotations

import msgspec

from ...core.domain.media import ImageLimits
from .bounds import undecodable
from .structure import Findings, parse
from .structure.heif_items import without_metadata
from .structure.png import is_usable_profile
from .structure.webp import rewritten

HEIF_MIMES = frozenset({"image/heic", "image/heif"})

ANY_SIZE = ImageLimits(max_pixels=1_000_000_000)
"""For pictures that met the limits of the settings before, which can be no higher."""


class CheckedPicture(msgspec.Struct, frozen=True):
    """A picture that may be decoded.

    Attributes:
        mime, width, height: type by content, size as stored (HEIC: as shown).
        frames: how many an animation or a HEIC has.
        orientation: what its EXIF asked for, 1 to 8; 1 is upright.
        data: the encoded picture without metadata.
        is_whole: the structure reaches its end, and `data` is a complete file of the same pixels.
        is_one_scan: a JPEG that is proven whole by a decoder that takes its first rows.
    """

    mime: str
    width: int
    height: int
    frames: int
    orientation: int
    data: bytes
    is_whole: bool
    is_one_scan: bool

    def __repr__(self) -> str:
        return f"CheckedPicture({self.mime}, {self.width}x{self.height}, {len(self.data)} bytes)"


def check(data: bytes, limits: ImageLimits) -> CheckedPicture:
    """Walk through the structure of a picture; nothing is decoded.

    Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge. Blocks for 1 ms per 2 MB or so.
    """
    found = parse(data, limits)
    if found.mime == "image/webp" and not found.is_whole:
        raise undecodable(found.mime)  # the container is written again, which would make it look whole
    return CheckedPicture(
        mime=found.mime,
        width=found.width,
        height=found.height,
        frames=found.frames,
        orientation=found.orientation,
        data=_needed(data, found),
        is_whole=found.is_whole and found.is_still and found.mime not in HEIF_MIMES,
        is_one_scan=found.is_one_scan,
    )


def _needed(data: bytes, found: Findings) -> bytes:
    """What a decoder needs of a picture."""
    if found.mime in HEIF_MIMES:
        return without_metadata(data, found.hidden)
    spans = list(found.kept)
    if found.profile is not None and is_usable_profile(data[slice(*found.profile)]):
        spans.append(found.profile)
    spans.sort()
    if _is_all(spans, len(data)):
        return data
    view = memoryview(data)
    parts = [view[start:end] for start, end in spans]
    return rewritten(bytearray().join(parts)) if found.mime == "image/webp" else b"".join(parts)


def _is_all(spans: list[tuple[int, int]], size: int) -> bool:
    at = 0
    for start, end in spans:
        if start != at:
            return False
        at = end
    return at >= size
