"""Placeholders in prompts, filled in from request metadata: allowed fields only, length-limited and escaped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

MAX_CHARS = 200
"""Maximum length of one field in a prompt."""

_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")
_HARMLESS = str.maketrans({"{": "(", "}": ")", "<": "(", ">": ")", "[": "(", "]": ")", '"': "'", "`": "'", "\\": "/"})
"""Characters that could end a quotation, open a field, or look like markup are replaced by similar ones."""


def filled(
    settings: Mapping[str, Any], prompts: Collection[str], *, fields: Collection[str], metadata: Mapping[str, str]
) -> dict[str, Any]:
    """The settings with every `{field}` in their prompts replaced by the request's metadata.

    `prompts` names the settings that are prompts, `fields` the allowed fields. A field that the request does not have
    becomes empty; other text in braces stays unchanged.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return escaped(metadata.get(name, "")) if name in fields else match[0]

    return {
        name: _FIELD.sub(value, setting) if name in prompts and isinstance(setting, str) else setting
        for name, setting in settings.items()
    }


def escaped(text: str) -> str:
    """One line of at most MAX_CHARS characters without control characters, double quotes, braces or brackets."""
    plain = "".join(
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFC", text[: 4 * MAX_CHARS])
        if char.isspace() or unicodedata.category(char)[0] != "C"
    )
    return " ".join(plain.split()).translate(_HARMLESS)[:MAX_CHARS].strip()


def unknown_fields(text: str, fields: Collection[str]) -> tuple[str, ...]:
    """The names in braces that are not allowed fields."""
    return tuple(dict.fromkeys(name for name in _FIELD.findall(text) if name not in fields))
