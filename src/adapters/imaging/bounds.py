"""How much of a picture's structure is looked at before it is refused: what no camera, phone or editor comes near.

Everything here is counted by the parsers in `structure`, before any decoder sees the file (ADR 40).
"""

from __future__ import annotations

from ...core.domain.errors import UndecodableImage

MAX_JPEG_SEGMENTS = 2_000
MAX_JPEG_SCANS = 100
"""Each scan of a progressive JPEG is a pass over all of its pixels; encoders write about ten."""

MAX_JPEG_FILL_BYTES = 4_096

MAX_PNG_SMALL_CHUNKS = 1_000
"""Chunks of a PNG that hold no pixels."""

MAX_PNG_DATA_CHUNKS = 2_000
"""Chunks of a PNG with pixels; beyond that one for each KiB of the file so far. Encoders write 8 KiB and more."""

MAX_PNG_SMALL_CHUNK_BYTES = 1_024
"""What a decoder needs apart from pixels and profile: a palette has 768 bytes."""

MAX_WEBP_CHUNKS = 1_000

MAX_HEIF_BOXES = 2_000
"""A photo of 200 megapixels in tiles of 512 x 512 has 800 items, each of them a box."""

MAX_HEIF_META_BYTES = 8 * 1024 * 1024
MAX_HEIF_REFERENCES = 8_000
"""References and associations between items, and extents of their data."""

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""Size of a colour profile, unpacked; a larger one is dropped. Those of printing presses have 1 or 2 MiB."""

MAX_EXIF_BYTES = 64 * 1024
"""The first part of EXIF data, in which the orientation is looked for."""

UPLOAD_STEPS = 10_000
"""Work on the structure of an upload on the event loop, in steps of one or two microseconds. The rest of an unusual
file is walked through before it is decoded, in a thread."""

READS_PER_TURN = 500
"""Reads of an upload after which other tasks run: about a millisecond."""

SCANNED_BYTES_PER_STEP = 128
"""Coded pixels that are searched for the next marker: as much work as a step, in the worst case."""

ACCEPTED = "Accepted are JPEG, PNG, WebP and HEIC/HEIF pictures."

NAMES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WebP",
    "image/heic": "HEIC",
    "image/heif": "HEIF",
    "image/avif": "AVIF",
}


def undecodable(mime: str) -> UndecodableImage:
    """The error for content of a type that cannot be decoded whole."""
    return UndecodableImage(f"The file starts like a {NAMES[mime]} picture but is damaged or cut off.")


def too_many(mime: str, what: str, bound: int) -> UndecodableImage:
    """The error for a structure beyond a bound, which is named."""
    return UndecodableImage(
        f"The {NAMES[mime]} file has more than {bound} {what}. Save the picture again with an image editor."
    )
