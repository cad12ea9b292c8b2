"""Each kind of change to a contract is told apart: breaking for its clients, or not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.contract_compat import breaking_changes, version_problems, without_texts

Change = Callable[[Any], None]

CONTRACT: dict[str, Any] = {
    "info": {"version": "0.3.1"},
    "paths": {
        "/photos/{photo_id}": {
            "parameters": [{"name": "photo_id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "put": {
                "security": [],
                "parameters": [
                    {
                        "name": "size",
                        "in": "query",
                        "schema": {"type": ["integer", "string"], "minimum": 1, "maximum": 9},
                    },
                    {"name": "X-Old", "in": "header", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Edit"}},
                        "text/plain": {"schema": {"type": "string", "maxLength": 9}},
                    }
                },
                "responses": {
                    "200": {"$ref": "#/components/responses/Photo"},
                    "404": {"description": "No."},
                },
            },
            "delete": {"security": [{"bearer": []}], "responses": {"204": {"description": "Gone."}}},
        },
        "/events": {
            "get": {
                "security": [],
                "responses": {
                    "200": {
                        "content": {
                            "text/event-stream": {
                                "schema": {"type": "string"},
                                "x-events": {
                                    "photo": {"type": "object", "properties": {"id": {"type": "integer"}}},
                                    "reset": {"type": "object"},
                                },
                            }
                        }
                    }
                },
            }
        },
    },
    "webhooks": {
        "photoMade": {
            "post": {
                "parameters": [{"name": "webhook-id", "in": "header", "required": True, "schema": {"type": "string"}}],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"type": "object", "properties": {"at": {"type": "string"}}}}
                    }
                },
            }
        }
    },
    "components": {
        "responses": {
            "Photo": {
                "description": "The photo.",
                "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Photo"}}},
            }
        },
        "schemas": {
            "Edit": {
                "type": "object",
                "required": ["look"],
                "properties": {
                    "look": {"type": "string", "enum": ["oil", "ink"]},
                    "note": {"type": ["string", "null"], "maxLength": 20},
                    "tags": {"type": "array", "items": {"type": "string", "minLength": 1}},
                    "frame": {
                        "oneOf": [{"type": "null"}, {"type": "object", "properties": {"px": {"type": "number"}}}]
                    },
                },
            },
            "Photo": {
                "allOf": [{"$ref": "#/components/schemas/Named"}],
                "type": "object",
                "required": ["state"],
                "properties": {
                    "state": {"type": "string", "enum": ["new", "done"]},
                    "made_at": {"type": "string", "format": "date-time"},
                    "parent": {"oneOf": [{"$ref": "#/components/schemas/Photo"}, {"type": "null"}]},
                    "sizes": {"type": "object", "additionalProperties": {"type": "integer"}},
                },
            },
            "Named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        },
    },
}


def changed(change: Change) -> dict[str, Any]:
    document = copy.deepcopy(CONTRACT)
    change(document)
    return document


def path(document: Any) -> Any:
    return document["paths"]["/photos/{photo_id}"]


def put(document: Any) -> Any:
    return path(document)["put"]


def size(document: Any) -> Any:
    return put(document)["parameters"][0]


def edit(document: Any) -> Any:
    return document["components"]["schemas"]["Edit"]


def photo(document: Any) -> Any:
    return document["components"]["schemas"]["Photo"]


def answer(document: Any) -> Any:
    return document["components"]["responses"]["Photo"]


def events(document: Any) -> Any:
    return document["paths"]["/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]["x-events"]


def told(document: Any) -> Any:
    return document["webhooks"]["photoMade"]["post"]


BREAKING: dict[str, tuple[Change, str]] = {
    "a path is removed": (lambda d: d["paths"].pop("/photos/{photo_id}"), "/photos/{photo_id} is gone"),
    "an operation is removed": (lambda d: path(d).pop("delete"), "DELETE /photos/{photo_id} is gone"),
    "an answer is removed": (lambda d: put(d)["responses"].pop("404"), "answer 404 is gone"),
    "a parameter is removed": (lambda d: put(d)["parameters"].pop(), "header parameter X-Old is gone"),
    "a parameter becomes required": (lambda d: size(d).update(required=True), "parameter size is required now"),
    "a required parameter is added": (
        lambda d: put(d)["parameters"].append({"name": "by", "in": "query", "required": True}),
        "query parameter by is new and required",
    ),
    "a parameter loses a type": (lambda d: size(d)["schema"].update(type="integer"), "may not be string any more"),
    "a lower bound is raised": (lambda d: size(d)["schema"].update(minimum=2), "minimum is tighter: 1 became 2"),
    "an upper bound is lowered": (lambda d: size(d)["schema"].update(maximum=8), "maximum is tighter: 9 became 8"),
    "a bound is added": (lambda d: size(d)["schema"].update(minLength=2), "minLength is tighter: None became 2"),
    "a pattern is added": (lambda d: size(d)["schema"].update(pattern="a"), "pattern is another: None became a"),
    "the body becomes required": (lambda d: put(d)["requestBody"].update(required=True), "the body is required now"),
    "the body is removed": (lambda d: put(d).pop("requestBody"), "takes no body any more"),
    "a request's media type is removed": (
        lambda d: put(d)["requestBody"]["content"].pop("text/plain"),
        "request text/plain is gone",
    ),
    "a request's property becomes required": (lambda d: edit(d)["required"].append("note"), ".note is required now"),
    "a request's property is removed": (lambda d: edit(d)["properties"].pop("note"), ".note is gone"),
    "a request's enum loses a value": (
        lambda d: edit(d)["properties"]["look"].update(enum=["oil"]),
        ".look may not be ink any more",
    ),
    "a request gets an enum": (
        lambda d: edit(d)["properties"]["note"].update(enum=["a", None]),
        ".note has to be one of a, None now",
    ),
    "a request may not be null any more": (
        lambda d: edit(d)["properties"]["note"].update(type="string"),
        ".note may not be null any more",
    ),
    "items of a request are narrowed": (
        lambda d: edit(d)["properties"]["tags"]["items"].update(minLength=2),
        ".tags[] minLength is tighter",
    ),
    "an alternative of a request is narrowed": (
        lambda d: edit(d)["properties"]["frame"]["oneOf"][1]["properties"]["px"].update(type="integer"),
        ".frame alternative 2 is not taken any more",
    ),
    "a request takes no further properties": (
        lambda d: edit(d).update(additionalProperties=False),
        "takes no further properties any more",
    ),
    "an answer's property is removed": (lambda d: photo(d)["properties"].pop("made_at"), ".made_at is gone"),
    "an answer's property may be missing": (lambda d: photo(d)["required"].clear(), ".state may be missing now"),
    "a property taken over by allOf may be missing": (
        lambda d: d["components"]["schemas"]["Named"]["required"].clear(),
        ".name may be missing now",
    ),
    "an answer gets a type": (
        lambda d: photo(d)["properties"]["made_at"].update(type=["string", "null"]),
        ".made_at may be null now",
    ),
    "an answer's format changes": (
        lambda d: photo(d)["properties"]["made_at"].update(format="date"),
        ".made_at format is another: date-time became date",
    ),
    "an answer has no value of before": (
        lambda d: photo(d)["properties"]["state"].update(enum=["fresh"]),
        ".state has other values: none of new, done",
    ),
    "an answer gets an alternative": (
        lambda d: photo(d)["properties"]["parent"]["oneOf"].append({"type": "string"}),
        ".parent has an alternative 3 that was not there",
    ),
    "values of an answer's map change": (
        lambda d: photo(d)["properties"]["sizes"]["additionalProperties"].update(type="string"),
        ".sizes.* may be string now",
    ),
    "an answer's media type is removed": (
        lambda d: answer(d).update(content={"text/plain": {}}),
        "answer 200 application/json is gone",
    ),
    "an answer's header is removed": (lambda d: answer(d)["headers"].clear(), "header ETag is gone"),
    "an answer's header may be missing": (
        lambda d: answer(d)["headers"]["ETag"].pop("required"),
        "header ETag may be missing now",
    ),
    "an event is removed": (lambda d: events(d).pop("reset"), "text/event-stream event reset is gone"),
    "an event's property is removed": (lambda d: events(d)["photo"]["properties"].clear(), "event photo.id is gone"),
    "a webhook is removed": (lambda d: d["webhooks"].clear(), "webhook photoMade is gone"),
    "a webhook's header is removed": (
        lambda d: told(d)["parameters"].clear(),
        "webhook photoMade header webhook-id is gone",
    ),
    "a webhook's header may be missing": (
        lambda d: told(d)["parameters"][0].pop("required"),
        "webhook photoMade header webhook-id may be missing now",
    ),
    "a webhook's body is of another type": (
        lambda d: told(d)["requestBody"].update(content={"text/plain": {"schema": {"type": "string"}}}),
        "webhook photoMade application/json is gone",
    ),
    "a webhook's property is removed": (
        lambda d: told(d)["requestBody"]["content"]["application/json"]["schema"]["properties"].clear(),
        "webhook photoMade application/json.at is gone",
    ),
    "a token is asked for": (
        lambda d: put(d).update(security=[{"bearer": []}]),
        "needs more to be let in than nothing",
    ),
    "another token is asked for": (
        lambda d: path(d)["delete"].update(security=[{"bearer": ["photos:write"]}]),
        "needs more to be let in than bearer",
    ),
}

HARMLESS: dict[str, Change] = {
    "nothing": lambda d: None,
    "a path is added": lambda d: d["paths"].update({"/more": {"get": {"responses": {"200": {}}}}}),
    "a path parameter is called otherwise": lambda d: d["paths"].update(
        {"/photos/{id}": {**d["paths"].pop("/photos/{photo_id}"), "parameters": [{"name": "id", "in": "path"}]}}
    ),
    "an optional parameter is added": lambda d: put(d)["parameters"].append({"name": "by", "in": "query"}),
    "a header parameter is written otherwise": lambda d: put(d)["parameters"][1].update(name="x-old"),
    "a bound is loosened": lambda d: size(d)["schema"].update(minimum=0, maximum=10),
    "a request takes a number for an integer": lambda d: size(d)["schema"].update(type=["number", "string"]),
    "a request takes a further value": lambda d: edit(d)["properties"]["look"]["enum"].append("chalk"),
    "a request's property is optional now": lambda d: edit(d)["required"].clear(),
    "a request takes a further property": lambda d: edit(d)["properties"].update(more={"type": "string"}),
    "an event is added": lambda d: events(d).update(more={"type": "object"}),
    "a webhook is added": lambda d: d["webhooks"].update(more={}),
    "an answer is added": lambda d: put(d)["responses"].update({"409": {"description": "Taken."}}),
    "an answer has a further property": lambda d: photo(d)["properties"].update(more={"type": "string"}),
    "an answer has a further value": lambda d: photo(d)["properties"]["state"]["enum"].append("late"),
    "an answer's property is always there now": lambda d: photo(d)["required"].append("made_at"),
    "an answer is an integer for a number": lambda d: photo(d)["properties"]["sizes"]["additionalProperties"].update(
        minimum=0
    ),
    "one may come without a token": lambda d: path(d)["delete"].update(security=[{}, {"bearer": []}]),
    "a text changes": lambda d: put(d).update(summary="Changes a photo", description="At once."),
}


@pytest.mark.parametrize("name", BREAKING)
def test_it_breaks_clients_that(name: str) -> None:
    change, told = BREAKING[name]
    (found,) = breaking_changes(CONTRACT, changed(change))
    assert told in found


@pytest.mark.parametrize("name", HARMLESS)
def test_it_breaks_no_client_that(name: str) -> None:
    assert breaking_changes(CONTRACT, changed(HARMLESS[name])) == []


def released(document: dict[str, Any], version: str) -> dict[str, Any]:
    return {**document, "info": {"version": version}}


@pytest.mark.parametrize(
    ("before", "now", "needed"),
    [("0.3.1", "0.3.2", "0.4.0"), ("0.3.1", "0.3.1", "0.4.0"), ("1.3.1", "1.4.0", "2.0.0")],
)
def test_a_breaking_change_needs_its_version(before: str, now: str, needed: str) -> None:
    broken = changed(BREAKING["an operation is removed"][0])
    (trouble,) = version_problems(released(CONTRACT, before), released(broken, now))
    assert trouble == f"DELETE /photos/{{photo_id}} is gone (needs version {needed})"


@pytest.mark.parametrize(("before", "now"), [("0.3.1", "0.4.0"), ("0.3.1", "1.0.0"), ("1.3.1", "2.0.0")])
def test_a_breaking_change_is_fine_with_its_version(before: str, now: str) -> None:
    broken = changed(BREAKING["an operation is removed"][0])
    assert version_problems(released(CONTRACT, before), released(broken, now)) == []


def test_what_is_added_needs_a_higher_version() -> None:
    more = changed(HARMLESS["a path is added"])
    assert version_problems(CONTRACT, more) == ["the contract has changed, and its version is still 0.3.1"]
    assert version_problems(CONTRACT, released(more, "0.3.2")) == []


def test_a_text_may_change_without_a_version() -> None:
    assert version_problems(CONTRACT, changed(HARMLESS["a text changes"])) == []


def test_a_version_never_goes_back() -> None:
    assert version_problems(CONTRACT, released(CONTRACT, "0.2.9")) == ["0.2.9 is older than 0.3.1"]


def test_a_property_that_is_called_like_a_text_is_no_text() -> None:
    schema = {"properties": {"title": {"type": "string", "title": "A title"}}}
    assert without_texts(schema) == {"properties": {"title": {"type": "string"}}}
