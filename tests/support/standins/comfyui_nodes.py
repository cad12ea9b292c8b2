"""The nodes that the stand-in of ComfyUI knows, and how that checks a graph: with the errors of its execution.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

MODEL = "painter.safetensors"
INPUT_FILES = ("example.png", "style.png")
"""What an operator has put into the folder for inputs."""


class NodeClass(msgspec.Struct, frozen=True):
    """A class of nodes: each input is a type of links, INT, FLOAT, STRING, FILE, or the values to choose from."""

    inputs: Mapping[str, str | tuple[str, ...]]
    outputs: tuple[str, ...] = ()
    is_output: bool = False

    def info(self, name: str) -> dict[str, Any]:
        """What `/object_info` says of it."""
        given = {each: [list(kind) if isinstance(kind, tuple) else kind, {}] for each, kind in self.inputs.items()}
        if "image" in given and given["image"][0] == "FILE":
            given["image"] = [list(INPUT_FILES), {"image_upload": True}]
        return {"input": {"required": given}, "output": list(self.outputs), "name": name, "output_node": self.is_output}


CLASSES: Mapping[str, NodeClass] = {
    "CheckpointLoaderSimple": NodeClass({"ckpt_name": (MODEL, "other.safetensors")}, ("MODEL", "CLIP", "VAE")),
    "LoadImage": NodeClass({"image": "FILE"}, ("IMAGE", "MASK")),
    "CLIPTextEncode": NodeClass({"text": "STRING", "clip": "CLIP"}, ("CONDITIONING",)),
    "VAEEncode": NodeClass({"pixels": "IMAGE", "vae": "VAE"}, ("LATENT",)),
    "KSampler": NodeClass(
        {
            "seed": "INT",
            "steps": "INT",
            "denoise": "FLOAT",
            "sampler_name": ("euler", "dpmpp_2m"),
            "model": "MODEL",
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "latent_image": "LATENT",
        },
        ("LATENT",),
    ),
    "VAEDecode": NodeClass({"samples": "LATENT", "vae": "VAE"}, ("IMAGE",)),
    "ImageBlend": NodeClass({"image1": "IMAGE", "image2": "IMAGE"}, ("IMAGE",)),
    "SaveImage": NodeClass({"images": "IMAGE", "filename_prefix": "STRING"}, is_output=True),
    "PreviewImage": NodeClass({"images": "IMAGE"}, is_output=True),
}

_VALUES: Mapping[str, type | tuple[type, ...]] = {"INT": int, "FLOAT": (int, float), "STRING": str, "FILE": str}


def workflow(*, titles: bool = True, style: bool = True, **changes: Mapping[str, Any]) -> dict[str, Any]:
    """A workflow that paints a photo; `changes` replace inputs of a node, as in `n6={"steps": 4}`."""
    nodes: dict[str, tuple[str, str, dict[str, Any]]] = {
        "1": ("CheckpointLoaderSimple", "Model", {"ckpt_name": MODEL}),
        "2": ("LoadImage", "Guest pc:photo", {"image": "example.png"}),
        "3": ("CLIPTextEncode", "pc:prompt", {"text": "an oil painting", "clip": ["1", 1]}),
        "4": ("CLIPTextEncode", "pc:negative", {"text": "blurred", "clip": ["1", 1]}),
        "5": ("VAEEncode", "Encode", {"pixels": ["2", 0], "vae": ["1", 2]}),
        "6": (
            "KSampler",
            "pc:seed",
            {
                "seed": 42,
                "steps": 8,
                "denoise": 0.6,
                "sampler_name": "euler",
                "model": ["1", 0],
                "positive": ["3", 0],
                "negative": ["4", 0],
                "latent_image": ["5", 0],
            },
        ),
        "7": ("VAEDecode", "Decode", {"samples": ["6", 0], "vae": ["1", 2]}),
        "8": ("SaveImage", "pc:output", {"images": ["10" if style else "7", 0], "filename_prefix": "booth"}),
    }
    if style:
        nodes["9"] = ("LoadImage", "pc:template:style", {"image": "style.png"})
        nodes["10"] = ("ImageBlend", "Blend", {"image1": ["7", 0], "image2": ["9", 0]})
    return {
        node_id: {
            "class_type": kind,
            "inputs": inputs | dict(changes.get(f"n{node_id}", {})),
            **({"_meta": {"title": title}} if titles else {}),
        }
        for node_id, (kind, title, inputs) in nodes.items()
    }


def refusal(graph: Mapping[str, Any], files: Collection[str]) -> dict[str, Any] | None:
    """The body of the 400 for a graph, None for a good one; `files` are the names that a file input may have."""
    for node_id, node in graph.items():
        if node.get("class_type") not in CLASSES:
            message = f"Cannot execute because node {node.get('class_type')} does not exist."
            return {"error": _error("invalid_prompt", message, f"Node ID '#{node_id}'"), "node_errors": {}}
    if not any(CLASSES[node["class_type"]].is_output for node in graph.values()):
        return {"error": _error("prompt_no_outputs", "Prompt has no outputs", ""), "node_errors": {}}
    errors = {node_id: found for node_id in graph if (found := list(_node_errors(graph, node_id, files)))}
    if not errors:
        return None
    node_errors = {
        node_id: {"errors": found, "dependent_outputs": [], "class_type": graph[node_id]["class_type"]}
        for node_id, found in errors.items()
    }
    error = _error("prompt_outputs_failed_validation", "Prompt outputs failed validation", "")
    return {"error": error, "node_errors": node_errors}


def _node_errors(graph: Mapping[str, Any], node_id: str, files: Collection[str]) -> Iterator[dict[str, Any]]:
    inputs = graph[node_id]["inputs"]
    for name, kind in CLASSES[graph[node_id]["class_type"]].inputs.items():
        about = {"input_name": name}
        if name not in inputs:
            yield _error("required_input_missing", "Required input is missing", name, about)
            continue
        value = inputs[name]
        if isinstance(value, list):
            target, slot = value
            outputs = CLASSES[graph[target]["class_type"]].outputs
            if slot >= len(outputs) or outputs[slot] != kind:
                yield _error("return_type_mismatch", "Return type mismatch between linked nodes", name, about)
        elif isinstance(kind, tuple):
            if value not in kind:
                details = f"{name}: '{value}' not in {list(kind)}"
                yield _error("value_not_in_list", "Value not in list", details, about | {"received_value": value})
        elif kind not in _VALUES or not isinstance(value, _VALUES[kind]):
            yield _error("invalid_input_type", "Failed to convert an input value", name, about)
        elif kind == "FILE" and value not in files:
            details = f"{name} - Invalid image file: {value}"
            yield _error("custom_validation_failed", "Custom validation failed for node", details, about)


def _error(kind: str, message: str, details: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": dict(extra or {})}


def wrong_links(graph: Mapping[str, Any]) -> str | None:
    """What is wrong with the links: a node that is not there, or a loop. The real service would answer 500."""
    done: set[str] = set()
    while len(done) < len(graph):
        before = len(done)
        for node_id, node in graph.items():
            targets = [value[0] for value in node["inputs"].values() if isinstance(value, list)]
            if any(target not in graph for target in targets):
                return f"node {node_id} has a link to nothing"
            if done.issuperset(targets):
                done.add(node_id)
        if len(done) == before:
            return "the graph has a loop"
    return None
