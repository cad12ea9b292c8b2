"""How a command starts: its configuration from the environment, and its work on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from .config import Settings
from .logging_setup import set_up_logging

_T = TypeVar("_T")


def configured(**changes: Any) -> Settings:
    """The settings of the environment, with those options over them that were given. ConfigurationError."""
    settings = Settings.from_env()
    set_up_logging(settings.log_format)
    return msgspec.structs.replace(settings, **{name: value for name, value in changes.items() if value is not None})


def run_async(work: Coroutine[Any, Any, _T]) -> _T:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
