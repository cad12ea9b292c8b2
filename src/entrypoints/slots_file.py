"""Slots as one file, YAML or JSON, and back: read strictly, so that it means the same to everybody who reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

import yaml

from ..core.domain.errors import InvalidJson, PhotoChangerError
from ..core.domain.slot import Slot, slot_document
from .strict_json import MAX_DEPTH, parse_json, require_plain

MAX_BYTES = 1024 * 1024
FORMAT = "slots"
VERSION = 1

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class SlotsFileRefused(PhotoChangerError):
    """The file holds no slots, or something that could be understood in two ways."""

    code = "slots_file_refused"


def is_json(path: Path) -> bool:
    """Whether a file of this name holds JSON; any other holds YAML."""
    return path.suffix.lower() == ".json"


def as_json(slots: Collection[Slot]) -> str:
    """The slots as the text of a JSON file."""
    return json.dumps(_document(slots), indent=2, ensure_ascii=False) + "\n"


def as_yaml(slots: Collection[Slot]) -> str:
    """The slots as the text of a YAML file."""
    return yaml.dump(_document(slots), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def write_file(path: Path, slots: Collection[Slot]) -> None:
    """Write the slots, in place of what was there once they are written whole; OSError."""
    text = as_json(slots) if is_json(path) else as_yaml(slots)
    path = path.resolve()
    if path.exists() and not path.is_file():  # a pipe or a device: nothing can take its place
        path.write_text(text, encoding="utf-8")
        return
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with new.open("x", encoding="utf-8") as file:
            file.write(text)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def read_file(path: Path) -> dict[str, Any]:
    """The documents of the slots in a file, by slot id, not yet checked; SlotsFileRefused, OSError."""
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
        told = str(error).splitlines()[0]
        raise SlotsFileRefused(f"The file cannot be used: {told}.") from None
    return _slots_of(value)


def _document(slots: Collection[Slot]) -> dict[str, Any]:
    return {
        "photochanger": FORMAT,
        "version": VERSION,
        "slots": {slot.id: slot_document(slot) for slot in slots},
    }


def _slots_of(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("photochanger") != FORMAT:
        raise SlotsFileRefused("The file does not say `photochanger: slots`: it is no export of slots.")
    version = value.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise SlotsFileRefused(f"The file is of version {version!r}; this service reads version {VERSION}.")
    if unknown := sorted(value.keys() - {"photochanger", "version", "slots"}):
        raise SlotsFileRefused(f"The file holds something else beside its slots: {', '.join(unknown)}.")
    slots = value.get("slots")
    if not isinstance(slots, dict):
        raise SlotsFileRefused("The file has no object `slots` with the slots by id.")
    return slots


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as such, and everything written out where it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


class _Loader(yaml.SafeLoader):
    """The part of YAML that JSON has too: no references, no dates, names that are texts and stand there once."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise SlotsFileRefused("The file refers to a part of itself (*name); such references are not read.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: dict[Any, Any] = {}
        for name_node, value_node in node.value:
            name = self.construct_object(name_node, deep=True)
            if not isinstance(name, str):
                _refuse(name_node, "this name is no text; put it in quotes")
            if name in names:
                _refuse(name_node, f"the name {name[:64]!r} is there twice in one object")
            names[name] = self.construct_object(value_node, deep=deep)
        return names


def _parse_yaml(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _refuse(node: yaml.Node, told: str) -> NoReturn:
    at = f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"
    raise SlotsFileRefused(f"The file cannot be used: {at}: {told}.")


def _located(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    told = error.problem or error.context or "it is no YAML"
    return told if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {told}"
