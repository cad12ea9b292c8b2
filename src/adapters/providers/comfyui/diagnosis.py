"""Whether a ComfyUI could make the pictures of slots, without making one: its nodes, and the files that they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .graph import link_of
from .marks import described
from .service import ComfyuiService
from .workflow import PREVIEW, Workflow

MAX_CLASSES = 100
"""The most classes of nodes that are asked for."""

_MAX_PROBLEMS = 20
_MAX_VALUE_CHARS = 120


async def missing_parts(service: ComfyuiService, workflows: Iterable[Workflow]) -> list[str]:
    """Return one sentence for each node and each file of these workflows that ComfyUI does not have."""
    known: dict[str, Mapping[str, Any] | None] = {}
    problems: list[str] = []
    for workflow in workflows:
        for class_type in (PREVIEW, *(node.class_type for node in workflow.nodes.values())):
            if class_type not in known and len(known) < MAX_CLASSES:
                known[class_type] = await service.object_info(class_type)
        problems += _of_workflow(workflow, known)
    return list(dict.fromkeys(problems))[:_MAX_PROBLEMS]


def _of_workflow(workflow: Workflow, known: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    problems: list[str] = []
    if PREVIEW in known and known[PREVIEW] is None:
        problems.append(f"ComfyUI does not have the node {PREVIEW}, which every workflow ends in.")
    for node_id, node in workflow.nodes.items():
        if node.class_type not in known:
            continue
        name = described(node_id, node)
        inputs = known[node.class_type]
        if inputs is None:
            problems.append(f"ComfyUI does not have the class of {name}. Install the custom nodes that it belongs to.")
            continue
        for input_name, value in node.inputs.items():
            if workflow.takes_pictures(node_id) or link_of(value) is not None:
                continue
            choices = _choices(inputs.get(input_name))
            if isinstance(value, str) and choices and value not in choices:
                shown = f"{input_name[:60]} = {value[:_MAX_VALUE_CHARS]!r}"
                problems.append(f"ComfyUI does not have what {name} names: {shown}. Install it, or name another one.")
    return problems


def _choices(about: Any) -> list[Any]:
    """Return the values of an input that is chosen from a list; empty for any other input."""
    if not isinstance(about, list) or not about:
        return []
    if isinstance(about[0], list):
        return about[0]
    options = about[1].get("options") if about[0] == "COMBO" and len(about) > 1 and isinstance(about[1], dict) else None
    return options if isinstance(options, list) else []
