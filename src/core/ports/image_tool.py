"""Pictures: type, dimensions, preparation, proof, previews."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from ..domain.media import ImageFacts, ImageLimits, Picture, PictureNeeds

LaterPreview = Awaitable[bytes | None]
"""A preview that is being made, a WebP: None where that fails, or none was wanted. It raises nothing, and need not be
awaited."""


class PreviewedPicture(msgspec.Struct, frozen=True):
    """A picture, and its preview, which is made from the same pixels once the picture is there."""

    picture: Picture
    preview: LaterPreview


class HeaderReader(Protocol):
    """The header of one picture that is arriving, read on the event loop without decoding anything.

    The work is bounded, whatever arrives: some ten milliseconds for a whole picture.
    """

    @property
    def mime(self) -> str | None:
        """The MIME type by content; None before enough bytes have arrived (64 behind a line end, or all)."""
        ...

    def feed(self, data: bytes) -> Iterator[None]:
        """Look at the next bytes of the picture; yields after each millisecond or so, for other tasks to run.

        Raises as soon as it shows UnsupportedMediaType, UndecodableImage (also for a structure beyond the bounds, which
        the error names), ImageTooLarge (pixels or frames).
        """
        ...

    def facts(self) -> ImageFacts:
        """Type and dimensions, once all has arrived. Raises what `feed` raises."""
        ...


class ImageTool(Protocol):
    """Everything that is done to pictures outside of providers. Never blocks the event loop.

    Before a decoder sees a picture, its structure is walked through within bounds, and what its pixels do not need is
    left out: no method decodes text, metadata or a picture beyond the bounds (UndecodableImage, ImageTooLarge).
    """

    def sniff(self, head: bytes) -> str | None:
        """The MIME type by content, from the first bytes (at least 32 where there are as many), None if unknown."""
        ...

    def header(self, *, limits: ImageLimits) -> HeaderReader:
        """A reader for the header of one picture that is about to arrive."""
        ...

    async def prepare(self, path: Path, needs: PictureNeeds) -> Picture:
        """The photo as a provider may see it: upright, 8-bit sRGB, whole, without metadata, within `needs`.

        A photo of which only metadata must go is not re-encoded. An animation becomes its first frame. Raises
        UndecodableImage when it cannot be decoded whole.
        """
        ...

    async def prepare_with_preview(self, path: Path, needs: PictureNeeds) -> PreviewedPicture:
        """The same, and a preview of it, from one decoding."""
        ...

    async def normalise(self, data: bytes, *, limits: ImageLimits, with_preview: bool = True) -> PreviewedPicture:
        """A provider's bytes as a result: type by content, decoded whole once to prove that it is one. With its
        preview, from the same decoding, where one is wanted.

        A result is an upright JPEG, PNG or WebP in sRGB with 300 dpi and no other metadata nor profile, of the type of
        the bytes where that is one of these. It is only re-encoded where that takes more than leaving something out.
        AVIF is taken here too.

        Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge.
        """
        ...

    async def preview(self, data: bytes) -> bytes:
        """A WebP of the picture: longest side 512 px, at most 64 KiB; UndecodableImage."""
        ...
