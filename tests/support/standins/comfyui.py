"""A stand-in of ComfyUI's server: uploads, queue, history, pictures, in three generations, strict about every request.

Jobs move on when they are asked for: a job that runs ends with its `polls`-th question. It refuses what would harm
another guest or leave something of one, and what the real server would not understand.
"""

from __future__ import annotations

import enum
import io
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import multipart
from PIL import Image, UnidentifiedImageError

from tests.support import photos

from . import comfyui_nodes
from .comfyui_nodes import CLASSES, INPUT_FILES
from .server import Answer, Received, StandInServer, json_answer

PICTURE = photos.png(96, 64)

Ending = Callable[[str], dict[str, Any]]
"""The record of a job in the history; takes the id of the job."""

_PROMPT_FIELDS = {"prompt", "client_id", "prompt_id"}


class Generation(enum.Enum):
    """What a version can do: interrupt whatever runs; a job by its id; cancel jobs that wait or run."""

    OLD = "0.3.40"
    BY_ID = "0.3.64"
    JOBS = "0.33.1"


class ComfyuiStandIn(StandInServer):
    """The service.

    Calls are named `upload`, `prompt`, `queue`, `history`, `view`, `cancel`, `delete`, `interrupt`, `forget`, `stats`
    and `object_info`.

    Attributes:
        auth: the header and the value that a proxy in front of it wants; None: no proxy, and no key may be sent.
        renames: whether an upload is stored under another name, as where the name is taken.
        keeps_ids: whether a job has the id that was sent with it.
        fixed_seed: the one seed that may come again.
        picture_nodes: where uploaded pictures may be put.
        polls: how often a running job is asked for until it has ended.
        ending: how jobs end.
        picture: what they make.
        uploads: the pictures by the value that means them.
        graphs: what was queued, by the id of the job.
        waiting, running, history: the jobs; others are those of other guests.
        cancelled, interrupted, forgotten: the ids, in the order in which it happened.
    """

    def __init__(self, generation: Generation = Generation.JOBS) -> None:
        super().__init__()
        self.generation = generation
        self.auth: tuple[str, str] | None = None
        self.renames = True
        self.keeps_ids = True
        self.fixed_seed: int | None = None
        self.picture_nodes = {"2", "9"}
        self.polls = 2
        self.ending: Ending = self.succeeded
        self.picture = PICTURE
        self.uploads: dict[str, bytes] = {}
        self.graphs: dict[str, dict[str, Any]] = {}
        self.waiting: list[str] = []
        self.running: str | None = None
        self.history: dict[str, dict[str, Any]] = {}
        self.cancelled: list[str] = []
        self.interrupted: list[str] = []
        self.forgotten: list[str] = []
        self._asked: dict[str, int] = defaultdict(int)
        self._seeds: list[int] = []
        self._names: set[str] = set()
        self._sent_ids: set[str] = set()

    # What a test does with it.

    def work_for_another_guest(self, *waiting: str) -> None:
        """Let a job of another guest run, and others wait, until `finish_others`."""
        self.running = "other-guest"
        self.waiting = [*waiting, *self.waiting]

    def finish_others(self) -> None:
        """Let the jobs of other guests end."""
        self.waiting = [each for each in self.waiting if each in self.graphs]
        self.running = self.running if self.running in self.graphs else None

    def restart(self) -> None:
        """Forget queue and history, and empty the folder of temporary files."""
        self.waiting, self.running = [], None
        self.history.clear()
        self.uploads.clear()

    def inputs(self, node_id: str) -> dict[str, Any]:
        """The inputs of a node of the last graph."""
        found: dict[str, Any] = list(self.graphs.values())[-1][node_id]["inputs"]
        return found

    # Endings.

    def succeeded(self, prompt_id: str) -> dict[str, Any]:
        """The picture of the preview, which the graph ends in."""
        (output,) = _previews(self.graphs[prompt_id])
        messages = [
            ["execution_start", {"prompt_id": prompt_id, "timestamp": 1_790_000_000_000}],
            ["execution_cached", {"nodes": ["1"], "prompt_id": prompt_id, "timestamp": 1_790_000_000_010}],
            ["execution_success", {"prompt_id": prompt_id, "timestamp": 1_790_000_002_500}],
        ]
        return _record(outputs={output: {"images": [image(f"ComfyUI_temp_{prompt_id}.png")]}}, messages=messages)

    # What the server does.

    def call_of(self, request: Received) -> str:
        path = request.path
        if path.startswith("/api/jobs/"):
            return "cancel"
        if path.startswith("/object_info/"):
            return "object_info"
        if path.startswith("/history"):
            return "history" if request.method == "GET" else "forget"
        if path == "/queue":
            return "queue" if request.method == "GET" else "delete"
        names = {"/upload/image": "upload", "/prompt": "prompt", "/view": "view", "/interrupt": "interrupt"}
        return "stats" if path == "/system_stats" else names.get(path, "unknown")

    def check(self, request: Received) -> Answer | None:
        call = self.call_of(request)
        method = "GET" if call in ("queue", "history", "view", "stats", "object_info") else "POST"
        if call == "unknown" or request.method != method:
            return Answer(404, f"{request.method} {request.path}".encode())
        if "origin" in request.headers or "cookie" in request.headers:
            return Answer(403, b"an Origin or a cookie")
        if (refusal := self._refuse_auth(request)) is not None:
            return refusal
        if method == "POST" and call != "upload":
            if request.headers.get("content-type") != "application/json":
                return Answer(400, b"no JSON")
            wrong = self._wrong_prompt(request.json()) if call == "prompt" else self._wrong_id(call, request)
        else:
            wrong = self._wrong_upload(request) if call == "upload" else self._wrong_query(call, request)
        return None if wrong is None else Answer(400, wrong.encode())

    def answer(self, request: Received) -> Answer:
        call = self.call_of(request)
        match call:
            case "upload":
                return self._upload(request)
            case "prompt":
                return self._prompt(request.json())
            case "queue":
                self._move_on()
                return json_answer(self._queue())
            case "history":
                return json_answer(self._history(request.path.removeprefix("/history/")))
            case "view":
                return Answer(200, self.picture, {"Content-Type": "image/png"})
            case "stats":
                return json_answer({"system": {"comfyui_version": self.generation.value}, "devices": []})
            case "object_info":
                name = unquote(request.path.removeprefix("/object_info/"))
                return json_answer({name: CLASSES[name].info(name)} if name in CLASSES else {})
            case _:
                return self._stop(call, request)

    def _refuse_auth(self, request: Received) -> Answer | None:
        if self.auth is None:
            sent = request.headers.keys() & {"authorization", "x-api-key"}
            return Answer(400, b"a key is shown for nothing") if sent else None
        name, value = self.auth
        return None if request.headers.get(name.lower()) == value else Answer(401, b"Unauthorized")

    def _wrong_upload(self, request: Received) -> str | None:
        parts = _parts(request)
        if [part.name for part in parts] != ["type", "image"] or parts[0].value != "temp":
            return f"the form has {[part.name for part in parts]}, or is not temporary"
        name = parts[1].filename
        if name in self._names or "/" in name or len(name) < 36:
            return f"{name} is no name of its own"
        self._names.add(name)
        try:
            with Image.open(io.BytesIO(parts[1].raw)) as picture:
                picture.load()
                kind, exif = picture.get_format_mimetype(), picture.getexif()
        except (UnidentifiedImageError, OSError):
            return None  # the real server stores anything
        if kind != parts[1].content_type or not name.endswith({"image/jpeg": "jpg"}.get(kind, kind[6:])):
            return f"{name} is {kind}, not {parts[1].content_type}"
        return "the photo is turned or has a place" if exif.get(274, 1) != 1 or exif.get_ifd(0x8825) else None

    def _wrong_prompt(self, body: Any) -> str | None:
        if set(body) != _PROMPT_FIELDS or not body["client_id"]:
            return f"the fields are {sorted(body)}"
        if str(UUID(body["prompt_id"])) in self._sent_ids or body["client_id"] == body["prompt_id"]:
            return "the id was used before"
        self._sent_ids.add(body["prompt_id"])
        graph = body["prompt"]
        if any(set(node) != {"class_type", "inputs"} for node in graph.values()):
            return "a node has other fields"
        if (wrong := comfyui_nodes.wrong_links(graph)) is not None:
            return wrong
        ends = [node for node in graph.values() if node["class_type"] in ("SaveImage", "PreviewImage")]
        if [node["class_type"] for node in ends] != ["PreviewImage"]:
            return "something but one preview is left on the disk"
        return self._wrong_values(graph)

    def _wrong_values(self, graph: Mapping[str, Any]) -> str | None:
        for node_id, node in graph.items():
            for value in node["inputs"].values():
                uploaded = isinstance(value, str) and value.endswith("[temp]")
                if uploaded and node_id not in self.picture_nodes:
                    return f"a picture in node {node_id}"
                if node["class_type"] == "LoadImage" and node_id == "2" and not uploaded:
                    return f"the photo is not an upload but {value}"
        seeds = [node["inputs"]["seed"] for node in graph.values() if "seed" in node["inputs"]]
        if any(seed in self._seeds and seed != self.fixed_seed for seed in seeds):
            return "the seed is not fresh"
        self._seeds += seeds
        return None

    def _wrong_id(self, call: str, request: Received) -> str | None:
        """The id in a request that stops or removes a job must be one of ours, and the request nothing more."""
        body = request.json()
        match call:
            case "cancel":
                prompt_id, fits = request.path.split("/")[3], body == {}
            case "interrupt":
                prompt_id, fits = str(body.get("prompt_id")), set(body) == {"prompt_id"}
            case _:
                ids = body.get("delete") or [""]
                prompt_id, fits = str(ids[0]), set(body) == {"delete"} and len(ids) == 1
        if call == "interrupt" and self.generation is Generation.OLD:
            return "this version would interrupt whatever runs"
        return (
            None
            if fits and prompt_id in {*self.graphs, *self._sent_ids}
            else f"{call} of {prompt_id}, which is not ours"
        )

    def _wrong_query(self, call: str, request: Received) -> str | None:
        wanted = {"filename", "subfolder", "type"} if call == "view" else set()
        return None if set(request.query) == wanted else f"{call} with {sorted(request.query)}"

    def _upload(self, request: Received) -> Answer:
        part = _parts(request)[1]
        stem, dot, extension = part.filename.rpartition(".")
        name = f"{stem} (1){dot}{extension}" if self.renames else part.filename
        self.uploads[f"{name} [temp]"] = part.raw
        return json_answer({"name": name, "subfolder": "", "type": "temp"})

    def _prompt(self, body: Any) -> Answer:
        graph = body["prompt"]
        refusal = comfyui_nodes.refusal(graph, {*self.uploads, *INPUT_FILES})
        if refusal is not None:
            return json_answer(refusal, status=400)
        prompt_id = body["prompt_id"] if self.keeps_ids else f"chosen-{len(self.graphs)}"
        self.graphs[prompt_id] = graph
        self.waiting.append(prompt_id)
        return json_answer({"prompt_id": prompt_id, "number": len(self.graphs), "node_errors": {}})

    def _move_on(self) -> None:
        if self.running is None and self.waiting:
            self.running = self.waiting.pop(0)

    def _queue(self) -> dict[str, Any]:
        def item(number: int, prompt_id: str) -> list[Any]:
            graph = self.graphs.get(prompt_id, comfyui_nodes.workflow())
            return [number, prompt_id, graph, {"client_id": "c-1"}, ["8"]]

        running = [] if self.running is None else [item(0, self.running)]
        return {
            "queue_running": running,
            "queue_pending": [item(number, each) for number, each in enumerate(self.waiting, 1)],
        }

    def _history(self, prompt_id: str) -> dict[str, Any]:
        self._move_on()
        if self.running == prompt_id:
            self._asked[prompt_id] += 1
            if self._asked[prompt_id] >= self.polls:
                self._end(prompt_id, self.ending(prompt_id))
        return {prompt_id: self.history[prompt_id]} if prompt_id in self.history else {}

    def _end(self, prompt_id: str, record: dict[str, Any]) -> None:
        self.running = None
        self.history[prompt_id] = record

    def _stop(self, call: str, request: Received) -> Answer:
        if call == "cancel":
            if self.generation is not Generation.JOBS:
                return Answer(405)
            prompt_id = request.path.split("/")[3]
            self._cancel(prompt_id, interrupts=True)
            return json_answer({"cancelled": True})
        if call == "interrupt":
            self._cancel(request.json()["prompt_id"], interrupts=True)
            return Answer(200)
        (prompt_id,) = request.json()["delete"]
        if call == "forget":
            self.history.pop(prompt_id, None)
            self.forgotten.append(prompt_id)
        else:
            self._cancel(prompt_id, interrupts=False)
        return Answer(200)

    def _cancel(self, prompt_id: str, *, interrupts: bool) -> None:
        if prompt_id in self.waiting:
            self.waiting.remove(prompt_id)
            self.cancelled.append(prompt_id)
        elif interrupts and self.running == prompt_id:
            self.interrupted.append(prompt_id)
            self._end(prompt_id, interrupted(prompt_id))


