"""The recorder of ingest requests: what it learns from the form and the response, whatever the app does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from photochanger.adapters.memory import FakeClock
from photochanger.core.domain.ingest_request import CLIENT_GONE, IngestRequest, PasswordCheck
from photochanger.entrypoints.http.ingest.recorder import RequestRecorder
from photochanger.entrypoints.http.protocol.multipart import OBSERVER
from photochanger.entrypoints.http.protocol.problems import PROBLEM

pytestmark = pytest.mark.anyio


def problem(code: str, status: int) -> list[dict[str, Any]]:
    """The messages of a response with a problem."""
    headers = [(b"content-type", PROBLEM.encode())]
    body = msgspec.json.encode({"code": code, "detail": f"{code} happened.", "status": status})
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body, "more_body": False},
    ]


PICTURE = [
    {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"image/jpeg")]},
    {"type": "http.response.body", "body": b"\xff\xd8", "more_body": True},
    {"type": "http.response.body", "body": b"\xff\xd9", "more_body": False},
]


async def recorded(
    response: list[dict[str, Any]],
    form: Callable[[Any], None] = lambda observer: None,
    *,
    path: str = "/ingest/slot-001",
    error: BaseException | None = None,
    **scope: Any,
) -> list[IngestRequest]:
    """What is recorded of a request whose form and response are these; `error` is raised after the response."""
    notes: list[IngestRequest] = []
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if OBSERVER in scope.get("state", {}):
            form(scope["state"][OBSERVER])
        for message in response:
            await send(message)
        if error is not None:
            raise error

    async def send(message: Any) -> None:
        seen.append(message)

    services: Any = SimpleNamespace(
        note=notes.append, was_right=lambda text, slot_id: False, sniff=lambda start: "image/jpeg"
    )
    recorder = RequestRecorder(app, last_requests=services, auth=services, images=services, clock=FakeClock())
    request: Any = {"type": "http", "method": "POST", "path": path, "headers": [], "client": ("192.0.2.7", 1), **scope}
    with contextlib.suppress(*([type(error)] if error else [])):
        await recorder(request, None, send)  # type: ignore[arg-type]
    assert seen == response
    return notes


async def test_picture_is_recorded_once_with_its_form() -> None:
    def form(observer: Any) -> None:
        observer.field("password", "secret")
        observer.field("guest", "Ada")
        observer.file("fileToUpload", "a.jpg", "image/jpeg")
        observer.chunk(b"\xff\xd8")
        observer.complete()

    (request,) = await recorded(PICTURE, form)
    assert (request.slot_id, request.status, request.code, request.complete) == ("slot-001", 200, None, True)
    assert request.password is PasswordCheck.RIGHT
    assert [(field.name, field.value) for field in request.fields] == [("guest", "Ada")]
    assert request.file is not None
    assert (request.file.size_bytes, request.file.sniffed_type) == (2, "image/jpeg")


@pytest.mark.parametrize(
    ("code", "status", "check"),
    [("invalid_password", 401, PasswordCheck.WRONG), ("too_many_attempts", 429, PasswordCheck.GIVEN)],
)
async def test_password_is_judged_by_the_problem(code: str, status: int, check: PasswordCheck) -> None:
    (request,) = await recorded(problem(code, status), lambda observer: observer.field("password", "secret"))
    assert (request.status, request.code, request.detail) == (status, code, f"{code} happened.")
    assert request.password is check


async def test_missing_password_is_known_only_of_a_complete_form() -> None:
    (request,) = await recorded(problem("missing_field", 400), lambda observer: observer.complete())
    assert request.password is PasswordCheck.MISSING
    (request,) = await recorded(problem("payload_too_large", 413))
    assert request.password is None


@pytest.mark.parametrize("error", [None, RuntimeError("broken")])
async def test_request_without_a_response_is_one_of_a_client_that_is_gone(error: BaseException | None) -> None:
    (request,) = await recorded([], error=error)
    assert (request.status, request.code) == (None, CLIENT_GONE)


async def test_error_while_the_picture_is_sent_changes_nothing() -> None:
    (request,) = await recorded(PICTURE[:2], error=OSError("cut"))
    assert (request.status, request.code) == (200, None)


async def test_problem_without_a_body_is_recorded_with_its_status() -> None:
    response = problem("method_not_allowed", 405)
    response[1]["body"] = b""
    (request,) = await recorded(response, method="HEAD")
    assert (request.method, request.status) == ("HEAD", 405)


async def test_prefix_of_a_host_app_is_not_part_of_the_slot() -> None:
    (request,) = await recorded(PICTURE, path="/photos/ingest/slot-002/", root_path="/photos")
    assert request.slot_id == "slot-002"


async def test_other_requests_are_not_recorded() -> None:
    assert await recorded(PICTURE, path="/api/slots") == []
    assert await recorded(PICTURE, method="OPTIONS") == []
    assert await recorded(PICTURE, type="lifespan", path="") == []
