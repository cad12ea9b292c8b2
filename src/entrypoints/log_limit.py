"""A bound on the log: some lines per minute of each kind of record, then the number of those that were left out.

What strangers cause has a tighter bound, so that requests without a password cannot fill the disk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import msgspec

from ..adapters.system_clock import SYSTEM_CLOCK

MOST_OF_A_KIND = 600
MOST_BY_STRANGERS = 20
"""Records of one kind in a minute: in general, and of what anyone can cause."""

PERIOD = timedelta(minutes=1)

BY_STRANGER = "by_stranger"
"""The `extra` of a record that a request without a password can cause. `kind` tells records of one place apart."""

SUMMARY = "is_summary"
"""The attribute of records that stand for others: they belong to no request."""

_CAUSED_BY_CLIENTS = ("uvicorn.error", "asyncio")
"""Loggers of libraries that write a line for what a client sends."""

_Kind = tuple[str, int, str, int, str]


class _Count(msgspec.Struct):
    began: timedelta
    last: logging.LogRecord
    shown: int = 0
    left_out: int = 0


class LogLimit:
    """Counts records by kind, which is their place in the source and what they say of `kind`. For any thread."""

    def __init__(self, monotonic: Callable[[], timedelta] = SYSTEM_CLOCK.monotonic) -> None:
        self._monotonic = monotonic
        self._counts: dict[_Kind, _Count] = {}
        self._look_at = timedelta.max
        self._lock = threading.Lock()

    def passed(self, record: logging.LogRecord) -> list[logging.LogRecord]:
        """The records to write instead of this one: itself or nothing, after the summaries of periods that are over."""
        kind = (record.name, record.levelno, record.pathname, record.lineno, str(getattr(record, "kind", "")))
        with self._lock:
            now = self._monotonic()
            written = self._ended(now)
            count = self._counts.setdefault(kind, _Count(now, record))
            self._look_at = min(self._look_at, count.began + PERIOD)
            if count.shown < _most(record):
                count.shown += 1
                written.append(record)
            else:
                count.left_out += 1
                count.last = record
        return written

    def rest(self) -> list[logging.LogRecord]:
        """The summaries of all that was left out and not reported."""
        with self._lock:
            return self._ended(timedelta.max)

    def _ended(self, now: timedelta) -> list[logging.LogRecord]:
        if now < self._look_at:
            return []
        over = {kind: count for kind, count in self._counts.items() if now - count.began >= PERIOD}
        self._counts = {kind: count for kind, count in self._counts.items() if kind not in over}
        self._look_at = min((count.began + PERIOD for count in self._counts.values()), default=timedelta.max)
        return [_summary(count) for count in over.values() if count.left_out]


class LimitedHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes what a LogLimit lets pass, and at the end what it left out."""

    limit = LogLimit()

    def emit(self, record: logging.LogRecord) -> None:
        for passed in self.limit.passed(record):
            super().emit(passed)

    def close(self) -> None:
        for summary in self.limit.rest():
            super().emit(summary)
        super().close()


def _most(record: logging.LogRecord) -> int:
    strange = getattr(record, BY_STRANGER, False) or record.name in _CAUSED_BY_CLIENTS
    return MOST_BY_STRANGERS if strange else MOST_OF_A_KIND


def _summary(count: _Count) -> logging.LogRecord:
    last = count.last
    text = "%d more such records were left out; the last: %s"
    arguments = (count.left_out, last.getMessage())
    summary = logging.LogRecord(last.name, last.levelno, last.pathname, last.lineno, text, arguments, None)
    setattr(summary, SUMMARY, True)
    return summary