def image(filename: str, *, kind: str = "temp") -> dict[str, str]:
    """A picture of an output."""
    return {"filename": filename, "subfolder": "", "type": kind}


def outputs(made: Mapping[str, Any]) -> Ending:
    """A good end with these outputs; with none, as older versions end work that they had cached."""
    return lambda prompt_id: _record(outputs=dict(made), messages=[["execution_success", {"prompt_id": prompt_id}]])


def failed(exception_type: str, message: str, *, node_id: str = "6") -> Ending:
    """An end with an exception of a node. The words in it must be shown to nobody."""
    about = {
        "node_id": node_id,
        "node_type": "KSampler",
        "exception_type": exception_type,
        "exception_message": message,
        "traceback": ["/home/studio/ComfyUI/secret.py line 7"],
        "current_inputs": {"text": ["the guest's words"]},
    }
    return lambda prompt_id: _record(status="error", messages=[["execution_error", about | {"prompt_id": prompt_id}]])


def interrupted(prompt_id: str) -> dict[str, Any]:
    """The record of an interrupted job."""
    return _record(status="error", messages=[["execution_interrupted", {"prompt_id": prompt_id, "node_id": "6"}]])


def _record(
    *, status: str = "success", messages: list[Any], outputs: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    about = {"status_str": status, "completed": status == "success", "messages": messages}
    return {"prompt": [1, "id", {}, {}, []], "outputs": dict(outputs or {}), "status": about, "meta": {}}


def _previews(graph: Mapping[str, Any]) -> list[str]:
    return [node_id for node_id, node in graph.items() if node["class_type"] == "PreviewImage"]


def _parts(request: Received) -> list[Any]:
    _, options = multipart.parse_options_header(request.headers.get("content-type", ""))
    return list(multipart.MultipartParser(io.BytesIO(request.body), options["boundary"], memory_limit=2**28))
