"""A slot's workflow, read once, and the graph that is sent for one photo.

What is sent ends in a `PreviewImage` under the picture, and has only the nodes that this depends on: previews are kept
in ComfyUI's folder for temporary files, which it empties when it starts, and no other node saves anything of a guest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from ....core.domain.errors import InvalidSettings
from ....core.domain.field_errors import FieldError, FieldErrorCode
from .graph import Graph, Link, Node, ancestors, parse_graph, sinks, unused_id
from .marks import Marks, Place, find_marks, picture_link

PREVIEW = "PreviewImage"


class Filling(Struct, frozen=True, kw_only=True):
    """What is filled in for one photo: names of uploaded files, texts (empty: the workflow's own), and the seed.

    `templates` are by role; a role that is not there keeps the workflow's own file.
    """

    photo: str
    templates: Mapping[str, str] = {}
    prompt: str = ""
    negative: str = ""
    seed: int


class Workflow(Struct, frozen=True):
    """A workflow that can be filled in.

    Attributes:
        nodes: those that the picture depends on.
        source: the output that is the picture.
        output: the id of the preview node that is sent.
        marks: the inputs to be filled in; each is of one of the nodes.
    """

    nodes: Graph
    source: Link
    output: str
    marks: Marks

    @property
    def template_roles(self) -> tuple[str, ...]:
        """The templates that it has a place for."""
        return tuple(self.marks.templates)

    def filled(self, filling: Filling) -> dict[str, Any]:
        """Return the graph to be sent."""
        inputs = {node_id: node.inputs for node_id, node in self.nodes.items()}
        marks = self.marks
        values: list[tuple[Iterable[Place], Any]] = [(marks.photo, filling.photo), (marks.seed, filling.seed)]
        values += [(marks.templates[role], name) for role, name in filling.templates.items()]
        values += [(marks.prompt, filling.prompt)] if filling.prompt else []
        values += [(marks.negative, filling.negative)] if filling.negative else []
        for places, value in values:
            for place in places:
                inputs[place.node] = {**inputs[place.node], place.input: value}
        graph: dict[str, Any] = {
            node_id: {"class_type": node.class_type, "inputs": inputs[node_id]} for node_id, node in self.nodes.items()
        }
        graph[self.output] = {"class_type": PREVIEW, "inputs": {"images": list(self.source)}}
        return graph

    def node(self, node_id: str) -> Node | None:
        """Return a node of what is sent, but for the preview."""
        return self.nodes.get(node_id)

    def takes_pictures(self, node_id: str) -> bool:
        """Return whether a node is given an uploaded picture."""
        places = (*self.marks.photo, *(place for each in self.marks.templates.values() for place in each))
        return any(place.node == node_id for place in places)


@lru_cache(maxsize=16)
def read_workflow(text: str, mapping: str) -> Workflow:
    """Read a workflow; `mapping` is the setting `nodes`. Raises InvalidSettings with the fields that do not fit."""
    graph = parse_graph(text)
    marks = find_marks(graph, mapping)
    ends = marks.output in sinks(graph)
    source = picture_link(graph, marks.output) if ends else None
    preview = marks.output if source is not None else unused_id(graph, "picture")
    source = source or (marks.output, 0)
    needed = ancestors(graph, source[0])
    if not any(place.node in needed for place in marks.photo):
        params = {"node": marks.photo[0].node, "target": marks.output}
        raise InvalidSettings([FieldError("workflow", FieldErrorCode.WORKFLOW_PHOTO_UNUSED, params)])
    nodes = {node_id: node for node_id, node in graph.items() if node_id in needed}
    return Workflow(nodes, source, preview, _within(marks, needed))


def _within(marks: Marks, needed: set[str]) -> Marks:
    def kept(places: Iterable[Place]) -> tuple[Place, ...]:
        return tuple(place for place in places if place.node in needed)

    return Marks(
        photo=kept(marks.photo),
        prompt=kept(marks.prompt),
        negative=kept(marks.negative),
        seed=kept(marks.seed),
        templates={role: places for role, every in marks.templates.items() if (places := kept(every))},
        output=marks.output,
    )
