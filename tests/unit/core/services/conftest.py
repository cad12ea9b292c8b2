"""No task or future of the core ends with an error that nothing looks at."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="module")
def no_unretrieved_errors() -> Iterator[None]:
    """Fail where an event loop reports an exception that was never retrieved: it does when the task is collected."""
    reported: list[str] = []
    report = asyncio.BaseEventLoop.call_exception_handler

    def noting(loop: asyncio.BaseEventLoop, context: dict[str, Any]) -> None:
        if "never retrieved" in context["message"]:
            reported.append(f"{context['message']}: {context.get('exception')!r} of {context.get('future')!r}")
        report(loop, context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "call_exception_handler", noting)
        yield
        gc.collect()
    assert reported == []
