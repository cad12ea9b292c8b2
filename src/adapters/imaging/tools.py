"""The ImageTool port: headers are read here, everything that decodes is a task of a child process (ADR 52)."""

from __future__ import annotations

import os
from pathlib import Path

from ...core.domain.errors import UndecodableImage
from ...core.domain.media import ImageLimits, Picture, PictureNeeds
from ...core.ports.image_tool import PreviewedPicture
from .children.pool import Content, TaskEnded, TaskRunner
from .picture_tasks import WORK, Normalise, Prepare, Preview, Request, encode_request, made_picture, made_preview
from .sniffing import sniff
from .streamed_header import StreamedHeader


class ImageTools:
    """An ImageTool whose work is done by `children`, which belong to the caller."""

    def __init__(self, children: TaskRunner) -> None:
        self._children = children

    def sniff(self, head: bytes) -> str | None:
        return sniff(head)

    def header(self, *, limits: ImageLimits) -> StreamedHeader:
        return StreamedHeader(limits)

    async def prepare(self, path: Path, needs: PictureNeeds) -> Picture:
        return (await self._prepare(path, Prepare(needs))).picture

    async def prepare_with_preview(self, path: Path, needs: PictureNeeds) -> PreviewedPicture:
        return await self._prepare(path, Prepare(needs, with_preview=True))

    async def normalise(self, data: bytes, *, limits: ImageLimits, with_preview: bool = True) -> PreviewedPicture:
        request = Normalise(limits, with_preview=with_preview)
        return made_picture(await self._run(request, data), was=data)

    async def preview(self, data: bytes) -> bytes:
        return made_preview(await self._run(Preview(), data))

    async def _prepare(self, path: Path, request: Prepare) -> PreviewedPicture:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # was just looked at or written: not worth a hop
        try:
            return made_picture(await self._run(request, file))
        finally:
            os.close(file)

    async def _run(self, request: Request, content: bytes | int) -> Content:
        """Have a request done. A picture that ends the processes that work on it cannot be decoded."""
        try:
            return await self._children.run(WORK, encode_request(request), [content])
        except TaskEnded as error:
            raise UndecodableImage(f"The picture cannot be decoded: {error}.") from error
