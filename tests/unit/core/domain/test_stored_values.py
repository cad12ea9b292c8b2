"""Values of enumerations that a newer version has stored: kept where rows are read, refused everywhere else."""

from __future__ import annotations

import ast
import copy
import enum
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import photochanger.adapters.postgres
import pytest
from photochanger.core.domain.accounts import Admin, Permission, Role, role_of
from photochanger.core.domain.audit import AuditEntry
from photochanger.core.domain.costs.budgets import SlotBudget
from photochanger.core.domain.costs.ledger import LedgerCall
from photochanger.core.domain.ingest_request import IngestRequest
from photochanger.core.domain.job import FailureReason, Job, JobEvent, JobState, LogEvent
from photochanger.core.domain.media import MediaKey, MediaKind, MediaObject, TemplateMedia
from photochanger.core.domain.routing.provider_check import ProviderCheck
from photochanger.core.domain.routing.provider_usage import Usage
from photochanger.core.domain.settings import StoredPassword, StoredSettings
from photochanger.core.domain.slots.activity import EndedJobs
from photochanger.core.domain.slots.slot import FailureAnswer, Route, Slot
from photochanger.core.domain.stats.summary import StatsCell, StatsOutcome, figures_of, outcome_of
from photochanger.core.domain.stored_values import StoredEnum, from_row
from photochanger.core.domain.webhook import Delivery, Webhook
from photochanger.core.domain.worker import WorkerReport

FROM_ROWS = (
    Admin,
    AuditEntry,
    Delivery,
    EndedJobs,
    IngestRequest,
    Job,
    JobEvent,
    LedgerCall,
    MediaObject,
    ProviderCheck,
    Slot,
    SlotBudget,
    StatsCell,
    StoredPassword,
    StoredSettings,
    TemplateMedia,
    Usage,
    Webhook,
    WorkerReport,
)


def a_route(document: Any) -> Route:
    return msgspec.convert(document, Route)


def test_a_value_of_a_newer_version_is_kept_where_rows_are_read() -> None:
    reason = from_row(FailureReason, "eclipse")
    assert reason == "eclipse"
    assert str(reason) == f"{reason}" == "eclipse"
    assert not reason.known
    assert reason not in [*FailureReason]
    assert {reason: 1}["eclipse"] == 1
    assert copy.deepcopy(reason) == reason
    assert FailureReason.TIMEOUT.known


def test_it_is_kept_inside_documents_and_written_back() -> None:
    document = {"entries": [], "failure_answer": "poem", "response_mode": "image"}
    route = from_row(a_route, document)
    assert route.failure_answer == "poem"
    assert route.failure_answer is not FailureAnswer.ERROR
    assert msgspec.to_builtins(route)["failure_answer"] == "poem"
    assert msgspec.json.decode(msgspec.json.encode(route))["failure_answer"] == "poem"
    assert str(from_row(MediaKey.parse, "holograms/x")) == "holograms/x"


def test_it_is_refused_everywhere_else() -> None:
    from_row(FailureReason, "eclipse")
    with pytest.raises(ValueError, match="eclipse"):
        FailureReason("eclipse")
    with pytest.raises(msgspec.ValidationError, match="poem"):
        a_route({"entries": [], "failure_answer": "poem"})


def test_what_is_wrong_in_other_ways_is_refused_in_rows_too() -> None:
    with pytest.raises(ValueError, match="7"):
        from_row(FailureReason, 7)
    with pytest.raises(msgspec.ValidationError, match="entries"):
        from_row(a_route, {"failure_answer": "poem"})
    with pytest.raises(ValueError, match="7"):
        FailureReason(7)


def test_how_values_of_a_newer_version_count() -> None:
    reason, outcome = from_row(FailureReason, "eclipse"), from_row(StatsOutcome, "hedged")
    assert outcome_of(reason, None) is StatsOutcome.ERRORS
    cells = [StatsCell(0, "", outcome, -1, 3), StatsCell(0, "", StatsOutcome.SUCCESS, 1, 2)]
    assert (figures_of(cells).success, figures_of(cells).ingest_count) == (2, 5)
    assert role_of([*Permission, from_row(Permission, "moods:read")]) is Role.OWNER


@pytest.mark.parametrize("kind", FROM_ROWS, ids=lambda kind: kind.__name__)
def test_every_enumeration_in_rows_is_one_that_newer_versions_may_extend(kind: type) -> None:
    assert [found for found in enumerations(msgspec.inspect.type_info(kind)) if not issubclass(found, StoredEnum)] == []


def enumerations(info: Any) -> Iterator[type[enum.Enum]]:
    """Those in a type."""
    match info:
        case msgspec.inspect.EnumType():
            yield info.cls
        case msgspec.inspect.StructType():
            for field in info.fields:
                yield from enumerations(field.type)
        case msgspec.inspect.UnionType():
            for one in info.types:
                yield from enumerations(one)
        case msgspec.inspect.DictType():
            yield from enumerations(info.key_type)
            yield from enumerations(info.value_type)
        case msgspec.inspect.TupleType():
            for one in info.item_types:
                yield from enumerations(one)
        case msgspec.inspect.CollectionType():
            yield from enumerations(info.item_type)


def test_the_walk_finds_enumerations_at_any_depth() -> None:
    assert {FailureAnswer, JobState, FailureReason, MediaKind} <= {*enumerations(msgspec.inspect.type_info(Job))}
    assert LogEvent in {*enumerations(msgspec.inspect.type_info(JobEvent))}


def postgres_modules() -> Iterator[ModuleType]:
    package = photochanger.adapters.postgres
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".migrations." not in found.name:
            yield importlib.import_module(found.name)


@pytest.mark.parametrize("module", [*postgres_modules()], ids=lambda module: module.__name__.partition("postgres.")[2])
def test_values_of_rows_are_read_by_from_row(module: ModuleType) -> None:
    """Where an enumeration is called, or a struct converted by another function, new values are an error."""
    tree = ast.parse(Path(module.__file__ or "").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = [node.func.id for node in calls if isinstance(node.func, ast.Name)]
    assert [name for name in called if is_enumeration(getattr(module, name, None))] == []
    read = {ast.unparse(node.args[0]) for node in calls if called_name(node) == "from_row"}
    readers = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name in read]
    inside = {id(node) for reader in readers for node in ast.walk(reader)}
    others = [node for node in calls if called_name(node) == "msgspec.convert" and id(node) not in inside]
    converted = [ast.unparse(node) for node in others]
    assert [one for one in converted if "StoredPassword" not in one] == []


def called_name(node: ast.Call) -> str:
    return ast.unparse(node.func)


def is_enumeration(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, enum.Enum)
