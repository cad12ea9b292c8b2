"""What the answers of ComfyUI, and of a proxy in front of it, mean: refused workflows, ended jobs, pictures.

Facts are from its source (server.py, execution.py). Its own words are never passed on: messages, tracebacks and inputs
hold prompts of guests and paths of the machine. What is said of an error is its type, and the node by our own workflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from ....core.domain.outside_text import cut, word
from ....core.domain.routing.failure_cause import FailureCause
from ....core.ports.provider import Down, NotConfigured, ProviderError, Rejected, Retryable
from ...http_client.messages import Answer
from ...http_client.retry_after import retry_after
from .marks import described
from .workflow import Workflow

_REFUSALS: Mapping[str, str] = {
    "no_prompt": "it got no workflow",
    "invalid_prompt": "a node of the workflow has a class that this ComfyUI does not have",
    "missing_node_type": "a node of the workflow has a class that this ComfyUI does not have",
    "prompt_no_outputs": "the workflow has no node for the picture",
    "prompt_outputs_failed_validation": "inputs of the workflow do not fit",
    "required_input_missing": "a required input is missing",
    "bad_linked_input": "an input has a broken link",
    "return_type_mismatch": "an input is linked to an output of another type",
    "invalid_input_type": "an input has a value of the wrong type",
    "value_smaller_than_min": "an input is smaller than allowed",
    "value_bigger_than_max": "an input is larger than allowed",
    "value_not_in_list": "an input names what this ComfyUI does not have, such as a model file",
    "custom_validation_failed": "the node itself refuses an input",
    "exception_during_validation": "the node failed while its inputs were checked",
    "exception_during_inner_validation": "the node failed while its inputs were checked",
    "dependency_cycle": "the workflow has a loop",
}
"""The types of a refused workflow (400)."""

_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY)
"""Client-error statuses that pass by themselves."""

_NUMBER = re.compile(r"[0-9]{1,4}")
_TYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,79}")
_OUT_OF_MEMORY = re.compile(r"OutOfMemory|out of memory|Allocation on device", re.IGNORECASE)
_DEVICE_FAILS = re.compile(r"CUDA error|cuDNN|AcceleratorError|HIP error", re.IGNORECASE)

_MAX_NAME_CHARS = 400
_MAX_EVENTS = 1000


class Uploaded(Struct, frozen=True):
    """Where an upload was stored, which may be another name than the one that was sent."""

    name: str
    subfolder: str = ""
    type: str = "input"

    @property
    def annotated(self) -> str:
        """The value of an input that means this file."""
        path = f"{self.subfolder}/{self.name}" if self.subfolder else self.name
        return f"{path} [{self.type}]"


class Submitted(Struct, frozen=True):
    """The answer to an accepted workflow."""

    prompt_id: str
    node_errors: Any = None


class Status(Struct, frozen=True):
    """How a job ended; `messages` are pairs of an event's name and its data."""

    status_str: str = ""
    messages: list[Any] = []


class Ended(Struct, frozen=True):
    """A job in the history: only ended ones are there."""

    outputs: dict[str, Any] = {}
    status: Status | None = None


class SystemStats(Struct, frozen=True):
    """What a ComfyUI says of itself."""

    system: dict[str, Any]

    @property
    def version(self) -> tuple[int, ...] | None:
        """The version as numbers; None where it says none."""
        found = _NUMBER.findall(word(self.system.get("comfyui_version"), 20))
        return tuple(int(number) for number in found[:3]) or None


class OutputFile(Struct, frozen=True):
    """A file that a node made."""

    filename: str
    subfolder: str = ""
    type: str = "output"


