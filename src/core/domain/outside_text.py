"""Text that was written elsewhere: by providers, clients, plugins. It is cut before anything looks at it."""

from __future__ import annotations

from itertools import islice
from typing import Any

MAX_CHARS = 2000
"""How much of a text from outside is looked at."""

MAX_REMARK_CHARS = 500
MAX_ITEMS = 50
_MAX_DEPTH = 4


def cut(text: str, max_chars: int = MAX_CHARS) -> str:
    """The start of a text from outside: everything that searches or splits one begins with this."""
    return text if len(text) <= max_chars else text[:max_chars]


def word(value: Any, max_chars: int = 200) -> str:
    """The start of a value that should be a word; empty for any value that is no text."""
    return cut(value, max_chars) if isinstance(value, str) else ""


def cut_json(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """A JSON value from outside in a size fit for a log: texts, lists and objects cut, depth limited."""
    if isinstance(value, str):
        return cut(value, MAX_REMARK_CHARS)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else "[number]"
    if isinstance(value, dict | list | tuple) and depth == 0:
        return "[…]"
    if isinstance(value, dict):
        some = islice(value.items(), MAX_ITEMS)
        return {word(name): cut_json(each, depth - 1) for name, each in some}
    if isinstance(value, list | tuple):
        return [cut_json(each, depth - 1) for each in value[:MAX_ITEMS]]
    return f"[{type(value).__name__}]"
