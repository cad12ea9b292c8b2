"""What guests wrote at the booth, put into prompts: only the fields that a slot allows, bounded, made harmless."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

MAX_CHARS = 200
"""The most of one field that gets into a prompt."""

_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")
_HARMLESS = str.maketrans({"{": "(", "}": ")", "<": "(", ">": ")", "[": "(", "]": ")", '"': "'", "`": "'", "\\": "/"})
"""What could end a quotation, open another field, or look like markup of a template becomes a look-alike."""


def filled(
    settings: Mapping[str, Any], prompts: Collection[str], *, fields: Collection[str], metadata: Mapping[str, str]
) -> dict[str, Any]:
    """The settings with every `{field}` in their prompts replaced by what the request said.

    `prompts` names the settings that are prompts, `fields` the fields that may be used. A field that the request did
    not have becomes nothing; braces around anything else stay as they are.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return escaped(metadata.get(name, "")) if name in fields else match[0]

    return {
        name: _FIELD.sub(value, setting) if name in prompts and isinstance(setting, str) else setting
        for name, setting in settings.items()
    }


def escaped(text: str) -> str:
    """One line of at most MAX_CHARS characters without control characters, quotes that end, braces or brackets."""
    plain = "".join(
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFC", text[: 4 * MAX_CHARS])
        if char.isspace() or unicodedata.category(char)[0] != "C"
    )
    return " ".join(plain.split()).translate(_HARMLESS)[:MAX_CHARS].strip()


def unknown_fields(text: str, fields: Collection[str]) -> tuple[str, ...]:
    """The names in braces that are not among the allowed fields, for whoever edits a slot."""
    return tuple(dict.fromkeys(name for name in _FIELD.findall(text) if name not in fields))
