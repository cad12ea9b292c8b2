"""Which inputs of a workflow take the photo, the texts, the seed and the templates, and which node has the picture.

A mark is a word in a node's title: `pc:photo`, `pc:prompt`, `pc:negative`, `pc:seed`, `pc:output`,
`pc:template:<role>`. The setting `nodes` names nodes by their number instead: `photo=10, prompt=6.text`. What is
neither marked nor named is found where there is only one choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from ....core.domain.errors import InvalidSettings
from ....core.domain.field_errors import FieldError, FieldErrorCode
from .graph import Graph, Node, link_of, sinks

ROLES = ("background", "face", "frame", "style")
"""The templates of a slot that a workflow can use."""

MAX_MAPPING_CHARS = 1000

PHOTO, PROMPT, NEGATIVE, SEED, OUTPUT = "photo", "prompt", "negative", "seed", "output"
MARKS = (PHOTO, PROMPT, NEGATIVE, SEED, OUTPUT, *(f"template:{role}" for role in ROLES))

_MARK = re.compile(r"\bpc:([a-z]{1,16}(?::[a-z]{1,16})?)", re.IGNORECASE)
_NAMED = re.compile(r"([a-z]{1,16}(?::[a-z]{1,16})?) ?= ?([^\s.,=]{1,64})(?:\.([^,=]{1,64}))?")

_PICTURES = ("image",)
_TEXTS = ("text", "prompt", "string", "value", "clip_l", "t5xxl", "text_g", "text_l")
_SEEDS = ("seed", "noise_seed")
_SAVERS = ("SaveImage", "PreviewImage")


class Place(Struct, frozen=True):
    """One input of one node."""

    node: str
    input: str


class Marks(Struct, frozen=True, kw_only=True):
    """What is filled in, and where; `output` is the node that has the picture, or that shows or saves it."""

    photo: tuple[Place, ...]
    prompt: tuple[Place, ...]
    negative: tuple[Place, ...]
    seed: tuple[Place, ...]
    templates: Mapping[str, tuple[Place, ...]]
    output: str


class Named(Struct, frozen=True):
    """A node that a mark names, by its title or by number; `input` only where the mapping names one."""

    node: str
    input: str | None = None


def find_marks(graph: Graph, mapping: str) -> Marks:
    """Find every mark. Raises InvalidSettings where one is unknown, missing, not certain, or has no fitting input."""
    named = _titles(graph) | _mapped(graph, mapping)
    templates = {role: _places(graph, named, f"template:{role}") for role in ROLES}
    used = {place.node for places in templates.values() for place in places}
    return Marks(
        photo=_places(graph, named, PHOTO) or _only_photo(graph, used),
        prompt=_places(graph, named, PROMPT) or _only_prompt(graph, named),
        negative=_places(graph, named, NEGATIVE),
        seed=_places(graph, named, SEED) or _all_seeds(graph),
        templates={role: places for role, places in templates.items() if places},
        output=_output(graph, named.get(OUTPUT, [])),
    )


def picture_link(graph: Graph, node_id: str) -> tuple[str, int] | None:
    """Return the link by which a node takes the picture that it shows or saves; None where it takes none."""
    for name in ("images", "image"):
        if (link := link_of(graph[node_id].inputs.get(name))) is not None:
            return link
    return None


def _titles(graph: Graph) -> dict[str, list[Named]]:
    found: dict[str, list[Named]] = {}
    for node_id, node in graph.items():
        for match in _MARK.finditer(node.title):
            mark = match[1].lower()
            if mark not in MARKS:
                params = {"node": node_id, "mark": f"pc:{mark}", "allowed": [f"pc:{each}" for each in MARKS]}
                raise _wrong(FieldErrorCode.WORKFLOW_MARK_UNKNOWN, **params)
            found.setdefault(mark, []).append(Named(node_id))
    return found


def _mapped(graph: Graph, mapping: str) -> dict[str, list[Named]]:
    found: dict[str, list[Named]] = {}
    if len(mapping) > MAX_MAPPING_CHARS:
        raise _wrong_mapping(FieldErrorCode.TOO_LONG, max=MAX_MAPPING_CHARS)
    for part in mapping.split(","):
        if not (text := part.strip()):
            continue
        match = _NAMED.fullmatch(text)
        if match is None or match[1] not in MARKS:
            raise _wrong_mapping(FieldErrorCode.NODE_MAPPING_FORMAT, allowed=list(MARKS))
        if match[2] not in graph:
            raise _wrong_mapping(FieldErrorCode.NODE_UNKNOWN, node=match[2])
        found.setdefault(match[1], []).append(Named(match[2], match[3]))
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _places(graph: Graph, named: Mapping[str, list[Named]], mark: str) -> tuple[Place, ...]:
    """The inputs that a mark means."""
    names, fits = _inputs_of(mark), _is_number if mark == SEED else _is_text
    found: list[Place] = []
    for one in named.get(mark, []):
        inputs = graph[one.node].inputs
        fitting = [name for name in ((one.input,) if one.input else names) if fits(inputs.get(name))]
        if not fitting:
            raise _wrong(FieldErrorCode.WORKFLOW_MARK_UNFIT, node=one.node, mark=f"pc:{mark}")
        found += [Place(one.node, name) for name in fitting]
    return tuple(found)


def _inputs_of(mark: str) -> tuple[str, ...]:
    """The names that an input for a mark may have."""
    if mark in (PROMPT, NEGATIVE):
        return _TEXTS
    return (*_SEEDS, "value") if mark == SEED else _PICTURES


def _only_photo(graph: Graph, used: Iterable[str]) -> tuple[Place, ...]:
    loaders = [
        node_id
        for node_id, node in graph.items()
        if node.class_type.startswith("LoadImage") and _is_text(node.inputs.get("image")) and node_id not in used
    ]
    return (Place(_only(loaders, PHOTO), "image"),)


def _only_prompt(graph: Graph, named: Mapping[str, list[Named]]) -> tuple[Place, ...]:
    """The only node that encodes a text; none where there are several: a workflow may have its texts of its own."""
    negative = {one.node for one in named.get(NEGATIVE, [])}
    encoders = [
        node_id for node_id, node in graph.items() if "TextEncode" in node.class_type and node_id not in negative
    ]
    if len(encoders) != 1:
        return ()
    inputs = graph[encoders[0]].inputs
    return tuple(Place(encoders[0], name) for name in _TEXTS if _is_text(inputs.get(name)))


def _all_seeds(graph: Graph) -> tuple[Place, ...]:
    return tuple(
        Place(node_id, name) for node_id, node in graph.items() for name in _SEEDS if _is_number(node.inputs.get(name))
    )


def _output(graph: Graph, named: list[Named]) -> str:
    if named:
        return _only([one.node for one in named], OUTPUT)
    ends = [node_id for node_id in sinks(graph) if picture_link(graph, node_id) is not None]
    for saver in _SAVERS:
        if exact := [node_id for node_id in ends if graph[node_id].class_type == saver]:
            return _only(exact, OUTPUT)
    return _only(ends, OUTPUT)


def _only(node_ids: list[str], mark: str) -> str:
    if not node_ids:
        raise _wrong(FieldErrorCode.WORKFLOW_MARK_MISSING, mark=f"pc:{mark}")
    if len(node_ids) > 1:
        raise _wrong(FieldErrorCode.WORKFLOW_MARK_AMBIGUOUS, mark=f"pc:{mark}", allowed=node_ids[:20])
    return node_ids[0]


def described(node_id: str, node: Node | None) -> str:
    """Return how a sentence names a node, such as `node 4 (KSampler)`."""
    return f"node {node_id[:64]}" + (f" ({node.class_type[:60]})" if node else "")


def _wrong(code: FieldErrorCode, **params: Any) -> InvalidSettings:
    return InvalidSettings([FieldError("workflow", code, params)])


def _wrong_mapping(code: FieldErrorCode, **params: Any) -> InvalidSettings:
    return InvalidSettings([FieldError("nodes", code, params)])
