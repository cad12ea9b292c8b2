"""The one way to a decoder: a picture whose structure was walked through and is within the bounds (ADR 40).

Every decoder takes a CheckedPicture, and only `check` makes one. Its bytes hold what the pixels need and nothing else:
text, EXIF, XMP, previews, unknown chunks and whatever follows the end are left out, losslessly. So is what says how the
colours are meant, which is handed over with them.
"""

from __future__ import annotations

import msgspec

from ...core.domain.media import ImageLimits
from .bounds import MAX_PROFILE_BYTES, undecodable
from .density import JFIF, PNG_CHUNK
from .sniffing import AVIF, HEIF_MIMES, line_end
from .structure import Findings, parse
from .structure.colour import Colour
from .structure.heif_items import without_metadata
from .structure.png import unpacked_profile
from .structure.webp import rewritten

_PNG_HEADER_END = 33
_PNG_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"

ANY_SIZE = ImageLimits(max_pixels=1_000_000_000)
"""For pictures that met the limits of the settings before, which can be no higher."""


class CheckedPicture(msgspec.Struct, frozen=True):
    """A picture that may be decoded.

    Attributes:
        mime, width, height: type by content, size as stored (HEIC: as shown).
        frames: how many an animation or a HEIC has.
        orientation: what its EXIF asked for, 1 to 8; 1 is upright.
        data: the encoded picture without metadata and colour space; a JPEG or PNG has its end, and 300 dpi.
        profile: the ICC profile of the colours, as far as it is within the bound.
        colour: their space without a profile; None for sRGB.
        is_plain: `data` is a complete file of one still picture whose values every reader takes in the same way.
        tolerates_damage: a JPEG of one scan with its end, where a wrong bit costs some blocks (ADR 53).
    """

    mime: str
    width: int
    height: int
    frames: int
    orientation: int
    data: bytes
    profile: bytes | None
    colour: Colour | None
    is_plain: bool
    tolerates_damage: bool

    def __repr__(self) -> str:
        return f"CheckedPicture({self.mime}, {self.width}x{self.height}, {len(self.data)} bytes)"


def check(data: bytes, limits: ImageLimits, *, takes_avif: bool = False) -> CheckedPicture:
    """Walk through the structure of a picture; nothing is decoded.

    Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge. Blocks for 1 ms per 2 MB or so.
    """
    data = data[line_end(data) :]
    found = parse(data, limits, takes_avif=takes_avif)
    if found.lacks_pixels or (found.mime == "image/webp" and not found.is_whole):
        raise undecodable(found.mime)  # what is written below looks whole
    return CheckedPicture(
        mime=found.mime,
        width=found.width,
        height=found.height,
        frames=found.frames,
        orientation=found.orientation,
        data=_needed(data, found),
        profile=_profile(data, found),
        colour=found.colour,
        is_plain=found.is_plain and found.is_still and found.mime not in HEIF_MIMES and found.mime != AVIF,
        tolerates_damage=found.is_one_scan,
    )


def _needed(data: bytes, found: Findings) -> bytes:
    """What a decoder needs of a picture."""
    if found.mime in HEIF_MIMES or found.mime == AVIF:
        return without_metadata(data, found.hidden)
    view = memoryview(data)
    parts = [view[start:end] for start, end in sorted(found.kept)]
    if found.mime == "image/webp":
        return rewritten(bytearray().join(parts))
    if found.mime == "image/png":
        first = parts[0]
        end = b"" if found.kept[-1][1] > len(data) else _PNG_END  # a chunk that is cut off has no end
        return b"".join([first[:_PNG_HEADER_END], PNG_CHUNK, first[_PNG_HEADER_END:], *parts[1:], end])
    start = [_JPEG_START, JFIF] if found.is_jfif else [_JPEG_START]
    needed = b"".join([*start, parts[0][len(_JPEG_START) :], *parts[1:]])
    return needed if needed.endswith(_JPEG_END) else needed.rstrip(b"\xff") + _JPEG_END


def _profile(data: bytes, found: Findings) -> bytes | None:
    """The ICC profile of a picture."""
    if not found.profile:
        return None
    parts = b"".join(data[start:end] for start, end in found.profile)
    profile = unpacked_profile(parts) if found.mime == "image/png" else parts
    return profile if profile and len(profile) <= MAX_PROFILE_BYTES else None
