"""Each rule of the contract finds what breaks it, and lets a sound contract through."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import contract_rules
from tests.support.contract_rules import PROBLEM

STATUSES = {"photo_not_found": 404, "queue_full": 429}


def problem(code: str, status: int) -> dict[str, Any]:
    value = {"type": f"urn:photochanger:problem:{code}", "status": status, "code": code}
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {code: {"value": value}}}}
    return {"description": "No.", "headers": {"Retry-After": {"schema": {"type": "integer"}}}, "content": content}


CONTRACT: dict[str, Any] = {
    "tags": [{"name": "photos"}],
    "paths": {
        "/photos/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {
                "operationId": "getPhoto",
                "summary": "A photo",
                "tags": ["photos"],
                "security": [{"bearer": []}],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Photo"}}}},
                    "404": problem("photo_not_found", 404),
                    "429": problem("queue_full", 429),
                },
            },
        }
    },
    "components": {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        "parameters": {"Id": {"name": "id", "in": "path", "schema": {"type": "string"}, "example": "p1"}},
        "schemas": {
            "Photo": {
                "type": "object",
                "description": "A photo.",
                "properties": {"parent": {"$ref": "#/components/schemas/Photo"}, "width": {"type": "integer"}},
                "additionalProperties": False,
                "example": {"width": 3, "parent": {"width": 6}},
            },
            "Problem": {
                "type": "object",
                "description": "What went wrong.",
                "properties": {"type": {}, "status": {}, "code": {"type": "string"}},
                "additionalProperties": False,
            },
        },
    },
}

Change = Callable[[Any], None]


def get(document: Any) -> Any:
    return document["paths"]["/photos/{id}"]["get"]


def schema(document: Any, name: str = "Photo") -> Any:
    return document["components"]["schemas"][name]


BROKEN: list[tuple[Any, Change, str]] = [
    (contract_rules.operations_without_a_name_of_their_own, lambda d: get(d).pop("operationId"), "operationId ''"),
    (contract_rules.operations_without_a_name_of_their_own, lambda d: get(d).update(operationId="get-x"), "'get-x'"),
    (
        contract_rules.operations_without_a_name_of_their_own,
        lambda d: d["paths"].update({"/more": {"get": get(d)}}),
        "'getPhoto' is there twice",
    ),
    (contract_rules.operations_without_a_summary, lambda d: get(d).update(summary=" "), "GET /photos/{id}"),
    (contract_rules.operations_outside_of_the_declared_tags, lambda d: get(d).update(tags=["photos", "x"]), "'x'"),
    (contract_rules.operations_outside_of_the_declared_tags, lambda d: d["tags"].append({"name": "y"}), "tag y"),
    (contract_rules.operations_without_success_or_error, lambda d: get(d)["responses"].pop("200"), "no success"),
    (
        contract_rules.operations_without_success_or_error,
        lambda d: get(d).update(responses={"200": {}, "304": {}}),
        "no error",
    ),
    (contract_rules.operations_that_do_not_say_who_may, lambda d: get(d).pop("security"), "GET /photos/{id}"),
    (contract_rules.operations_that_do_not_say_who_may, lambda d: get(d).update(security=[{"key": []}]), "key is not"),
    (
        contract_rules.parameters_without_a_word,
        lambda d: d["components"]["parameters"]["Id"].pop("example"),
        "GET /photos/{id}: path id",
    ),
    (contract_rules.components_without_a_description, lambda d: schema(d).pop("description"), "Photo"),
    (
        contract_rules.unused_components,
        lambda d: d["components"]["schemas"].update(Own={"items": {"$ref": "#/components/schemas/Own"}}),
        "schemas/Own",
    ),
    (contract_rules.unused_components, lambda d: get(d).update(security=[]), "securitySchemes/bearer"),
    (
        contract_rules.problems_without_codes,
        lambda d: get(d)["responses"]["404"]["content"][PROBLEM].pop("examples"),
        "GET /photos/{id}: 404",
    ),
    (
        contract_rules.errors_with_a_body_of_their_own,
        lambda d: get(d)["responses"].update({"500": {"content": {"text/html": {}}}}),
        "GET /photos/{id}: 500",
    ),
    (
        contract_rules.refusals_that_do_not_say_when_to_come_back,
        lambda d: get(d)["responses"]["429"].pop("headers"),
        "GET /photos/{id}: 429",
    ),
    (
        contract_rules.json_answers_that_leave_their_shape_open,
        lambda d: get(d)["responses"]["200"]["content"].update({"application/json": {"schema": {"type": "array"}}}),
        "200 application/json is no object",
    ),
    (
        contract_rules.json_answers_that_leave_their_shape_open,
        lambda d: schema(d)["properties"].update(size={"oneOf": [{"type": "object"}]}),
        "200 .size.oneOf[0]",
    ),
    (
        contract_rules.json_bodies_without_an_example,
        lambda d: schema(d).pop("example"),
        "GET /photos/{id}: 200 application/json",
    ),
    (
        contract_rules.json_bodies_without_an_example,
        lambda d: get(d).update(requestBody={"content": {"application/json": {"schema": {"type": "object"}}}}),
        "GET /photos/{id}: request application/json",
    ),
    (
        contract_rules.json_bodies_without_an_example,
        lambda d: d.update(
            webhooks={"made": {"post": {"requestBody": {"content": {"application/json": {"schema": {}}}}}}}
        ),
        "webhook made: request application/json",
    ),
    (
        contract_rules.wrong_examples,
        lambda d: schema(d)["example"]["parent"].update(width="6"),
        "/components/schemas/Photo example: $.parent.width",
    ),
    (
        contract_rules.wrong_examples,
        lambda d: d["components"]["parameters"]["Id"].update(example=1),
        "/components/parameters/Id example: $: 1 is not of type 'string'",
    ),
    (
        contract_rules.wrong_examples,
        lambda d: get(d)["responses"]["404"]["content"][PROBLEM]["examples"]["photo_not_found"]["value"].update(more=1),
        "/paths/~1photos~1{id}/get/responses/404/content/application~1problem+json examples/photo_not_found: $: ",
    ),
]

EITHER = {"oneOf": [{"$ref": "#/components/schemas/Photo"}, {"$ref": "#/components/schemas/Problem"}]}


def test_an_answer_may_be_one_of_several_objects() -> None:
    document = copy.deepcopy(CONTRACT)
    get(document)["responses"]["200"]["content"] = {"application/json": {"schema": EITHER}}
    assert list(contract_rules.json_answers_that_leave_their_shape_open(document)) == []


def test_what_a_schema_does_not_say_is_told_with_its_place() -> None:
    assert contract_rules.misfit(CONTRACT, "Photo", {"width": 3}) is None
    assert contract_rules.misfit(CONTRACT, "Photo", {"parent": {"width": "6"}}) == (
        "$.parent.width: '6' is not of type 'integer'"
    )


RULES = dict.fromkeys(rule for rule, _, _ in BROKEN)


@pytest.mark.parametrize("rule", RULES)
def test_a_sound_contract_has_no(rule: Any) -> None:
    assert list(rule(CONTRACT)) == []


@pytest.mark.parametrize(("rule", "change", "told"), BROKEN)
def test_it_is_found_that_there_are(rule: Any, change: Change, told: str) -> None:
    document = copy.deepcopy(CONTRACT)
    change(document)
    (found,) = rule(document)
    assert told in found


def test_a_code_at_another_status_than_the_service_answers_with_is_found() -> None:
    assert list(contract_rules.problems_under_the_wrong_status(CONTRACT, STATUSES)) == []
    (found,) = contract_rules.problems_under_the_wrong_status(CONTRACT, {**STATUSES, "queue_full": 503})
    assert found == "GET /photos/{id}: queue_full at 429, the service says 503"


def test_an_example_with_another_status_than_its_answer_is_found() -> None:
    document = copy.deepcopy(CONTRACT)
    get(document)["responses"]["404"] = problem("photo_not_found", 410)
    (found,) = contract_rules.problems_under_the_wrong_status(document, STATUSES)
    assert found == "GET /photos/{id}: the example of photo_not_found at 404 has status 410"


def test_a_code_that_no_answer_documents_is_found() -> None:
    assert contract_rules.undocumented_codes(CONTRACT, STATUSES) == set()
    assert contract_rules.undocumented_codes(CONTRACT, {**STATUSES, "expired": 410}) == {"expired"}


def test_a_key_that_stands_twice_is_found() -> None:
    text = "schemas:\n  Job: {type: object}\n  Slot: [{a: 1, a: 2}]\n  Job: {type: string}\n"
    assert sorted(contract_rules.keys_that_stand_twice(text)) == ["line 3: a", "line 4: Job"]
