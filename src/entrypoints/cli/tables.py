"""How commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

GOOD = "green"
BAD = "bold red"

_WIDTH = 120
"""Columns of output that goes to no terminal."""


def make_console(*, width: int | None = None, stderr: bool = False) -> Console:
    """A console that prints text as it is. `width`: columns where the output is no terminal."""
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = width or shutil.get_terminal_size(fallback=(_WIDTH, 1)).columns
    return console


def make_table(*headings: str, numbers: Collection[str] = (), title: str | None = None) -> Table:
    """An empty table; the columns in `numbers` are aligned to the right and never wrapped."""
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        if heading in numbers:
            table.add_column(heading, justify="right", no_wrap=True)
        else:
            table.add_column(heading, overflow="fold")
    return table


def json_text(value: Any) -> str:
    """A struct, or a list of them, as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