def refuse_status(answer: Answer[Any], what: str) -> None:
    """Raise what an answer means that is none of ComfyUI's own good ones, or a 400 that the caller knows.

    A page instead of JSON, and a redirect, come from a proxy that asks for a login. `what` was asked for.
    """
    status = answer.status
    if status >= 500:
        raise Down(f"ComfyUI, or the proxy in front of it, fails ({status}).")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
        raise NotConfigured(
            f"The proxy in front of ComfyUI refuses the request ({status}). Set the key of the provider comfyui, and "
            "the way of the key in the slot."
        )
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        raise Rejected(
            f"{what} is too large (413). Raise the limit of the proxy in front of ComfyUI (client_max_body_size), "
            "or that of ComfyUI itself (--max-upload-size)."
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Retryable(
            "The proxy in front of ComfyUI limits requests (429).",
            after=retry_after(answer.headers),
            cause=FailureCause.BUSY,
        )
    if status in _LATER:
        raise Retryable(f"ComfyUI cannot serve the request now ({status}).", cause=FailureCause.BUSY)
    if 300 <= status < 400 or answer.content_type == "text/html":
        raise NotConfigured(
            f"A page or a redirect came instead of ComfyUI's answer ({status}): a proxy asks for a login, or the "
            "address is another one. Set the key of the provider comfyui, or correct PHOTOCHANGER_COMFYUI_BASE_URL."
        )
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        raise NotConfigured(
            f"There is no ComfyUI at this address ({status}). Correct PHOTOCHANGER_COMFYUI_BASE_URL: it is what comes "
            "before /prompt."
        )


def refusal(body: Any, workflow: Workflow, *, sent: Mapping[str, Any]) -> ProviderError:
    """Classify a workflow that was refused (400), or accepted with errors in a part of it; `sent` is the graph.

    Final for this entry; only where an uploaded picture is gone again, as after a restart, another try helps.
    """
    body = body if isinstance(body, dict) else {}
    error = body.get("error")
    found = list(_node_errors(body.get("node_errors")))
    if any(kind == "custom_validation_failed" and workflow.takes_pictures(node) for node, kind, _ in found):
        return Retryable("ComfyUI no longer has the picture that was uploaded to it: it was restarted, or emptied.")
    kind = word(error.get("type"), 60) if isinstance(error, dict) else word(error, 60)
    reasons = [
        f"{described(node, workflow.node(node))}: {_reason(kind, name, sent, node)}" for node, kind, name in found
    ]
    said = "; ".join(reasons[:3]) or _REFUSALS.get(kind, "for a reason that is not known here")
    missing = _missing_class(error, workflow) if kind in ("invalid_prompt", "missing_node_type") else ""
    return Rejected(cut(f"ComfyUI refuses the workflow: {said}{missing}."), cause=FailureCause.SETTINGS_INVALID)


def require_success(job: Ended, workflow: Workflow) -> None:
    """Raise what the end of a job means where it made no picture."""
    status = job.status
    if status is None or status.status_str == "success":
        return
    for event, data in _events(status):
        if event == "execution_interrupted":
            raise Retryable("The job was interrupted at ComfyUI.")
        if event == "execution_error":
            raise _execution_error(data, workflow)
    raise Retryable("ComfyUI ended the job without a picture, and does not say why.")


def picture_of(job: Ended, output: str) -> OutputFile:
    """Choose the picture: of the preview that was sent, else the last one that was saved, else the last one.

    Raises Retryable where there is none, as older versions answer for work that they had cached.
    """
    own = _files(job.outputs.get(output))
    if own:
        return own[0]
    every = [file for made in job.outputs.values() for file in _files(made)]
    saved = [file for file in every if file.type == "output"]
    if every:
        return (saved or every)[-1]
    raise Retryable("ComfyUI says that it has finished, but has no picture.")


def facts_of(job: Ended) -> dict[str, int]:
    """Return how long the job ran, in milliseconds by ComfyUI's clock, and how many nodes it did not have to run."""
    times: dict[str, int] = {}
    facts: dict[str, int] = {}
    for event, data in _events(job.status or Status()):
        if isinstance(moment := data.get("timestamp"), int):
            times[event] = moment
        if event == "execution_cached" and isinstance(nodes := data.get("nodes"), list):
            facts["cached_nodes"] = len(nodes)
    ran = times.get("execution_success", 0) - times.get("execution_start", 0)
    return facts | ({"ran_ms": ran} if len(times.keys() & {"execution_success", "execution_start"}) == 2 else {})


def _execution_error(data: Mapping[str, Any], workflow: Workflow) -> ProviderError:
    node_id, kind = word(data.get("node_id"), 64), word(data.get("exception_type"), 120)
    said = f"{kind} {word(data.get('exception_message'), _MAX_NAME_CHARS)}"
    where = described(node_id, workflow.node(node_id)) if node_id.isprintable() and node_id else "a node"
    if _OUT_OF_MEMORY.search(said):
        return Down(f"ComfyUI ran out of memory in {where}.")
    if _DEVICE_FAILS.search(said):
        return Down(f"The graphics card of ComfyUI failed in {where}.")
    name = kind if _TYPE_NAME.fullmatch(kind) else "an error"
    return Retryable(f"ComfyUI failed in {where}: {name}.")


def _node_errors(found: Any) -> Iterator[tuple[str, str, str]]:
    """Yield node, type and input of each error, as far as they have the known shape."""
    for node_id, about in list(found.items())[:100] if isinstance(found, dict) else []:
        errors = about.get("errors") if isinstance(about, dict) else None
        for error in errors[:20] if isinstance(errors, list) else []:
            if isinstance(error, dict):
                extra = error.get("extra_info")
                name = word(extra.get("input_name"), 64) if isinstance(extra, dict) else ""
                yield word(node_id, 64), word(error.get("type"), 60), name


def _reason(kind: str, name: str, sent: Mapping[str, Any], node_id: str) -> str:
    """Say what is wrong with an input; what it names is quoted from the workflow itself."""
    said = _REFUSALS.get(kind, "an input does not fit")
    inputs = sent.get(node_id, {}).get("inputs", {})
    if name not in inputs:
        return said
    value = inputs[name]
    quoted = f" {value[:120]!r}" if kind == "value_not_in_list" and isinstance(value, str) else ""
    return f"{said} ({name}{quoted})"


def _missing_class(error: Any, workflow: Workflow) -> str:
    """Name the class, where the answer names a node of ours."""
    extra = error.get("extra_info") if isinstance(error, dict) else None
    named = [word(error.get("details"), 120)] if isinstance(error, dict) else []
    named += [word(extra.get("node_id"), 64)] if isinstance(extra, dict) else []
    for text in named:
        node_id = text.removeprefix("Node ID '#").removesuffix("'")
        if (node := workflow.node(node_id)) is not None:
            return f": {described(node_id, node)}"
    return ""


def _events(status: Status) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for message in status.messages[:_MAX_EVENTS]:
        if isinstance(message, list) and len(message) == 2 and isinstance(message[1], dict):
            yield word(message[0], 60), message[1]


def _files(made: Any) -> list[OutputFile]:
    images = made.get("images") if isinstance(made, dict) else None
    found: list[OutputFile] = []
    for image in images[:100] if isinstance(images, list) else []:
        if not isinstance(image, dict):
            continue
        name, subfolder = word(image.get("filename"), _MAX_NAME_CHARS), word(image.get("subfolder"), _MAX_NAME_CHARS)
        if name:
            found.append(OutputFile(name, subfolder, word(image.get("type"), 20) or "output"))
    return found
