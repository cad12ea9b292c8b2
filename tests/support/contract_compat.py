"""What a newer contract takes away from the clients of an older one, both as OpenAPI 3.1 documents.

In doubt a change counts as breaking. Texts and examples never count, nor does what is only added: operations, optional
parameters and properties, statuses, and further values of an enum in an answer, which clients have to expect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

_ALL_TYPES = frozenset({"null", "boolean", "object", "array", "number", "string", "integer"})
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "multipleOf", "uniqueItems", "format", "contentMediaType", "contentEncoding")
_TEXTS = ("description", "summary", "title", "example", "examples", "externalDocs", "$comment")
_NAMED = ("properties", "patternProperties", "schemas", "responses", "headers", "parameters", "examples", "$defs")

Json = Mapping[str, Any]


class Place(NamedTuple):
    """Two documents, and the same place in both; `text` names it."""

    old: Json
    new: Json
    text: str

    def at(self, text: str) -> Place:
        return self._replace(text=f"{self.text} {text}")


def breaking_changes(old: Json, new: Json) -> list[str]:
    """Every change that a client of `old` can stumble over, as one line each."""
    place = Place(old, new, "")
    return [*_operations(place), *_webhooks(place)]


def version_problems(old: Json, new: Json) -> list[str]:
    """What is wrong with the new version number by semantic versioning; empty where it fits what has changed.

    While the major number is 0, the minor one tells of breaking changes.
    """
    before, now = version_of(old), version_of(new)
    if now < before:
        return [f"{_dotted(now)} is older than {_dotted(before)}"]
    kept = 2 if before[0] == 0 else 1
    if now[:kept] == before[:kept] and (breaking := breaking_changes(old, new)):
        needed = (0, before[1] + 1, 0) if before[0] == 0 else (before[0] + 1, 0, 0)
        return [f"{change} (needs version {_dotted(needed)})" for change in breaking]
    if now == before and without_texts(old) != without_texts(new):
        return [f"the contract has changed, and its version is still {_dotted(before)}"]
    return []


def version_of(document: Json) -> tuple[int, int, int]:
    """The version of a contract. ValueError where it is not three numbers."""
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", str(document["info"]["version"]))
    if found is None:
        raise ValueError(f"{document['info']['version']} is no version of three numbers")
    major, minor, patch = (int(number) for number in found.groups())
    return major, minor, patch


def without_texts(value: Any, *, inside: str = "") -> Any:
    """A document without what is only for readers. A property that is called like such a text stays."""
    if isinstance(value, list):
        return [without_texts(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: without_texts(item, inside=name)
        for name, item in value.items()
        if inside in _NAMED or name not in (*_TEXTS, "info", "tags", "servers")
    }


def resolved(document: Json, value: Any) -> Any:
    """What a reference points to, or the value itself. KeyError where it points nowhere."""
    while isinstance(value, Mapping) and "$ref" in value:
        siblings = {name: item for name, item in value.items() if name != "$ref"}
        target: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        value = {**target, **siblings}
    return value


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


def _operations(place: Place) -> Iterator[str]:
    served = {_shape(path): path for path in place.new["paths"]}
    for path, before in place.old["paths"].items():
        if _shape(path) not in served:
            yield f"{path} is gone"
            continue
        new_path = served[_shape(path)]
        now = place.new["paths"][new_path]
        for method in METHODS:
            if method not in before:
                continue
            here = place._replace(text=f"{method.upper()} {path}")
            if method not in now:
                yield f"{here.text} is gone"
                continue
            old_parameters = _all_parameters(place.old, path, before, method)
            new_parameters = _all_parameters(place.new, new_path, now, method)
            yield from _parameters(here, old_parameters, new_parameters)
            yield from _request_body(here, before[method].get("requestBody"), now[method].get("requestBody"))
            yield from _responses(here, before[method]["responses"], now[method]["responses"])
            yield from _security(here, before[method], now[method])


def _shape(path: str) -> str:
    """A path whatever its parameters are called: clients write values, not names."""
    return re.sub(r"{[^}]*}", "{}", path)


def _all_parameters(document: Json, path: str, item: Json, method: str) -> dict[tuple[str, str], Json]:
    """The parameters of an operation by place and name; those in the path by their order, as their names are free."""
    order = re.findall(r"{([^}]*)}", path)
    found: dict[tuple[str, str], Json] = {}
    for given in (*item.get("parameters", ()), *item[method].get("parameters", ())):
        parameter = resolved(document, given)
        name = str(parameter["name"])
        if parameter["in"] == "path":
            name = str(order.index(name))
        elif parameter["in"] == "header":
            name = name.lower()
        found[parameter["in"], name] = parameter
    return found


def _parameters(place: Place, old: dict[tuple[str, str], Json], new: dict[tuple[str, str], Json]) -> Iterator[str]:
    for key, before in old.items():
        here = place.at(f"{before['in']} parameter {before['name']}")
        now = new.get(key)
        if now is None:
            yield f"{here.text} is gone"
            continue
        if now.get("required", False) and not before.get("required", False):
            yield f"{here.text} is required now"
        yield from narrowed(here, before.get("schema", {}), now.get("schema", {}))
    for key, now in new.items():
        if key not in old and now.get("required", False):
            yield f"{place.text} {now['in']} parameter {now['name']} is new and required"


def _request_body(place: Place, before: Json | None, now: Json | None) -> Iterator[str]:
    before, now = resolved(place.old, before), resolved(place.new, now)
    if now is not None and now.get("required", False) and (before is None or not before.get("required", False)):
        yield f"{place.text} the body is required now"
    if before is None:
        return
    if now is None:
        yield f"{place.text} takes no body any more"
        return
    for media_type, content in before["content"].items():
        here = place.at(f"request {media_type}")
        if media_type not in now["content"]:
            yield f"{here.text} is gone"
        else:
            yield from narrowed(here, content.get("schema", {}), now["content"][media_type].get("schema", {}))


def _responses(place: Place, before: Json, now: Json) -> Iterator[str]:
    for status, answer in before.items():
        here = place.at(f"answer {status}")
        if status not in now:
            yield f"{here.text} is gone"
            continue
        old_answer, new_answer = resolved(place.old, answer), resolved(place.new, now[status])
        kept = {name.lower(): header for name, header in new_answer.get("headers", {}).items()}
        for name, header in old_answer.get("headers", {}).items():
            if name.lower() not in kept:
                yield f"{here.text} header {name} is gone"
            else:
                yield from _header(here.at(f"header {name}"), header, kept[name.lower()])
        for media_type, content in old_answer.get("content", {}).items():
            where = here.at(media_type)
            if media_type not in new_answer.get("content", {}):
                yield f"{where.text} is gone"
            else:
                now_content = new_answer["content"][media_type]
                yield from widened(where, content.get("schema", {}), now_content.get("schema", {}))
                yield from _events(where, content.get("x-events", {}), now_content.get("x-events", {}))


def _events(place: Place, before: Json, now: Json) -> Iterator[str]:
    """The kinds of events of a stream, and what stands in their data."""
    for kind, schema in before.items():
        here = place.at(f"event {kind}")
        if kind not in now:
            yield f"{here.text} is gone"
        else:
            yield from widened(here, schema, now[kind])


def _webhooks(place: Place) -> Iterator[str]:
    """What the service sends by itself: receivers read it as clients read answers."""
    for name, before in place.old.get("webhooks", {}).items():
        here = place._replace(text=f"webhook {name}")
        now = place.new.get("webhooks", {}).get(name)
        if now is None:
            yield f"{here.text} is gone"
            continue
        old_call, new_call = before["post"], now["post"]
        kept = {parameter["name"].lower(): parameter for parameter in new_call.get("parameters", ())}
        for parameter in old_call.get("parameters", ()):
            header = here.at(f"header {parameter['name']}")
            if (given := kept.get(parameter["name"].lower())) is None:
                yield f"{header.text} is gone"
            else:
                yield from _header(header, parameter, given)
        for media_type, content in old_call["requestBody"]["content"].items():
            if media_type not in new_call["requestBody"]["content"]:
                yield f"{here.text} {media_type} is gone"
            else:
                sent = new_call["requestBody"]["content"][media_type]["schema"]
                yield from widened(here.at(media_type), content["schema"], sent)


def _header(place: Place, before: Json, now: Json) -> Iterator[str]:
    before, now = resolved(place.old, before), resolved(place.new, now)
    if before.get("required", False) and not now.get("required", False):
        yield f"{place.text} may be missing now"
    yield from widened(place, before.get("schema", {}), now.get("schema", {}))


def _security(place: Place, before: Json, now: Json) -> Iterator[str]:
    """Whatever was enough to be let in has to be enough still."""
    enough = [_needs(way) for way in now.get("security", place.new.get("security", [])) or [{}]]
    for way in before.get("security", place.old.get("security", [])) or [{}]:
        if not any(needs <= _needs(way) for needs in enough):
            yield f"{place.text} needs more to be let in than {', '.join(way) or 'nothing'}"


def _needs(way: Json) -> frozenset[str]:
    return frozenset(f"{scheme}:{scope}" for scheme, scopes in way.items() for scope in ("", *scopes))


def narrowed(place: Place, old: Any, new: Any, *, seen: frozenset[tuple[str, str]] = frozenset()) -> Iterator[str]:
    """What was a good request by the old schema, and is none by the new one."""
    pair = (_ref(old), _ref(new))
    if pair in seen:
        return
    if all(pair):
        seen |= {pair}
    before, now = whole(place.old, old), whole(place.new, new)
    if "oneOf" in before or "oneOf" in now:
        for at, way in enumerate(before.get("oneOf", [before])):
            if not any(not list(narrowed(place, way, other, seen=seen)) for other in now.get("oneOf", [now])):
                yield f"{place.text} alternative {at + 1} is not taken any more"
        return
    if lost := _types(before) - _types(now):
        yield f"{place.text} may not be {' or '.join(sorted(lost))} any more"
    if (allowed := _values(now)) is not None:
        given = _values(before)
        if given is None:
            yield f"{place.text} has to be one of {', '.join(map(str, allowed))} now"
        elif gone := [value for value in given if value not in allowed]:
            yield f"{place.text} may not be {', '.join(map(str, gone))} any more"
    for name in (*_LOWER, *_UPPER):
        bound, limit = before.get(name), now.get(name)
        if limit is not None and (bound is None or (limit > bound if name in _LOWER else limit < bound)):
            yield f"{place.text} {name} is tighter: {bound} became {limit}"
    for name in _EXACT:
        if now.get(name) is not None and now.get(name) != before.get(name):
            yield f"{place.text} {name} is another: {before.get(name)} became {now[name]}"
    for name in sorted(set(now.get("required", ())) - set(before.get("required", ()))):
        yield f"{place.text}.{name} is required now"
    yield from _inside(place, before, now, narrowed, seen)
    if before.get("additionalProperties", True) is not False and now.get("additionalProperties", True) is False:
        yield f"{place.text} takes no further properties any more"


def widened(place: Place, old: Any, new: Any, *, seen: frozenset[tuple[str, str]] = frozenset()) -> Iterator[str]:
    """What an answer may be by the new schema, and what clients of the old one do not expect."""
    pair = (_ref(old), _ref(new))
    if pair in seen:
        return
    if all(pair):
        seen |= {pair}
    before, now = whole(place.old, old), whole(place.new, new)
    if "oneOf" in before or "oneOf" in now:
        for at, way in enumerate(now.get("oneOf", [now])):
            if not any(not list(widened(place, other, way, seen=seen)) for other in before.get("oneOf", [before])):
                yield f"{place.text} has an alternative {at + 1} that was not there"
        return
    if more := _types(now) - _types(before):
        yield f"{place.text} may be {' or '.join(sorted(more))} now"
    given, allowed = _values(before), _values(now)
    if given is not None and allowed is not None and not any(value in allowed for value in given):
        yield f"{place.text} has other values: none of {', '.join(map(str, given))}"
    if before.get("format") is not None and now.get("format") != before["format"]:
        yield f"{place.text} format is another: {before['format']} became {now.get('format')}"
    kept = set(now.get("properties", {}))
    for name in sorted((set(before.get("required", ())) & kept) - set(now.get("required", ()))):
        yield f"{place.text}.{name} may be missing now"
    yield from _inside(place, before, now, widened, seen)


def _inside(place: Place, before: Json, now: Json, compare: Any, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    """Properties and items, compared in one direction."""
    for kind in ("properties", "patternProperties"):
        for name, schema in before.get(kind, {}).items():
            here = place._replace(text=f"{place.text}.{name}")
            if name not in now.get(kind, {}):
                yield f"{here.text} is gone"
            else:
                yield from compare(here, schema, now[kind][name], seen=seen)
    for name, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(before.get(name), Mapping) and isinstance(now.get(name), Mapping):
            here = place._replace(text=place.text + mark)
            yield from compare(here, before[name], now[name], seen=seen)


def whole(document: Json, schema: Any) -> Json:
    """A schema with its reference followed, its `allOf` taken together, and `anyOf` read as `oneOf`."""
    if schema is True or schema is False:
        return {} if schema else {"enum": []}
    found = dict(resolved(document, schema))
    for part in found.pop("allOf", ()):
        other = whole(document, part)
        merged = {**other, **found}
        for name in ("properties", "patternProperties"):
            if name in other or name in found:
                merged[name] = {**other.get(name, {}), **found.get(name, {})}
        if "required" in other or "required" in found:
            merged["required"] = [*other.get("required", ()), *found.get("required", ())]
        found = merged
    if "anyOf" in found:
        found.setdefault("oneOf", found.pop("anyOf"))
    return found


def _ref(schema: Any) -> str:
    return schema.get("$ref", "") if isinstance(schema, Mapping) else ""


def _types(schema: Json) -> frozenset[str]:
    """The types that a schema lets through; a number may be an integer."""
    given = schema.get("type")
    if given is None:
        return _ALL_TYPES
    types = frozenset([given] if isinstance(given, str) else given)
    return types | {"integer"} if "number" in types else types


def _values(schema: Json) -> list[Any] | None:
    """The values that a schema lets through; None where it does not list them."""
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")
