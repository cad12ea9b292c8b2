"""A class of the page has one meaning: its own rule is in one style sheet of a bundle."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import photochanger
import pytest
from photochanger.entrypoints.http.page.page import STYLE_SHEETS

STYLE = Path(photochanger.__file__).parent / "entrypoints/http/page/static/style"

_RULE = re.compile(r"^((?:\.[\w-]+(?:,\n)?)+) \{", re.MULTILINE)


def shared_classes(sheets: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """The classes with rules of their own in several of these sheets, each a name and a text."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, text in sheets:
        for selectors in _RULE.findall(text):
            for one in re.findall(r"\.([\w-]+)", selectors):
                found[one].add(name)
    return {one: names for one, names in found.items() if len(names) > 1}


@pytest.mark.parametrize("parts", STYLE_SHEETS.values(), ids=STYLE_SHEETS)
def test_no_two_sheets_style_the_same_class(parts: tuple[str, ...]) -> None:
    assert shared_classes((part, (STYLE / f"{part}.css").read_text("utf-8")) for part in parts) == {}


def test_a_class_in_two_sheets_is_found() -> None:
    sheets = [("a", ".tile,\n.card {\n}\n"), ("b", ".tile {\n}\n.card b {\n}\n")]
    assert shared_classes(sheets) == {"tile": {"a", "b"}}
