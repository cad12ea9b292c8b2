"""Pictures: type, dimensions, preparation, proof, previews."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..domain.media import ImageFacts, ImageLimits, Picture, PictureNeeds


class ImageTool(Protocol):
    """Everything that is done to pictures outside of providers. Never blocks the event loop."""

    def sniff(self, head: bytes) -> str | None:
        """The MIME type by content, from the first bytes (at least 32 where there are as many), None if unknown."""
        ...

    async def inspect(self, path: Path, *, limits: ImageLimits) -> ImageFacts:
        """Type and dimensions from the header alone; nothing is decoded.

        Raises UnsupportedMediaType, UndecodableImage (no usable header), ImageTooLarge (pixels or frames).
        """
        ...

    async def inspect_start(self, start: bytes, *, limits: ImageLimits) -> ImageFacts | None:
        """The same from the first bytes of a picture that is still arriving; None where those do not tell it all.

        Raises ImageTooLarge. Whatever else is wrong is for `inspect` to say.
        """
        ...

    async def prepare(self, path: Path, needs: PictureNeeds) -> Picture:
        """The photo as a provider may see it: upright by EXIF, without location metadata, within `needs`.

        A photo that already fits is not re-encoded where its metadata can be taken out without that. An animation
        becomes its first frame. Raises UndecodableImage when it cannot be decoded whole.
        """
        ...

    async def verify(self, data: bytes, *, limits: ImageLimits) -> Picture:
        """A provider's bytes as a picture: type by content, decoded whole once to prove that it is one.

        Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge.
        """
        ...

    async def preview(self, data: bytes) -> bytes:
        """A WebP of the picture: longest side 512 px, at most 64 KiB; UndecodableImage."""
        ...
