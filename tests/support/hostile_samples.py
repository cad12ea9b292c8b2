"""Long texts as strangers send them, and values of every type that a function with text may want along with them."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from photochanger.adapters.http_client.messages import Answer
from photochanger.adapters.http_client.picture_json import MAX_JSON_BYTES, PictureJson
from photochanger.adapters.providers.catalogue import Catalogue, read_catalogue
from photochanger.adapters.providers.gemini.access import Access, ServiceAccount
from photochanger.adapters.providers.openai import costs as openai_costs
from photochanger.adapters.providers.replicate.answers import Prediction
from photochanger.adapters.providers.wire import Asked
from photochanger.core.domain.accounts import Actor, Identity, Permission
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.field_errors import FieldError, FieldErrorCode
from photochanger.core.domain.ingest_request import IngestRequest, ReceivedField, ReceivedFile
from photochanger.core.domain.job import Job, JobState
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.entrypoints.http.protocol.forwarded import TrustedProxies

from tests.support.builders import new_job, outcome_failed
from tests.support.hostile_comfyui import comfyui_samples
from tests.support.standins.calls import FixedContext

SIZE = 250_000


def texts() -> dict[str, str]:
    """A text of SIZE characters of each kind."""
    noise = base64.b64encode(random.Random(4711).randbytes(SIZE * 3 // 4)).decode()
    repeated = {
        "one word": "a",
        "spaces": " ",
        "links": "a://",
        "braces": "{",
        "fields": "{a} ",
        "digits": "9",
        "decimals": "1.5",
        "combining characters": "a\u0316\u0301",
        "quotes": '"',
        "commas": ",",
        "semicolons": "; a=",
        "percent signs": "%41",
        "backslashes": "\\",
        "line ends": "\r\n",
        "dots": "a.",
        "keys": "sk-",
        "dashes": "a-",
        "places": " - at `$",
        "astral": "\U0001f600",
        "surrogates": "\udcff",
    }
    return {"base64": noise, **{name: (unit * (SIZE // len(unit) + 1))[:SIZE] for name, unit in repeated.items()}}


def _answer(text: str) -> dict[str, Any]:
    """A JSON answer with a part of the text wherever a service may put one; 3 million characters in all."""
    text = text[: SIZE // 5]
    names = ("message", "status", "code", "type", "reason", "@type", "retryDelay", "quotaId", "quotaValue", "error")
    flat: dict[str, Any] = dict.fromkeys((*names, "uploaded_image", "queueid", "prompt"), text)
    details = [flat | {"@type": kind, "violations": [flat, flat]} for kind in _KINDS]
    return flat | {"details": details, "error": flat | {"details": details}, "data": flat}


_KINDS = ("google.rpc.RetryInfo", "google.rpc.QuotaFailure", "google.rpc.ErrorInfo")
_HEADERS = (
    "retry-after",
    "retry-after-ms",
    "content-type",
    "content-encoding",
    "guest",
    *(f"x-fal-{name}" for name in ("request-id", "error-type", "retryable", "request-timeout-type", "billable-units")),
    *(f"x-ratelimit-{which}-{what}" for which in ("reset", "remaining") for what in ("requests", "tokens", "images")),
)
STATUSES = (200, 302, 400, 401, 404, 413, 429, 503)


def _ingest_request(text: str) -> IngestRequest:
    now = datetime.now(UTC)
    field = ReceivedField(text, text)
    return IngestRequest(
        slot_id="slot-001",
        received_at=now,
        answered_at=now,
        address=text,
        method="POST",
        content_type=text,
        headers=(field,),
        fields=(field,),
        file=ReceivedFile(field=text, filename=text, content_type=text, size_bytes=1, sniffed_type=None),
        status=400,
        code="invalid_multipart",
        detail=text,
    )


def _scope(text: str, *, peer: str | None = None) -> Any:
    value = text.encode("latin-1", "replace")
    names = ("cookie", "host", "origin", "referer", "authorization", "sec-fetch-site", "if-none-match", "range")
    names += ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "content-type", "prefer")
    return {
        "type": "http",
        "method": "POST",
        "path": text,
        "raw_path": value,
        "root_path": "",
        "query_string": value,
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": (peer or text, 7),
        "headers": [(name.encode(), value) for name in names],
        "state": {},
    }


def _job(text: str) -> Job:
    spec = new_job(metadata={"guest": text}, idempotency_key=text, trace=text)
    return Job(spec=spec, state=JobState.FAILED, outcome=outcome_failed(spec, error_detail=text))


def _identity(text: str) -> Identity:
    now = datetime.now(UTC)
    return Identity(
        username=text, permissions=frozenset(), issued_at=now, expires_at=now + timedelta(hours=1), token_id=text
    )


def _json_answers(text: str) -> list[Answer[PictureJson]]:
    """Answers of services as they are read from the wire: their own shape with long texts in it, and errors."""
    found = []
    shapes = ((200, _shape), (200, _blocked_shape), (200, _queued_shape), (400, _answer), (429, lambda text: [text]))
    for status, shape in (*shapes, (422, _refused_shape), (403, _refused_shape)):
        size = SIZE
        while len(document := json.dumps(shape(text[:size])).encode()) > MAX_JSON_BYTES:
            size //= 2
        found.append(Answer(status, dict.fromkeys(_HEADERS, text), PictureJson(document, ())))
    return found


def _shape(text: str) -> dict[str, Any]:
    parts = [{"text": text, "inlineData": {"mimeType": text, "data": text}}] * 2
    candidate = {"content": {"parts": parts}, "finishReason": text, "finishMessage": text}
    about = {"modelVersion": text, "responseId": text, "size": text, "quality": text, "usage": {text: text}}
    return about | {"candidates": [candidate], "data": [{"b64_json": text}, {"url": text}]}


def _queued_shape(text: str) -> dict[str, Any]:
    urls = {f"{name}_url": text for name in ("status", "response", "cancel", "polling")}
    picture = {"images": [{"url": text}] * 2, "output": [text, text], "urls": {"get": text}, "seed": text}
    about = {"id": text, "request_id": text, "status": text, "error": text, "error_type": text, "version": text}
    return {**urls, **picture, **about, "has_nsfw_concepts": [text] * 9, "metrics": {"predict_time": text}}


def _refused_shape(text: str) -> dict[str, Any]:
    return {"detail": [{"type": text, "msg": text, "loc": [text]}] * 3, "title": text, "error_type": text}


_PRESETS = (
    "~_P",
    "Any",
    *(
        f"adapters.providers.{name}.costs.{preset}"
        for name, preset in (("gemini", "GeminiPreset"), ("openai", "OpenAIPreset"))
    ),
)


@cache
def _models() -> Catalogue[openai_costs.OpenAIPreset]:
    file = Path(str(openai_costs.__file__)).with_name("models.json")
    return read_catalogue(FixedContext(), file, preset=openai_costs.OpenAIPreset)


def _blocked_shape(text: str) -> dict[str, Any]:
    return {"promptFeedback": {"blockReason": text}, "responseId": text}


def samples(text: str, *, answers: bool) -> dict[Any, list[Any]]:
    """Values by the annotation of a parameter; `answers` of services take half a second to make."""
    pairs = [(text, text), ("user-agent", text), ("password", text), ("guest", text)]
    headers = dict.fromkeys(_HEADERS, text)
    anything: list[Any] = [text, _answer(text), [_answer(text)]]
    encoded = text.encode("utf-8", "surrogatepass")
    found: dict[str, list[Any]] = {
        "str": [text],
        "str | None": [text],
        "bytes": [encoded],
        "bytes | str": [encoded],
        "str | int": [text],
        "Any": anything,
        "object": anything,
        "Mapping[str, str]": [headers],
        "dict[str, str]": [headers],
        "dict[str, str] | None": [headers],
        "Mapping[str, Any]": [_answer(text)],
        "Mapping[str, Any] | None": [_answer(text)],
        "entrypoints.http.protocol.forwarded.TrustedProxies": [TrustedProxies(["127.0.0.0/8"])],
        "TrustedProxies": [TrustedProxies(["127.0.0.0/8"])],
        "dict[str, object]": [_answer(text)],
        "Collection[str]": [(text, "guest", "prompt")],
        "Iterable[str]": [(text, "guest", "prompt")],
        "Iterable[tuple[str, str]]": [pairs],
        "list[tuple[str, Any]]": [pairs],
        "list[str]": [[text]],
        "BaseException": [ValueError(text)],
        "Exception": [ValueError(text)],
        "int | None": [7],
        "bool": [True],
        "Mapping[str, int]": [{text: 7}],
        "Sequence[Mapping[str, int]]": [[{text: 7}]],
        "ValidationError": [msgspec.ValidationError(text), msgspec.ValidationError(f"Expected `int`{text}")],
        "UUID": [UUID(int=7)],
        "datetime": [datetime.now(UTC)],
        "IngestRequest": [_ingest_request(text)],
        "FieldError": [FieldError(text, FieldErrorCode.NOT_ONE_OF, {"allowed": [text]})],
        "Iterable[FieldError]": [[FieldError(text, FieldErrorCode.URL_FORMAT)]],
        "Callable[[str], bool]": [lambda _: False],
        "Callable[[Any], ~_Read]": [JobState],
        "Job": [_job(text)],
        "Actor": [Actor(text, text)],
        "Identity": [_identity(text)],
        "Collection[core.domain.accounts.Permission]": [tuple(Permission)],
        "int | bytes": [7],
        "Slot": [shipped_slots()[0]],
        "Access": [Access(models_url=text, list_url=text, headers={}, secret=text)],
        "ServiceAccount": [ServiceAccount(type=text, project_id=text, client_email=text, private_key=text)],
        "list[core.domain.media.Picture]": [[]],
        "core.domain.costs.call_cost.CallCost | None": [CallCost(usd_micros=40_000)],
        "Prediction": [Prediction(text, status, [text], text) for status in (text, "failed", "succeeded")],
        "Scope": [_scope(text), _scope(text, peer="127.0.0.1")],
        "list[bytes]": [[encoded] * 3],
        "dict[bytes, list[bytes]]": [{key: [encoded] for key in (b"x-forwarded-for", b"x-forwarded-proto")}],
        "Iterable[tuple[bytes, bytes]]": [[(b"x-forwarded-for", encoded), (b"forwarded", encoded)]],
        "litestar.connection.base.ASGIConnection[Any, Any, Any, Any]": [ASGIConnection(_scope(text))],
        "litestar.connection.request.Request[Any, Any, Any]": [Request(_scope(text))],
    }
    if answers:
        answer = "adapters.http_client.messages.Answer[adapters.http_client.picture_json.PictureJson]"
        found[answer] = found["adapters.http_client.messages.Answer[Any]"] = _json_answers(text)
    found |= comfyui_samples(text)
    models = _models()
    found |= {f"adapters.providers.catalogue.Catalogue[{preset}]": [models] for preset in _PRESETS}
    found["Asked"] = [Asked(model=text, secret=text[:40], models=models, settings=("seed", "image_size"))]
    return dict(found)
