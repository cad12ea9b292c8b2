"""The ImageTool port: headers are read here, everything that decodes is a task of a child process (ADR 52)."""

from __future__ import annotations

import os
from pathlib import Path

from ...core.domain.errors import UndecodableImage
from ...core.domain.media import ImageLimits, Picture, PictureNeeds
from .children.pool import TaskEnded, TaskRunner
from .picture_tasks import WORK, Made, Normalise, Prepare, Preview, Request, decode_answer, encode_request
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
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # was just looked at or written: not worth a hop
        try:
            made, contents = await self._run(Prepare(needs), file)
        finally:
            os.close(file)
        return Picture(contents[0], made.mime, made.width, made.height)

    async def normalise(self, data: bytes, *, limits: ImageLimits) -> Picture:
        made, contents = await self._run(Normalise(limits), data)
        return Picture(contents[0] if contents else data, made.mime, made.width, made.height)

    async def preview(self, data: bytes) -> bytes:
        _, contents = await self._run(Preview(), data)
        return contents[0]

    async def _run(self, request: Request, content: bytes | int) -> tuple[Made, list[bytes]]:
        """Have a request done. A picture that ends the processes that work on it cannot be decoded."""
        try:
            answer = await self._children.run(WORK, encode_request(request), [content])
        except TaskEnded as error:
            raise UndecodableImage(f"The picture cannot be decoded: {error}.") from error
        return decode_answer(answer.header), answer.contents
