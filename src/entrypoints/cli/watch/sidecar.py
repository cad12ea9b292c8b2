"""Form fields of one photo, from a file next to it: `IMG_1.json`, or `IMG_1.txt` with lines of `name=value`."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

MAX_SIDECAR_BYTES = 64 * 1024
MAX_FIELDS = 64

_SUFFIXES = (".json", ".txt")
_RESERVED = frozenset({"password", "file", "filetoupload"})
_NAME = re.compile(r"[^\W\d]\w{0,63}\Z")

_Values = dict[str, str | int | float | bool | None]


class SidecarUnusable(Exception):
    """A file of fields that cannot be read as such; its text says why, in one sentence."""


def sidecar_of(photo: Path) -> Path | None:
    """Return the file of fields of a photo, if there is one."""
    return next((path for suffix in _SUFFIXES if (path := photo.with_suffix(suffix)).is_file()), None)


def read_fields(sidecar: Path) -> dict[str, str]:
    """Return the fields of a file. SidecarUnusable, OSError."""
    with sidecar.open("rb") as file:
        data = file.read(MAX_SIDECAR_BYTES + 1)
    if len(data) > MAX_SIDECAR_BYTES:
        raise SidecarUnusable(f"{sidecar.name} is larger than {MAX_SIDECAR_BYTES} bytes.")
    fields = _from_json(sidecar, data) if sidecar.suffix.lower() == ".json" else _from_lines(sidecar, data)
    if len(fields) > MAX_FIELDS:
        raise SidecarUnusable(f"{sidecar.name} has more than {MAX_FIELDS} fields.")
    for name in fields:
        if not _NAME.match(name) or name.lower() in _RESERVED:
            raise SidecarUnusable(f"{sidecar.name}: {name[:64]!r} cannot be the name of a field.")
    return fields


def _from_json(sidecar: Path, data: bytes) -> dict[str, str]:
    try:
        values = msgspec.json.decode(data, type=_Values)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise SidecarUnusable(f"{sidecar.name} is not a JSON object of texts and numbers.") from None
    return {name: _text(value) for name, value in values.items() if value is not None}


def _from_lines(sidecar: Path, data: bytes) -> dict[str, str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SidecarUnusable(f"{sidecar.name} is not UTF-8.") from None
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise SidecarUnusable(f"{sidecar.name} has a line that is not name=value.")
        fields[name.strip()] = value.strip()
    return fields


def _text(value: str | int | float | bool) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
