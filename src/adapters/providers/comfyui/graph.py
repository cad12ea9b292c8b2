"""Workflows of ComfyUI in API format: nodes by id, whose inputs are values or links to outputs of other nodes.

The format: `{"4": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "pc:photo"}}, ...}`. A
link is `[node id, number of its output]`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from ....core.domain.errors import InvalidSettings
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.outside_text import word

MAX_WORKFLOW_CHARS = 128 * 1024
"""The longest workflow: it is read on the event loop, in 4 ms, and several fit into the 1 MiB of a slot's document."""

MAX_NODES = 500
MAX_ID_CHARS = 64
MAX_NAME_CHARS = 200
"""The longest class or title of a node that is looked at."""

Link = tuple[str, int]


class Node(msgspec.Struct, frozen=True):
    """One node.

    Attributes:
        inputs: by name.
        title: what the operator sees and edits.
        sources: the nodes whose outputs it takes.
    """

    class_type: str
    inputs: Mapping[str, Any]
    title: str = ""
    sources: frozenset[str] = frozenset()


Graph = Mapping[str, Node]


def link_of(value: Any) -> Link | None:
    """Return the link that an input is; None for a value."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    node_id, output = value
    if not isinstance(node_id, str) or not isinstance(output, int) or isinstance(output, bool):
        return None
    return node_id, output


def parse_graph(text: str) -> Graph:
    """Read a workflow. Raises InvalidSettings where it is none, is the editor's own format, or no graph without loops.

    Takes less than 5 ms for the longest one.
    """
    if len(text) > MAX_WORKFLOW_CHARS:
        raise _wrong(FieldErrorCode.TOO_LONG, max=MAX_WORKFLOW_CHARS)
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _wrong(FieldErrorCode.WORKFLOW_FORMAT, max=MAX_NODES) from error
    graph = _nodes(document)
    for node_id, node in graph.items():
        for target in node.sources:
            if target not in graph:
                raise _wrong(FieldErrorCode.WORKFLOW_LINK_BROKEN, node=node_id, target=target[:MAX_ID_CHARS])
    _refuse_loops(graph)
    return graph


def ancestors(graph: Graph, node_id: str) -> set[str]:
    """Return this node and every node that it depends on."""
    found, waiting = {node_id}, [node_id]
    while waiting:
        new = graph[waiting.pop()].sources - found
        found |= new
        waiting += new
    return found


def sinks(graph: Graph) -> list[str]:
    """Return the nodes that no other node depends on."""
    taken = frozenset[str]().union(*(node.sources for node in graph.values()))
    return [node_id for node_id in graph if node_id not in taken]


def unused_id(graph: Collection[str], wanted: str) -> str:
    """Return an id that no node has."""
    while wanted in graph:
        wanted += "_"
    return wanted


def _nodes(document: Any) -> dict[str, Node]:
    if isinstance(document, dict) and isinstance(document.get("prompt"), dict):
        document = document["prompt"]  # the body of a request, as scripts save it
    if not isinstance(document, dict) or not 0 < len(document) <= MAX_NODES:
        raise _wrong(FieldErrorCode.WORKFLOW_FORMAT, max=MAX_NODES)
    if "nodes" in document and "links" in document:
        raise _wrong(FieldErrorCode.WORKFLOW_UI_FORMAT)
    return {node_id: _node(node_id, value) for node_id, value in document.items()}


def _node(node_id: str, value: Any) -> Node:
    fits = isinstance(value, dict) and 0 < len(node_id) <= MAX_ID_CHARS and node_id.isprintable()
    class_type = word(value.get("class_type"), MAX_NAME_CHARS + 1) if fits else ""
    inputs = value.get("inputs") if fits else None
    if not isinstance(inputs, dict) or not 0 < len(class_type) <= MAX_NAME_CHARS or not class_type.isprintable():
        raise _wrong(FieldErrorCode.WORKFLOW_FORMAT, max=MAX_NODES)
    meta = value.get("_meta")
    title = word(meta.get("title"), MAX_NAME_CHARS) if isinstance(meta, dict) else ""
    sources = {link[0] for value in inputs.values() if type(value) is list and (link := link_of(value)) is not None}
    return Node(class_type, inputs, title, frozenset(sources))


def _refuse_loops(graph: Graph) -> None:
    """Take away nodes whose inputs are all there, again and again (Kahn's algorithm): a loop stays."""
    needs = {node_id: set(node.sources) for node_id, node in graph.items()}
    users: dict[str, list[str]] = {node_id: [] for node_id in graph}
    for node_id, targets in needs.items():
        for target in targets:
            users[target].append(node_id)
    ready = [node_id for node_id, targets in needs.items() if not targets]
    while ready:
        done = ready.pop()
        del needs[done]
        for user in users[done]:
            needs[user].discard(done)
            if not needs[user]:
                ready.append(user)
    if needs:
        raise _wrong(FieldErrorCode.WORKFLOW_CYCLE, node=next(iter(needs)))


def _wrong(code: FieldErrorCode, **params: Any) -> InvalidSettings:
    return InvalidSettings([FieldError("workflow", code, params)])
