"""The type of a picture by its first bytes: names and headers from outside are never believed."""

from __future__ import annotations

HEAD_BYTES = 64
"""As much of a file as `identify` and `name_of` look at."""

AVIF = "image/avif"
"""Taken from providers only, see `checked`."""

HEIF_MIMES = frozenset({"image/heic", "image/heif"})

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF_BRANDS = {b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}

_LINE_ENDS = (b"\r\n", b"\n")
"""Some camera software sends one too many before the photo."""

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"II*\0", "a TIFF picture or a camera's raw file"),
    (b"MM\0*", "a TIFF picture or a camera's raw file"),
    (b"II+\0", "a TIFF picture"),
    (b"MM\0+", "a TIFF picture"),
    (b"IIRO", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"FOVb", "a camera's raw file"),
    (b"II\xbc", "a JPEG XR picture"),
    (b"BM", "a BMP picture"),
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\0\0\x01\0", "an icon"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"\0\0\x01\xba", "an MPEG video"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{", "JSON"),
)
_BOXES: tuple[tuple[frozenset[bytes], str], ...] = (
    (frozenset(_AVIF_BRANDS), "an AVIF picture"),
    (frozenset({b"crx "}), "a camera's raw file"),
    (frozenset({b"qt  "}), "a QuickTime video"),
)


def sniff(head: bytes) -> str | None:
    """The MIME type of the picture that starts with `head`; None when it is none that is accepted from cameras.

    A line end in front of it is passed over.
    """
    mime = identify(head[line_end(head) :])
    return None if mime == AVIF else mime


def identify(head: bytes) -> str | None:
    """The MIME type of the picture that starts with `head`, AVIF included; None when it is none of these.

    No line end is passed over.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and head[12:16] in (b"VP8 ", b"VP8L", b"VP8X"):
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    return None


def line_end(head: bytes) -> int:
    """The length of a line end in front of a file, in bytes; 0 where there is none."""
    return next((len(end) for end in _LINE_ENDS if head.startswith(end)), 0)


def name_of(head: bytes) -> str | None:
    """What a file that starts with `head` is, if it is no accepted picture, with its article; None where unknown."""
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        return next((name for kinds, name in _BOXES if brands & kinds), "an MP4 video")
    if head[:4] == b"RIFF":
        return {b"AVI ": "an AVI video", b"WAVE": "a WAV sound"}.get(head[8:12])
    for start, name in _OTHERS:
        if head.startswith(start):
            return name
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml")):
        return "an SVG or XML document"
    return "an HTML page" if text.startswith((b"<!doctype", b"<html")) else None


def _sniff_brands(head: bytes) -> str | None:
    """HEIC, HEIF or AVIF by the brands of an ISO media file; AVIF shares the container and names itself among them."""
    brands, major = _brands(head), head[8:12]
    if brands & _AVIF_BRANDS:
        return AVIF
    if major in _HEIC_BRANDS:
        return "image/heic"
    if major in _HEIF_BRANDS:
        return "image/heic" if brands & _HEIC_BRANDS else "image/heif"
    return None


def _brands(head: bytes) -> set[bytes]:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}
