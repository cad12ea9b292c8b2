"""Logging set-up: one line or one JSON object per record, with the ids of request, job, slot and trace."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..core.domain.outside_text import cut
from .log_limit import SUMMARY, LimitedHandler

MAX_MESSAGE_CHARS = 8000
MAX_ERROR_CHARS = 32_000
"""How much of a message, and of the traceback of an error, is written: the end of the traceback says what failed."""

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the current HTTP request; None outside of one."""

job_id: ContextVar[str | None] = ContextVar("job_id", default=None)
slot_id: ContextVar[str | None] = ContextVar("slot_id", default=None)
trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""The id of the current trace; None outside of one."""

_IDS = {"request_id": request_id, "job_id": job_id, "slot_id": slot_id, "trace_id": trace_id}


@contextmanager
def correlated(**ids: str | None) -> Iterator[None]:
    """Put exactly these ids on every record of the block."""
    tokens = [(variable, variable.set(ids.get(name))) for name, variable in _IDS.items()]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


def _ids(record: logging.LogRecord) -> dict[str, str]:
    """The ids of a record: its own, else those of its context."""
    if getattr(record, SUMMARY, False):
        return {}
    found = {name: getattr(record, name, None) or variable.get() for name, variable in _IDS.items()}
    return {name: str(value) for name, value in found.items() if value is not None}


def _writable(entry: dict[str, object]) -> dict[str, object]:
    """The entry without lone surrogates, which names of files and undecodable paths may contain."""
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in entry.items()
    }


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": cut(record.getMessage(), MAX_MESSAGE_CHARS),
            **_ids(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)[-MAX_ERROR_CHARS:]
        return msgspec.json.encode(_writable(entry)).decode()


class _ConsoleFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = cut(record.message, MAX_MESSAGE_CHARS)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return super().formatException(ei)[-MAX_ERROR_CHARS:]

    def format(self, record: logging.LogRecord) -> str:
        shown = " ".join(f"{name.removesuffix('_id')}={value}" for name, value in _ids(record).items())
        return super().format(record) + (f" [{shown}]" if shown else "")


def make_formatter(log_format: str) -> logging.Formatter:
    """The formatter of `console` or `json`."""
    return _JsonFormatter() if log_format == "json" else _ConsoleFormatter()


def set_up_logging(log_format: str) -> None:
    """Send the records of this process to standard error in the chosen format (`console` or `json`)."""
    handler = LimitedHandler(sys.stderr)
    handler.setFormatter(make_formatter(log_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("alembic", "httpx", "httpx2", "pyvips", "uvicorn.error", "PIL"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
