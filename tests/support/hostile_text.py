"""A program that gives long texts of strangers to every function that takes text.

`python -m tests.support.hostile_text PACKAGE...` finds the functions of these packages, and the methods of the objects
below, by their annotations: a new one is called without being listed here. It prints each call that takes more than
BOUND_SECONDS of CPU, or that cannot be made because there is no sample of a parameter's type, and `done` at its end.
The limit on its CPU time ends a call that would never return; its name is the last that was printed.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import itertools
import logging
import pkgutil
import re
import resource
import sys
import time
import typing
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import photochanger
from photochanger.core.domain.errors import PhotoChangerError
from photochanger.core.ports.provider import ProviderError

from tests.support.hostile_samples import STATUSES, samples, texts

BOUND_SECONDS = 3.0
"""Of CPU, for one call; what is linear takes some hundredths, the worst pattern a quarter of a second. What is
quadratic takes six at the speed of a memory scan, and minutes in a pattern."""

LIMIT_SECONDS = 120

SKIPPED_PARTS = (".migrations", ".effects", ".local.")
"""Modules without text from outside: the schema, and what draws pictures."""
NOT_FOR_TEXT = {
    "entrypoints.http.protocol.hosts._as_in_requests": "takes the operator's public address",
    "entrypoints.http.protocol.job_response.accepted_response": "writes what the service itself says",
    **{
        f"adapters.providers.turbotext.operations._{name}": "makes a form of an operator's settings"
        for name in ("image_edit", "style_transfer", "identity_transfer")
    },
    "core.domain.trace_context.trace_id_of": "reads what trace_context has accepted",
    **{
        f"adapters.providers.{name}": "sends what an operator has set"
        for name in ("gemini.requests.generate", "openai.requests.edit")
    },
    **{f"adapters.providers.gemini.requests.{name}_upload": "names files by itself" for name in ("start", "send")},
    "adapters.providers.bfl.requests.submit": "sends what an operator has set",
    "adapters.providers.fal.requests.submit": "sends what an operator has set",
    "adapters.providers.replicate.requests.upload": "names files by itself",
    **{f"adapters.providers.{name}.answers._remarks": "called through the answers" for name in ("gemini", "openai")},
    "adapters.providers.gemini.answers._cost": "called through the answers",
    "adapters.providers.comfyui.service._read": "takes a type; called through the answers",
    "adapters.providers.catalogue._converted": "reads the operator's file",
    "adapters.providers.wire.parsed": "takes a type; called through the answers of each provider",
    "adapters.providers.http.provider._outgoing": "sends an operator's settings",
    "adapters.providers.http.provider._upload": "names files by itself",
    "entrypoints.http.protocol.static_files.read_static": "reads files of the package",
    "entrypoints.cli.send.response.save_picture": "writes a file under a name of its own",
    "core.domain.validation.parse_fields": "takes a type; called through read_fields by the tests of settings",
    "core.domain.validation.read_fields": "takes a type; the reading of bodies is tested as a whole",
    "entrypoints.http.protocol.query.several": "takes a type of words",
    "entrypoints.logging_setup.set_up_logging": "changes the process",
    "entrypoints.logging_setup.correlated": "is a context of texts that it does not read",
    "entrypoints.http.protocol.etag.json_response": "encodes what the service itself says",
    "entrypoints.http.protocol.query._given": "takes a type",
    "adapters.providers.schemas._inlined": "works on schemas of our own",
}
"""Functions with a parameter for text that is never from outside, and why."""


class _Unknown:
    """A type that is not imported, and everything that an annotation makes of it."""

    def __getattr__(self, name: str) -> _Unknown:
        return self

    def __getitem__(self, item: object) -> _Unknown:
        return self

    def __or__(self, other: object) -> _Unknown:
        return self

    def __call__(self) -> None:
        """Be callable, as types are."""


class _Names(dict[str, Any]):
    """Names that are imported for type checkers only."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._known = {**vars(builtins), **function.__globals__}

    def __missing__(self, name: str) -> Any:
        return self._known.get(name, _Unknown())


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function or method."""
    plain = getattr(function, "__func__", function)
    return typing.get_type_hints(plain, localns=_Names(plain))


def _name_of(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else str(annotation)
    for prefix in ("collections.abc.", "typing.", "uuid.", "datetime.", "photochanger."):
        text = text.replace(prefix, "")
    return text


TAKE_TEXT = ("str", "str | None", "bytes | str", "Mapping[str, str]", "Mapping[str, Any]", "Any", "IngestRequest")
TAKE_TEXT += (
    "Collection[str]",
    "Iterable[tuple[str, str]]",
    "list[tuple[str, Any]]",
    "str | int",
    "FieldError",
    "list[bytes]",
    "adapters.http_client.messages.Answer[adapters.http_client.picture_json.PictureJson]",
)


class NoSample(Exception):
    """A parameter's type has no sample."""


