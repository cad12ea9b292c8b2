"""Hooks of mkdocs: what the documentation site shows differently from the repository."""

from __future__ import annotations

import re
from typing import Any

_OUTWARD = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+)(?!\.)([^)#\s]+)[^)]*\)")
_RUSSIAN = re.compile(r"(\]\([^)\s]+)\.ru\.md\b")


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Name files outside of docs/ instead of linking them, and link pages without their language: the site finds it."""
    depth = page.file.src_uri.count("/")
    named = _OUTWARD.sub(lambda link: _named(link, depth=depth), markdown)
    return _RUSSIAN.sub(r"\1.md", named)


def _named(link: re.Match[str], *, depth: int) -> str:
    return f"{link[1]} (`{link[3]}`)" if link[2].count("../") > depth else link[0]
