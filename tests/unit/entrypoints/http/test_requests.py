"""Small readers of requests: preferences and links; and how errors become problems."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from photochanger.core.domain.errors import (
    InvalidSettings,
    MissingField,
    PhotoChangerError,
    QueueFull,
    QueueUnavailable,
)
from photochanger.core.domain.field_errors import FieldError, FieldErrorCode
from photochanger.core.domain.job import Job
from photochanger.entrypoints.http.ingest.handler import _Preference
from photochanger.entrypoints.http.protocol.links import UrlBuilder
from photochanger.entrypoints.http.protocol.problems import problem_of

from tests.support.builders import new_job

JOB_ID = UUID("01980000-0000-7000-8000-000000000000")


@pytest.mark.parametrize(
    ("headers", "seconds", "applied"),
    [
        (["respond-async"], 0, "respond-async"),
        (["wait=5"], 5, "wait=5"),
        (["Wait = 5"], 5, "wait=5"),
        (["respond-async, wait=5"], 5, "wait=5"),
        (["wait=5, respond-async"], 5, "wait=5"),
        (["wait=5", "respond-async"], 5, "wait=5"),
        (['wait="5"; foo=bar'], 5, "wait=5"),
        (["handling=strict, respond-async;x"], 0, "respond-async"),
    ],
)
def test_a_preference_holds_the_request_so_long(headers: list[str], seconds: int, applied: str) -> None:
    job = Job(spec=new_job())
    preference = _Preference(headers)
    assert preference.until(job) == job.created_at + timedelta(seconds=seconds)
    assert preference.applied == applied


@pytest.mark.parametrize(
    "headers", [[], [""], ["wait"], ["wait=ten"], ["wait=-1"], ["wait=²"], ["wait=48"], ["wait=999999"]]
)
def test_otherwise_the_request_is_held_until_the_deadline(headers: list[str]) -> None:
    assert _Preference(headers).until(Job(spec=new_job())) is None


@pytest.mark.parametrize(
    ("host", "root_path", "base"),
    [
        (b"booth:8000", "", "http://booth:8000"),
        (b"[::1]:8000", "/photos", "http://[::1]:8000/photos"),
        (b"booth", "/photos/", "http://booth/photos"),
        (b'"><script>', "", "http://127.0.0.1:9"),
        (b"a/b", "", "http://127.0.0.1:9"),
    ],
)
def test_links_begin_as_the_request_came_in(host: bytes, root_path: str, base: str) -> None:
    scope = {"scheme": "http", "server": ("127.0.0.1", 9), "headers": [(b"host", host)], "root_path": root_path}
    assert UrlBuilder(scope, None).result(JOB_ID) == f"{base}/public/results/{JOB_ID}"


def test_links_begin_as_configured_whatever_the_request_says() -> None:
    scope = {"scheme": "http", "server": None, "headers": [(b"host", b"inside")], "root_path": "/photos"}
    links = UrlBuilder(scope, "https://booth.example/p")
    assert links.job(JOB_ID, "t") == f"https://booth.example/p/api/jobs/{JOB_ID}?token=t"


def test_a_full_queue_says_when_to_come_back() -> None:
    told = problem_of(QueueFull("full", retry_after=7))
    assert (told.status, told.retry_after) == (429, 7)


def test_an_absent_queue_is_worth_another_try() -> None:
    told = problem_of(QueueUnavailable("away"))
    assert told.status == 503
    assert told.retry_after is not None


def test_wrong_settings_are_reported_field_by_field() -> None:
    error = FieldError("route.0.settings.look", FieldErrorCode.NOT_ONE_OF, {"allowed": ["oil", "comic"]})
    body = msgspec.to_builtins(problem_of(InvalidSettings([error])))
    assert body["detail"] == "Invalid settings: route.0.settings.look: Must be one of: oil, comic."
    assert body["errors"] == [
        {
            "field": "route.0.settings.look",
            "code": "not_one_of",
            "params": {"allowed": ["oil", "comic"]},
            "detail": "Must be one of: oil, comic.",
        }
    ]


def test_a_missing_form_field_has_a_code() -> None:
    body = msgspec.to_builtins(problem_of(MissingField("password", "The form has no field 'password'.")))
    assert [(error["field"], error["code"]) for error in body["errors"]] == [("password", "required")]


def test_an_error_without_a_status_is_an_internal_one() -> None:
    class Unheard(PhotoChangerError):
        code = "unheard_of"

    assert problem_of(Unheard("something")).status == 500