def calls(function: Callable[..., Any], text: str, known: dict[Any, list[Any]]) -> Iterator[Callable[[], object]]:
    """The calls of a function with this text in every place; `known` are its samples. NoSample."""
    hints = hints_of(function)
    choices: dict[str, list[Any]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = _name_of(hints[name])
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if name == "scope":
            choices[name] = known["Scope"]
        elif name == "status":
            choices[name] = list(STATUSES)
        elif name == "secret":
            choices[name] = ["a" * 40, text[:40]]
        elif annotation in known:
            choices[name] = known[annotation]
        elif parameter.default is not parameter.empty:
            continue
        elif isinstance(hints[name], type) and issubclass(hints[name], str):
            choices[name] = [next(iter(hints[name]))]  # an enum of words
        elif annotation == "int":
            choices[name] = [7]
        else:
            raise NoSample(f"{name}: {annotation}")
    for values in itertools.product(*choices.values()):
        arguments = dict(zip(choices, values, strict=True))
        yield lambda arguments=arguments: function(**arguments)


def takes_text(function: Callable[..., Any]) -> bool:
    hints = hints_of(function)
    return any(_name_of(hints[name]) in TAKE_TEXT for name in inspect.signature(function).parameters if name in hints)


def modules(packages: list[str]) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(photochanger.__path__, "photochanger."):
        name = found.name.removeprefix("photochanger.")
        wanted = any(name == package or name.startswith(f"{package}.") for package in packages)
        if wanted and not any(part in f"{name}." for part in SKIPPED_PARTS):
            yield importlib.import_module(found.name)


def functions(packages: list[str]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of these packages that take text, and methods of the objects that stand for a service."""
    for module in modules(packages):
        for name, function in vars(module).items():
            if not inspect.isfunction(function) or function.__module__ != module.__name__:
                continue
            full = f"{module.__name__.removeprefix('photochanger.')}.{name}"
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) or full in NOT_FOR_TEXT:
                continue
            yield full, function
    for name, made in objects().items():
        if any(name.startswith(package) for package in packages):
            for method_name, method in inspect.getmembers(made, inspect.ismethod):
                if not inspect.iscoroutinefunction(method) and not method_name.startswith("__"):
                    yield f"{name}.{method_name}", method


def objects() -> dict[str, Any]:
    """Objects whose methods read what others wrote."""
    from photochanger.adapters.providers.turbotext.client import TurbotextService
    from photochanger.entrypoints.http.protocol.forwarded import TrustedProxies
    from photochanger.entrypoints.http.protocol.hosts import AllowedHosts
    from photochanger.entrypoints.logging_setup import make_formatter

    http: Any = None
    service = TurbotextService(http, "https://service.example", key="k" * 40, until=datetime.now(UTC))
    proxies = TrustedProxies(["127.0.0.0/8"])
    formatters = {name: _Formatting(make_formatter(name)) for name in ("json", "console")}
    services = {
        "adapters.providers.turbotext.client.TurbotextService": service,
        "entrypoints.http.protocol.hosts.AllowedHosts": AllowedHosts(["booth.example"]),
        "entrypoints.http.protocol.forwarded.TrustedProxies": proxies,
    }
    return services | {f"entrypoints.logging_setup.{name}": formatter for name, formatter in formatters.items()}


class _Formatting:
    """What a log formatter does with a text as message, as argument and as error."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._formatter = formatter

    def message(self, text: str) -> str:
        return self._formatter.format(logging.LogRecord("x", logging.INFO, "x.py", 1, text, (), None))

    def argument(self, text: str) -> str:
        return self._formatter.format(logging.LogRecord("x", logging.INFO, "x.py", 1, "%s", (text,), None))

    def error(self, text: str) -> str:
        try:
            raise ValueError(text)
        except ValueError:
            return self._formatter.format(logging.LogRecord("x", logging.INFO, "x.py", 1, "", (), sys.exc_info()))


def patterns() -> Iterator[tuple[str, Callable[[Any], object]]]:
    """Every use of a regular expression in the source, as a call that takes a text.

    A pattern is a constant of its module; each of its methods that the module calls is one use.
    """
    for module in modules(["adapters", "core", "entrypoints"]):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        used = {
            (node.value.id, node.attr)
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        for name, pattern in vars(module).items():
            if not isinstance(pattern, re.Pattern) or name not in _assigned(tree):
                continue
            methods = {attribute for owner, attribute in used if owner == name} & set(_USES)
            full = f"{module.__name__.removeprefix('photochanger.')}.{name}"
            if not methods:
                yield f"{full} is not used", lambda text: None
            for method in sorted(methods):
                yield f"{full}.{method}", functools.partial(_USES[method], pattern)


def _assigned(tree: ast.Module) -> set[str]:
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}


_USES: dict[str, Callable[[re.Pattern[Any], Any], object]] = {
    "match": lambda pattern, text: pattern.match(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
    "search": lambda pattern, text: pattern.search(text),
    "finditer": lambda pattern, text: deque(pattern.finditer(text), maxlen=0),
    "findall": lambda pattern, text: pattern.findall(text),
    "sub": lambda pattern, text: pattern.sub(type(text)(), text),
}


def try_patterns() -> None:
    """Give every text to every regular expression."""
    hostile = texts()
    count = 0
    for name, use in patterns():
        wants_bytes = isinstance(getattr(use, "args", [re.compile("")])[0].pattern, bytes)
        for kind, text in hostile.items():
            print("calling", name, "with", kind, flush=True)
            given: Any = text.encode("utf-8", "surrogatepass") if wants_bytes else text
            count += 1
            if (seconds := measured(functools.partial(use, given))) > BOUND_SECONDS:
                print("FAULT", name, f"took {seconds:.1f} s with", kind, flush=True)
        if name.endswith("is not used"):
            print("FAULT", name, flush=True)
    print("done", count, flush=True)


EXPECTED = (PhotoChangerError, ProviderError, ValueError, TypeError, OverflowError, KeyError, RecursionError)
"""What a function may raise for a text that it does not take; MemoryError and others are faults."""


def measured(call: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    began = time.process_time()
    try:
        made = call()
        if inspect.isgenerator(made):
            list(made)
    except EXPECTED:
        pass
    return time.process_time() - began


def main(packages: list[str]) -> None:
    """Give every text to every function of these packages that takes text, or to every pattern (`patterns`)."""
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_SECONDS, LIMIT_SECONDS))
    if packages == ["patterns"]:
        try_patterns()
        return
    takers = [(name, function) for name, function in functions(packages) if takes_text(function)]
    without_sample: dict[str, str] = {}
    count = 0
    answers = any(package.startswith("adapters.") for package in packages)
    for kind, text in texts().items():
        known = samples(text, answers=answers)
        for name, function in takers:
            print("calling", name, "with", kind, flush=True)
            try:
                seconds = max(map(measured, calls(function, text, known)), default=0.0)
            except NoSample as error:
                without_sample[name] = str(error)
                continue
            count += 1
            if seconds > BOUND_SECONDS:
                print("FAULT", name, f"took {seconds:.1f} s with", kind, flush=True)
    for name, missing in without_sample.items():
        print("FAULT", name, "has no sample of", missing, flush=True)
    print("done", count, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
