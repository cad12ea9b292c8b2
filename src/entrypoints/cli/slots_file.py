"""Slots as one YAML or JSON file: read strictly, so that every reader understands the same."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

import yaml

from ...adapters.atomic_file import atomic_file
from ...core.domain.errors import InvalidJson, PhotoChangerError
from ...core.domain.slots.slot import Slot, slot_document
from ..strict_json import MAX_DEPTH, parse_json, require_plain

MAX_BYTES = 1024 * 1024
FORMAT = "slots"
VERSION = 1

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class SlotsFileRefused(PhotoChangerError):
    """The file contains no slots, or is invalid or ambiguous."""

    code = "slots_file_refused"


def is_json(path: Path) -> bool:
    """Whether a file of this name is JSON; any other is YAML."""
    return path.suffix.lower() == ".json"


def as_json(slots: Collection[Slot]) -> str:
    """The slots as the text of a JSON file."""
    return json.dumps(_document(slots), indent=2, ensure_ascii=False) + "\n"


def as_yaml(slots: Collection[Slot]) -> str:
    """The slots as the text of a YAML file."""
    return yaml.dump(_document(slots), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def write_file(path: Path, slots: Collection[Slot]) -> None:
    """Write the slots; an existing file is replaced once they are written completely. OSError."""
    text = as_json(slots) if is_json(path) else as_yaml(slots)
    path = path.resolve()
    if path.exists() and not path.is_file():  # a pipe or a device cannot be replaced
        path.write_text(text, encoding="utf-8")
        return
    with atomic_file(path, replace=True, mode=0o666) as file:
        file.write(text.encode())


def read_file(path: Path) -> dict[str, Any]:
    """The documents of the slots in a file, by slot id, unchecked. SlotsFileRefused, OSError."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise SlotsFileRefused(f"The file is larger than {MAX_BYTES} bytes.")
    try:
        text = data.decode("utf-8-sig")
        value = parse_json(text) if is_json(path) else _parse_yaml(text)
        require_plain(value)
    except RecursionError:
        raise SlotsFileRefused(f"The file is nested deeper than {MAX_DEPTH} levels.") from None
    except InvalidJson as error:
        raise SlotsFileRefused(f"The file cannot be used. {error.detail}") from None
    except yaml.MarkedYAMLError as error:
        raise SlotsFileRefused(f"The file cannot be used: {_located(error)}.") from None
    except (ValueError, yaml.YAMLError) as error:
        raise SlotsFileRefused(f"The file cannot be used: {str(error).splitlines()[0]}.") from None
    return _slots_of(value)


def _document(slots: Collection[Slot]) -> dict[str, Any]:
    return {
        "photochanger": FORMAT,
        "version": VERSION,
        "slots": {slot.id: slot_document(slot) for slot in slots},
    }


def _slots_of(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("photochanger") != FORMAT:
        raise SlotsFileRefused("Not an export of slots: the file must contain `photochanger: slots`.")
    version = value.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise SlotsFileRefused(f"The file has version {version!r}; this service reads version {VERSION}.")
    if unknown := sorted(value.keys() - {"photochanger", "version", "slots"}):
        raise SlotsFileRefused(f"The file has unknown fields: {', '.join(unknown)}.")
    slots = value.get("slots")
    if not isinstance(slots, dict):
        raise SlotsFileRefused("The file must have an object `slots` with the slots by id.")
    return slots


class _Dumper(yaml.SafeDumper):
    """Multi-line texts as blocks; no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


class _Loader(yaml.SafeLoader):
    """The part of YAML that JSON has as well: no references, no dates, unique names that are texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise SlotsFileRefused("References (*name) are not supported.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: dict[Any, Any] = {}
        for name_node, value_node in node.value:
            name = self.construct_object(name_node, deep=True)
            if not isinstance(name, str):
                _refuse(name_node, "the name must be text; put it in quotes")
            if name in names:
                _refuse(name_node, f"duplicate name {name[:64]!r}")
            names[name] = self.construct_object(value_node, deep=deep)
        return names


def _parse_yaml(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _refuse(node: yaml.Node, reason: str) -> NoReturn:
    at = f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"
    raise SlotsFileRefused(f"The file cannot be used: {at}: {reason}.")


def _located(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    reason = error.problem or error.context or "not YAML"
    return reason if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {reason}"
