"""The queue of ComfyUI, read while it arrives.

Each of its entries holds a whole workflow with the texts of its guest, so the answer of a busy machine has megabytes.
Only the number and the id at the start of an entry are kept; the rest is never parsed and never held.
"""

from __future__ import annotations

import re

from msgspec import Struct

_ENTRY = re.compile(rb'\[\s?(-?[0-9]{1,15}(?:\.[0-9]{1,15})?)\s?,\s?"([^"\\]{1,64})"\s?,\s?\{')
"""The start of an entry: `[number, id, {graph`. No link of a graph is followed by an object."""

_PENDING = b'"queue_pending"'
_OVERLAP_BYTES = 160
"""Longer than the longest start of an entry."""

_MAX_ENTRIES = 10_000


class Queue(Struct, frozen=True):
    """The jobs of every user, by id: those that run, and those that wait, with their number in the order."""

    running: frozenset[str]
    pending: dict[str, float]
    whole: bool = True

    def __contains__(self, prompt_id: str) -> bool:
        return prompt_id in self.running or prompt_id in self.pending

    def ahead_of(self, prompt_id: str) -> int | None:
        """Return how many jobs run or wait before a waiting one; None where it does not wait."""
        number = self.pending.get(prompt_id)
        if number is None:
            return None
        return len(self.running) + sum(1 for other in self.pending.values() if other < number)


class QueueReader:
    """A BodyReader of the answer to `GET /queue`."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._pending: dict[str, float] = {}
        self._is_pending = False
        self._rest = b""
        self._start = b""

    def feed(self, data: bytes) -> None:
        """Read what has arrived."""
        if len(self._start) < _OVERLAP_BYTES:
            self._start = (self._start + data)[:_OVERLAP_BYTES]
        text = self._rest + data
        self._rest = text[-_OVERLAP_BYTES:]
        if not self._is_pending and (turn := text.find(_PENDING)) >= 0:
            self._note(text[:turn])
            self._is_pending = True
            text = text[turn:]
        self._note(text)

    def finish(self) -> Queue:
        """Return the queue; `whole` is false where the answer was none."""
        whole = self._is_pending and self._start.lstrip().startswith(b"{") and self._rest.rstrip().endswith(b"}")
        pending = {prompt_id: number for prompt_id, number in self._pending.items() if prompt_id not in self._running}
        return Queue(frozenset(self._running), pending, whole)

    def _note(self, text: bytes) -> None:
        for number, prompt_id in _ENTRY.findall(text):
            if len(self._running) + len(self._pending) >= _MAX_ENTRIES:
                return
            name = prompt_id.decode("utf-8", "replace")
            if self._is_pending:
                self._pending[name] = float(number)
            else:
                self._running.add(name)
