"""The ImageTool port for pictures that are short texts such as `JPEG 6000x4000 ada`: see `world`."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from photochanger.core.domain.errors import ImageTooLarge, UndecodableImage, UnsupportedMediaType
from photochanger.core.domain.media import ImageFacts, ImageLimits, Picture, PictureNeeds
from photochanger.core.ports.image_tool import LaterPreview, PreviewedPicture

_TYPES = {b"JPEG": "image/jpeg", b"PNG": "image/png", b"WEBP": "image/webp", b"HEIC": "image/heic"}


class MadePreview:
    """A preview that is there already, or None."""

    def __init__(self, preview: bytes | None) -> None:
        self._preview = preview

    def __await__(self) -> Generator[Any, None, bytes | None]:
        yield from ()
        return self._preview


class TextImages:
    """The ImageTool port for the pictures of this world."""

    def __init__(self) -> None:
        self.sniffed: list[bytes] = []
        self.prepared: list[PictureNeeds] = []
        self.decoded_for_previews = 0
        self.made_previews = 0
        self.makes_previews = True

    def sniff(self, head: bytes) -> str | None:
        self.sniffed.append(head)
        return _TYPES.get(head.split(b" ")[0])

    def header(self, *, limits: ImageLimits) -> TextHeader:
        return TextHeader(self, limits)

    async def prepare(self, path: Path, needs: PictureNeeds) -> Picture:
        self.prepared.append(needs)
        return self._whole(_read(path), ImageLimits(needs.max_pixels))

    async def prepare_with_preview(self, path: Path, needs: PictureNeeds) -> PreviewedPicture:
        picture = await self.prepare(path, needs)
        return PreviewedPicture(picture, self._preview(picture.data))

    async def normalise(self, data: bytes, *, limits: ImageLimits, with_preview: bool = True) -> PreviewedPicture:
        for _ in range(10):  # decoding takes longer than writing
            await asyncio.sleep(0)
        if data.split(b" ")[0] not in _TYPES:
            raise UnsupportedMediaType("This is no picture.")
        picture = self._whole(data, limits)
        return PreviewedPicture(picture, self._preview(data) if with_preview else MadePreview(None))

    async def preview(self, data: bytes) -> bytes:
        self.decoded_for_previews += 1
        return self._small(data)

    def _preview(self, data: bytes) -> LaterPreview:
        self.made_previews += 1
        return MadePreview(self._small(data) if self.makes_previews else None)

    def _small(self, data: bytes) -> bytes:
        self._whole(data, ImageLimits(10**9))
        return b"WEBP 512x341 small " + data

    def facts(self, data: bytes, limits: ImageLimits) -> ImageFacts:
        try:
            type, size, _ = data.split(b" ", 2)
            facts = ImageFacts(_TYPES[type], *(int(side) for side in size.split(b"x")))
        except KeyError:
            raise UnsupportedMediaType("This is no picture.") from None
        except ValueError:
            raise UndecodableImage("The header is not whole.") from None
        if facts.width * facts.height > limits.max_pixels:
            raise ImageTooLarge("There are too many pixels.")
        return facts

    def _whole(self, data: bytes, limits: ImageLimits) -> Picture:
        facts = self.facts(data, limits)
        if b"torn" in data:
            raise UndecodableImage("The picture is not whole.")
        return Picture(data, facts.mime, facts.width, facts.height)


class TextHeader:
    """The HeaderReader port for the pictures of this world."""

    def __init__(self, images: TextImages, limits: ImageLimits) -> None:
        self.mime: str | None = None
        self._images = images
        self._limits = limits
        self._start = b""

    def feed(self, data: bytes) -> Iterator[None]:
        if self.mime is None:
            self._start += data
            if len(self._start) >= 32:
                mime = self._images.sniff(self._start)
                if mime is None:
                    raise UnsupportedMediaType("This is no picture.")
                self.facts()
                self.mime = mime
        yield

    def facts(self) -> ImageFacts:
        return self._images.facts(self._start, self._limits)


def _read(path: Path) -> bytes:
    return path.read_bytes()
