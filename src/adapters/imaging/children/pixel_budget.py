"""How many pixels may be in work at the same time: first come, first served."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque


class PixelBudget:
    """Hands out pixels in the order in which they were asked for, so that a large picture is not passed over.

    A picture with more pixels than there are gets all of them: it is in work alone.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free(self) -> int:
        """Pixels that nothing has."""
        return self._free

    @property
    def waiting(self) -> int:
        """Pictures that wait."""
        return len(self._waiting)

    async def acquire(self, pixels: int) -> int:
        """Wait for this many pixels; returns how many must be released."""
        pixels = min(pixels, self._total)
        if not self._waiting and pixels <= self._free:
            self._free -= pixels
            return pixels
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its turn came in the same moment
                self.release(pixels)
            else:
                with contextlib.suppress(ValueError):  # it was passed over already
                    self._waiting.remove((pixels, turn))
                self._serve_next()
            raise
        return pixels

    def release(self, pixels: int) -> None:
        """Give back what `acquire` returned."""
        self._free += pixels
        self._serve_next()

    def _serve_next(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            pixels, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= pixels
                turn.set_result(None)
