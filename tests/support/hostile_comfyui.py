"""Values of the types of the provider `comfyui` with a long text wherever ComfyUI, or an operator, may put one."""

from __future__ import annotations

import json
from typing import Any

from photochanger.adapters.providers.comfyui.answers import Ended, Status
from photochanger.adapters.providers.comfyui.graph import Node
from photochanger.adapters.providers.comfyui.marks import Named
from photochanger.adapters.providers.comfyui.settings import ComfyuiSettings
from photochanger.adapters.providers.comfyui.workflow import read_workflow

from tests.support.standins.comfyui_nodes import workflow


def comfyui_samples(text: str) -> dict[str, list[Any]]:
    """Values by the annotation of a parameter."""
    about = {"node_id": text, "exception_type": text, "exception_message": text, "timestamp": 7, "nodes": [text]}
    events = ("execution_start", "execution_cached", "execution_success", "execution_error", text)
    image = {"filename": text, "subfolder": text, "type": text}
    ended = Ended({text: {"images": [image, text]}}, Status(text, [[event, about] for event in events]))
    node = Node(text, {"image": text, "text": text, "seed": 7, "images": ["2", 0]}, text)
    graph = {"1": node, "2": Node("LoadImage", {"image": text}, "pc:photo")}
    return {
        "Workflow": [read_workflow(json.dumps(workflow()), "")],
        "Ended": [ended],
        "Mapping[str, adapters.providers.comfyui.graph.Node]": [graph],
        "adapters.providers.comfyui.graph.Node | None": [node],
        "ComfyuiSettings": [ComfyuiSettings(workflow=text)],
        "Mapping[str, list[adapters.providers.comfyui.marks.Named]]": [{"photo": [Named("1"), Named("2", text)]}],
    }
