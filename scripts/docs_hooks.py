"""Hooks of mkdocs: what the documentation site shows differently from the repository."""

from __future__ import annotations

import re
from typing import Any

_OUTWARD = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?!\.)([^)#\s]+)[^)]*\)")


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Name files of the repository outside of docs/ instead of linking them: the site does not contain them."""
    depth = page.file.src_uri.count("/") + 1
    return _OUTWARD.sub(lambda link: _named(link, depth=depth), markdown)


def _named(link: re.Match[str], *, depth: int) -> str:
    ups = link[0].count("../")
    return f"{link[1]} (`{link[2]}`)" if ups >= depth else link[0]
