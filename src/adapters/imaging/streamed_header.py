"""The HeaderReader port: a picture is looked at while it arrives."""

from __future__ import annotations

from ...core.domain.media import ImageFacts, ImageLimits
from .bounds import UPLOAD_STEPS, undecodable
from .checked import HEIF_MIMES
from .heif import require_heif
from .sniffing import HEAD_BYTES
from .structure import Cursor, Findings, Waiting, type_of, walk


class StreamedHeader:
    """The HeaderReader port: a picture that is still arriving."""

    def __init__(self, limits: ImageLimits) -> None:
        self._limits = limits
        self._cursor = Cursor()
        self._found: Findings | None = None
        self._walk: Waiting[None] | None = None

    @property
    def mime(self) -> str | None:
        return self._found.mime if self._found is not None else None

    @property
    def steps(self) -> int:
        """The work so far, see `Findings`."""
        return self._found.steps if self._found is not None else 0

    def feed(self, data: bytes) -> None:
        if self._found is None:
            self._cursor.feed(data)
            if len(self._cursor.block) >= HEAD_BYTES:
                self._begin()
        elif self._walk is not None:
            self._cursor.feed(data)
            self._go_on(self._found)

    def facts(self) -> ImageFacts:
        if self._found is None:
            self._begin()
        found = self._found
        assert found is not None
        if self._walk is not None:
            self._cursor.is_final = True
            self._go_on(found)
        if not found.width:
            raise undecodable(found.mime)
        return ImageFacts(found.mime, found.width, found.height)

    def _begin(self) -> None:
        mime = type_of(self._cursor.block)
        if mime in HEIF_MIMES:
            require_heif()
        self._found = Findings(mime, self._limits)
        self._walk = walk(self._cursor, self._found)
        self._go_on(self._found)

    def _go_on(self, found: Findings) -> None:
        """Walk through what has arrived, until nothing more is to be found, or enough was done for it."""
        assert self._walk is not None
        is_done = next(self._walk, self) is self
        if is_done or found.is_enough or (found.width and found.steps > UPLOAD_STEPS):
            self._walk.close()
            self._walk = None
            self._cursor = Cursor()
