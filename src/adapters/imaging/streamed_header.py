"""The HeaderReader port: a picture is looked at while it arrives."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.domain.media import ImageFacts, ImageLimits
from .bounds import READS_PER_TURN, UPLOAD_STEPS, undecodable
from .sniffing import HEAD_BYTES, line_end
from .structure import Cursor, Findings, Waiting, type_of, walk


class StreamedHeader:
    """The HeaderReader port: a picture that is still arriving. AVIF is only taken in a provider's answer."""

    def __init__(self, limits: ImageLimits, *, takes_avif: bool = False) -> None:
        self._limits = limits
        self._takes_avif = takes_avif
        self._cursor = Cursor()
        self._found: Findings | None = None
        self._walk: Waiting[None] | None = None

    @property
    def mime(self) -> str | None:
        return self._found.mime if self._found is not None else None

    @property
    def is_read(self) -> bool:
        """Whether all that is looked for was found."""
        return self._found is not None and self._walk is None

    @property
    def steps(self) -> int:
        """The work so far, see `Findings`."""
        return self._found.steps if self._found is not None else 0

    def feed(self, data: bytes) -> Iterator[None]:
        if self.is_read:
            return
        self._cursor.feed(data)
        if self._found is None and len(self._cursor.block) - line_end(self._cursor.block) >= HEAD_BYTES:
            self._begin()
        if self._found is not None:
            yield from self._go_on(self._found)

    def facts(self) -> ImageFacts:
        self._cursor.end()
        found = self._found or self._begin()
        if self._walk is not None:
            for _ in self._go_on(found):
                raise AssertionError("a parser waited for more than all bytes")
        if not found.width:
            raise undecodable(found.mime)
        return ImageFacts(found.mime, found.width, found.height)

    def _begin(self) -> Findings:
        start = self._cursor.block
        if skipped := line_end(start):
            is_final = self._cursor.is_final
            self._cursor = Cursor(start[skipped:], is_final=is_final)
        self._found = Findings(type_of(self._cursor.block, takes_avif=self._takes_avif), self._limits)
        self._walk = walk(self._cursor, self._found)
        return self._found

    def _go_on(self, found: Findings) -> Iterator[None]:
        """Walk through what has arrived, until nothing more is to be found, or enough was done for it."""
        while self._walk is not None:
            self._cursor.budget = READS_PER_TURN
            is_done = next(self._walk, self) is self
            if is_done or found.is_enough or (found.width and found.steps > UPLOAD_STEPS):
                self._walk.close()
                self._walk = None
                self._cursor = Cursor()
            elif self._cursor.budget >= 0:
                return  # it waits for more bytes
            else:
                yield
