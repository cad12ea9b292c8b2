"""Rules that the contract keeps beyond being valid OpenAPI; each finds the places that break it, one line for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.support.contract_compat import METHODS, resolved

PROBLEM = "application/problem+json"

_URI = "urn:photochanger:contract"
_CAMEL_CASE = re.compile(r"[a-z][A-Za-z0-9]*\Z")

Json = Mapping[str, Any]


def operations(document: Json) -> Iterator[tuple[str, Json, Json]]:
    """Every operation with its name for people and the path item around it."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method], item


def responses(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Every answer of every operation: where, its status, and what it is."""
    for where, operation, _ in operations(document):
        for status, response in operation.get("responses", {}).items():
            yield where, str(status), resolved(document, response)


def keys_that_stand_twice(text: str) -> Iterator[str]:
    """YAML takes the last of two and says nothing."""
    open_nodes = [yaml.compose(text, Loader=yaml.SafeLoader)]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            open_nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    yield f"line {key.start_mark.line + 1}: {key.value}"
                seen.add(key.value)
                open_nodes.append(value)


def operations_without_a_name_of_their_own(document: Json) -> Iterator[str]:
    """`operationId` is what generated clients call a method: there, unique, in camel case."""
    seen: set[str] = set()
    for where, operation, _ in operations(document):
        name = operation.get("operationId", "")
        if not _CAMEL_CASE.match(name):
            yield f"{where}: operationId {name!r}"
        elif name in seen:
            yield f"{where}: operationId {name!r} is there twice"
        seen.add(name)


def operations_without_a_summary(document: Json) -> Iterator[str]:
    """A line for the list of operations."""
    for where, operation, _ in operations(document):
        if not operation.get("summary", "").strip():
            yield where


def operations_outside_of_the_declared_tags(document: Json) -> Iterator[str]:
    """Every operation has its place among the groups, and every group has an operation."""
    declared = {tag["name"] for tag in document.get("tags", ())}
    used: set[str] = set()
    for where, operation, _ in operations(document):
        tags = operation.get("tags", [])
        used |= set(tags)
        if not tags or not declared.issuperset(tags):
            yield f"{where}: tags {tags}"
    yield from (f"tag {name} has no operation" for name in sorted(declared - used))


def operations_without_success_or_error(document: Json) -> Iterator[str]:
    """Both how it goes well and how it does not."""
    for where, operation, _ in operations(document):
        statuses = [str(status) for status in operation.get("responses", {})]
        if not any(status.startswith("2") for status in statuses):
            yield f"{where}: no success"
        if not any(status[0] in "45" for status in statuses):
            yield f"{where}: no error"


def operations_that_do_not_say_who_may(document: Json) -> Iterator[str]:
    """`security` stands at each operation, an empty list included: no operation is open by being forgotten."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    for where, operation, _ in operations(document):
        if "security" not in operation:
            yield where
        for way in operation.get("security", ()):
            yield from (f"{where}: {scheme} is not declared" for scheme in way if scheme not in schemes)


def parameters_without_a_word(document: Json) -> Iterator[str]:
    """A parameter has a description or an example."""
    for where, operation, item in operations(document):
        for given in (*item.get("parameters", ()), *operation.get("parameters", ())):
            parameter = resolved(document, given)
            if not any(parameter.get(name) for name in ("description", "example", "examples")):
                yield f"{where}: {parameter['in']} {parameter['name']}"


def components_without_a_description(document: Json) -> Iterator[str]:
    """An object schema that has a name says what it is."""
    for name, schema in document["components"].get("schemas", {}).items():
        if schema.get("type") == "object" and not schema.get("description", "").strip():
            yield name


def unused_components(document: Json) -> Iterator[str]:
    """Components that no operation leads to."""
    used: set[str] = set()
    waiting: list[Any] = [document["paths"], document.get("webhooks", {})]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting.extend(found)
        elif isinstance(found, Mapping):
            for name, value in found.items():
                if name == "$ref" and isinstance(value, str) and value not in used:
                    used.add(value)
                    waiting.append(resolved(document, {"$ref": value}))
                elif name == "security":
                    used |= {f"#/components/securitySchemes/{scheme}" for way in value for scheme in way}
                else:
                    waiting.append(value)
    for kind, components in document["components"].items():
        for name in components:
            if f"#/components/{kind}/{name}" not in used:
                yield f"{kind}/{name}"


def codes(response: Json, document: Json) -> list[str]:
    """The codes of problems that an answer documents, by its examples or by an enum."""
    content = response["content"][PROBLEM]
    found = [_example(document, example)["code"] for example in content.get("examples", {}).values()]
    if "example" in content:
        found.append(content["example"]["code"])
    schema = resolved(document, content.get("schema", {}))
    code = resolved(document, schema.get("properties", {}).get("code", {}))
    return [*found, *code.get("enum", ()), *([code["const"]] if "const" in code else ())]


def problems_without_codes(document: Json) -> Iterator[str]:
    """A problem names its codes, for they are what programs look at."""
    for where, status, response in responses(document):
        if PROBLEM in response.get("content", {}) and not codes(response, document):
            yield f"{where}: {status}"


def errors_with_a_body_of_their_own(document: Json) -> Iterator[str]:
    """An error with a body is a problem. (Readiness tells its parts, a closed gallery shows a page that says so.)"""
    exceptions = ("GET /readyz", "GET /gallery/{slot_id}")
    for where, status, response in responses(document):
        content = response.get("content", {})
        if status[0] in "45" and content and PROBLEM not in content and where not in exceptions:
            yield f"{where}: {status}"


def problems_under_the_wrong_status(document: Json, statuses: Mapping[str, int]) -> Iterator[str]:
    """A code stands where the service answers with it, and its example says the same status. `statuses`: by code."""
    for where, status, response in responses(document):
        if PROBLEM not in response.get("content", {}):
            continue
        for code in codes(response, document):
            if str(statuses.get(code)) != status:
                yield f"{where}: {code} at {status}, the service says {statuses.get(code)}"
        for example in response["content"][PROBLEM].get("examples", {}).values():
            value = _example(document, example)
            if str(value["status"]) != status or value["type"] != f"urn:photochanger:problem:{value['code']}":
                yield f"{where}: the example of {value['code']} at {status} has status {value['status']}"


def undocumented_codes(document: Json, statuses: Mapping[str, int]) -> set[str]:
    """Codes of the service that no answer documents."""
    listed: set[str] = set()
    for _, _, response in responses(document):
        if PROBLEM in response.get("content", {}):
            listed |= set(codes(response, document))
    return set(statuses) - listed


def refusals_that_do_not_say_when_to_come_back(document: Json) -> Iterator[str]:
    """A 429 or 503 that is a problem carries `Retry-After`."""
    for where, status, response in responses(document):
        if status in ("429", "503") and PROBLEM in response.get("content", {}):
            headers = {name.lower() for name in response.get("headers", {})}
            if "retry-after" not in headers:
                yield f"{where}: {status}"


def json_answers_that_leave_their_shape_open(document: Json) -> Iterator[str]:
    """JSON answers are objects, and each object in them decides about further properties."""
    for where, status, response in responses(document):
        for media_type, content in response.get("content", {}).items():
            if media_type.endswith("json"):
                schema = content.get("schema", {})
                if not _is_object(document, schema):
                    yield f"{where}: {status} {media_type} is no object"
                yield from (f"{where}: {status} {place or 'the body'}" for place in _open_objects(document, schema))


def _is_object(document: Json, schema: Any) -> bool:
    found = resolved(document, schema)
    ways = [*found.get("oneOf", ()), *found.get("anyOf", ())]
    return found.get("type") == "object" or (bool(ways) and all(_is_object(document, way) for way in ways))


def _open_objects(document: Json, schema: Any, *, place: str = "", seen: frozenset[str] = frozenset()) -> Iterator[str]:
    if not isinstance(schema, Mapping) or schema.get("$ref") in seen:
        return
    if "$ref" in schema:
        seen |= {schema["$ref"]}
    found = resolved(document, schema)
    if found.get("type") == "object" and not {"additionalProperties", "unevaluatedProperties"} & set(found):
        yield place
    for name, inside in found.get("properties", {}).items():
        yield from _open_objects(document, inside, place=f"{place}.{name}", seen=seen)
    for name in ("items", "additionalProperties"):
        yield from _open_objects(document, found.get(name), place=f"{place}.{name}", seen=seen)
    for kind in ("oneOf", "anyOf"):
        for at, inside in enumerate(found.get(kind, ())):
            yield from _open_objects(document, inside, place=f"{place}.{kind}[{at}]", seen=seen)


def json_bodies_without_an_example(document: Json) -> Iterator[str]:
    """Readers of the contract see what goes over the wire. (A problem's examples are its codes; the contract, which
    is served too, is its own.)"""
    bodies = [(where, "request", operation.get("requestBody")) for where, operation, _ in operations(document)]
    bodies += [(f"webhook {name}", "request", hook["post"]["requestBody"]) for name, hook in _webhooks(document)]
    bodies += [(where, status, response) for where, status, response in responses(document)]
    for where, which, given in bodies:
        for media_type, content in (resolved(document, given) or {}).get("content", {}).items():
            own = "example" in content or "examples" in content
            exempt = media_type == PROBLEM or where == "GET /openapi.json"
            if media_type.endswith("json") and not (exempt or own or _shows_itself(document, content["schema"])):
                yield f"{where}: {which} {media_type}"


def _webhooks(document: Json) -> Iterator[tuple[str, Json]]:
    yield from document.get("webhooks", {}).items()


def _shows_itself(document: Json, schema: Json) -> bool:
    found = resolved(document, schema)
    ways = [*found.get("oneOf", ()), *found.get("anyOf", ())]
    shown = "example" in found or "examples" in found
    return shown or (bool(ways) and all(_shows_itself(document, way) for way in ways))


def misfit(document: Json, component: str, value: Any) -> str | None:
    """Why a value is not what the schema of this name says; None where it is."""
    registry = Registry().with_resource(_URI, DRAFT202012.create_resource(document))
    schema = {"$ref": f"{_URI}#/components/schemas/{component}"}
    checker = Draft202012Validator(schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)
    mismatch = best_match(checker.iter_errors(value))
    return None if mismatch is None else f"{mismatch.json_path}: {mismatch.message[:200]}"


def wrong_examples(document: Json) -> Iterator[str]:
    """Every example is what its schema says, with references followed."""
    registry = Registry().with_resource(_URI, DRAFT202012.create_resource(document))
    for pointer, holder in _holders(document):
        schema_pointer = f"{pointer}/schema" if "schema" in holder else pointer
        schema = {"$ref": f"{_URI}#{schema_pointer}"}
        checker = Draft202012Validator(schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for name, value in _examples(document, holder):
            mismatch = best_match(checker.iter_errors(value))
            if mismatch is not None:
                yield f"{pointer} {name}: {mismatch.json_path}: {mismatch.message[:200]}"


def _holders(value: Any, pointer: str = "", inside: str = "") -> Iterator[tuple[str, Json]]:
    """Everything that has examples, with the pointer to it: schemas, and what has a schema next to its examples."""
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from _holders(item, f"{pointer}/{at}")
    elif isinstance(value, Mapping):
        named = inside in ("properties", "examples", "patternProperties")
        if not named and ("example" in value or "examples" in value):
            yield pointer, value
        for name, item in value.items():
            if named or name not in ("example", "examples"):
                escaped = str(name).replace("~", "~0").replace("/", "~1").replace("%", "%25")
                yield from _holders(item, f"{pointer}/{escaped}", "" if named else str(name))


def _examples(document: Json, holder: Json) -> Iterator[tuple[str, Any]]:
    if "example" in holder:
        yield "example", holder["example"]
    given = holder.get("examples", ())
    if isinstance(given, Mapping):
        for name, example in given.items():
            yield f"examples/{name}", _example(document, example)
    else:
        yield from ((f"examples/{at}", example) for at, example in enumerate(given))


def _example(document: Json, example: Json) -> Any:
    return resolved(document, example)["value"]
