"""The suite for authors of providers finds what it is there to find: each fault fails the test that it should."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import pytest
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.field_errors import FieldError, FieldErrorCode
from photochanger.core.domain.media import PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding, ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import (
    NotConfigured,
    OperationInfo,
    Provider,
    ProviderContext,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
    Rejected,
)
from photochanger.testing import ProviderContract, sample_picture

pytestmark = pytest.mark.anyio

_log = logging.getLogger("a-provider")

INFO = ProviderInfo(
    id="good",
    title="Good",
    needs_key=True,
    operations=(
        OperationInfo(
            id="draw",
            title="Draw",
            settings_schema={
                "type": "object",
                "properties": {"size": {"type": "integer"}, "prompt": {"type": "string"}},
                "additionalProperties": False,
            },
            needs=PictureNeeds(("image/png", "image/jpeg"), 10**7, 10**7),
            prompts=("prompt",),
        ),
    ),
)


class Good:
    """A provider without a fault."""

    info = INFO

    def __init__(self, context: ProviderContext) -> None:
        self.context = context
        self.key = ""

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return None

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        if operation_id != "draw":
            raise InvalidSettings([FieldError("operation_id", FieldErrorCode.REQUIRED)])
        if unknown := sorted(set(settings) - {"size", "prompt"}):
            raise InvalidSettings([FieldError(name, FieldErrorCode.UNKNOWN_FIELD) for name in unknown])

    async def process(self, request: ProviderRequest) -> ProviderResult:
        self.key = await self.context.key() or ""
        if not self.key:
            raise NotConfigured("The key is missing.")
        try:
            self.check_settings(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail) from error
        return await self.answer(request)

    async def answer(self, request: ProviderRequest) -> ProviderResult:
        await asyncio.sleep(0)
        if request.photo.data == b"this is no picture":
            raise Rejected("The photo cannot be decoded.")
        return ProviderResult(sample_picture().data, {"model": "m-1"})

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        if await self.context.key():
            return []
        return [ProviderFinding(code=ProviderFindingCode.KEY_MISSING, detail="The key is missing.")]

    async def close(self) -> None:
        """Nothing is held."""


def suite(made: type[Good]) -> ProviderContract:
    class Suite(ProviderContract):
        entries = (RouteEntry("good", "draw", {"size": 3}),)

        async def make_provider(self, context: ProviderContext) -> Provider:
            return made(context)

    return Suite()


class TestGood(ProviderContract):
    """The suite passes over a provider without a fault."""

    entries = (RouteEntry("good", "draw", {"size": 3}),)

    async def make_provider(self, context: ProviderContext) -> Provider:
        return Good(context)


class BadTitle(Good):
    info = msgspec.structs.replace(INFO, title=" ")


class BadLimit(Good):
    info = msgspec.structs.replace(INFO, max_concurrent=0)


class TwiceTheSame(Good):
    info = msgspec.structs.replace(INFO, operations=INFO.operations * 2)


class AnyType(Good):
    info = msgspec.structs.replace(
        INFO,
        operations=(
            msgspec.structs.replace(INFO.operations[0], needs=PictureNeeds(("application/pdf",), 10**7, 10**7)),
        ),
    )


class AnotherOperation(Good):
    other = msgspec.structs.replace(INFO.operations[0], id="paint")
    info = msgspec.structs.replace(INFO, operations=(*INFO.operations, other))


def with_schema(schema: dict[str, Any]) -> ProviderInfo:
    operation = msgspec.structs.replace(INFO.operations[0], settings_schema=schema)
    return msgspec.structs.replace(INFO, operations=(operation,))


class NoObject(Good):
    info = with_schema({"properties": {"prompt": {}}})


class NoSchema(Good):
    info = with_schema({"type": "object", "properties": {"prompt": {"type": "text"}}})


class UndeclaredPrompt(Good):
    info = with_schema({"type": "object"})


class UnfitExample(Good):
    info = with_schema({"type": "object", "properties": {"prompt": {}, "size": {"type": "string"}}})


class TakesAnything(Good):
    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        """Everything fits."""


class NamesNoField(Good):
    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        try:
            super().check_settings(operation_id, settings)
        except InvalidSettings as error:
            raise InvalidSettings((), detail=error.detail) from error


class AnswersText(Good):
    async def answer(self, request: ProviderRequest) -> ProviderResult:
        await asyncio.sleep(0)
        return ProviderResult(b"<html>sorry</html>")


class AnswersHalf(Good):
    async def answer(self, request: ProviderRequest) -> ProviderResult:
        await asyncio.sleep(0)
        return ProviderResult(sample_picture().data[:2000])


class UnlogableRemarks(Good):
    async def answer(self, request: ProviderRequest) -> ProviderResult:
        return msgspec.structs.replace(await super().answer(request), remarks={"sizes": (1, 2)})


class OneAtATime(Good):
    busy = False

    async def answer(self, request: ProviderRequest) -> ProviderResult:
        if self.busy:
            raise Rejected("I am busy.")
        self.busy = True
        result = await super().answer(request)
        self.busy = False
        return result


class RaisesItsOwn(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        self.check_settings(request.operation_id, request.settings)
        return await super().process(request)


class SwallowsCancellation(Good):
    async def answer(self, request: ProviderRequest) -> ProviderResult:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return await super().answer(request)
        raise AssertionError("never answered")


class BlocksTheLoop(Good):
    async def answer(self, request: ProviderRequest) -> ProviderResult:
        return ProviderResult(sample_picture().data)


class ForgetsItsKey(Good):
    async def process(self, request: ProviderRequest) -> ProviderResult:
        self.check_settings(request.operation_id, request.settings)
        return await self.answer(request)


class SilentDiagnosis(Good):
    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        return []


class TellsTheKey(Good):
    async def answer(self, request: ProviderRequest) -> ProviderResult:
        if request.photo.data == b"this is no picture":
            raise Rejected(f"{self.key} cannot do this.")
        return await super().answer(request)


class LogsTheKey(Good):
    async def answer(self, request: ProviderRequest) -> ProviderResult:
        _log.debug("asking with %s", self.key)
        return await super().answer(request)


class RemarksTheKey(Good):
    async def answer(self, request: ProviderRequest) -> ProviderResult:
        return msgspec.structs.replace(await super().answer(request), remarks={"key": self.key})


class ShowsTheKey(Good):
    def __repr__(self) -> str:
        return f"ShowsTheKey({self.context._key})"  # type: ignore[attr-defined]


class ClosesOnce(Good):
    closed = False

    async def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


@pytest.mark.parametrize(
    ("faulty", "test"),
    [
        (BadTitle, "it_declares_itself_well"),
        (BadLimit, "it_declares_itself_well"),
        (TwiceTheSame, "it_declares_itself_well"),
        (AnyType, "it_declares_itself_well"),
        (AnotherOperation, "every_operation_has_an_example_entry"),
        (NoObject, "settings_schemas_are_json_schemas_that_the_examples_fit"),
        (NoSchema, "settings_schemas_are_json_schemas_that_the_examples_fit"),
        (UndeclaredPrompt, "settings_schemas_are_json_schemas_that_the_examples_fit"),
        (UnfitExample, "settings_schemas_are_json_schemas_that_the_examples_fit"),
        (TakesAnything, "settings_that_fit_are_accepted_and_unknown_ones_refused"),
        (NamesNoField, "settings_that_fit_are_accepted_and_unknown_ones_refused"),
        (AnswersText, "each_example_gives_a_picture_that_decodes"),
        (AnswersHalf, "each_example_gives_a_picture_that_decodes"),
        (UnlogableRemarks, "each_example_gives_a_picture_that_decodes"),
        (OneAtATime, "calls_at_once_all_give_their_picture"),
        (RaisesItsOwn, "what_cannot_be_done_is_a_provider_error_and_no_other"),
        (TakesAnything, "what_cannot_be_done_is_a_provider_error_and_no_other"),
        (SwallowsCancellation, "a_cancelled_call_ends_and_the_next_one_works"),
        (BlocksTheLoop, "a_cancelled_call_ends_and_the_next_one_works"),
        (ForgetsItsKey, "without_its_key_it_says_that_it_is_not_configured"),
        (SilentDiagnosis, "without_its_key_it_says_that_it_is_not_configured"),
        (TellsTheKey, "nothing_that_it_says_holds_its_key"),
        (LogsTheKey, "nothing_that_it_says_holds_its_key"),
        (RemarksTheKey, "nothing_that_it_says_holds_its_key"),
        (ShowsTheKey, "nothing_that_it_says_holds_its_key"),
        (ClosesOnce, "it_can_be_diagnosed_and_closed_twice"),
    ],
)
async def test_a_fault_fails_the_test_that_it_should(
    faulty: type[Good], test: str, caplog: pytest.LogCaptureFixture
) -> None:
    method = getattr(suite(faulty), f"test_{test}")
    arguments = {"caplog": caplog} if "caplog" in inspect.signature(method).parameters else {}
    try:
        await method(**arguments)
    except (Exception, pytest.fail.Exception):
        return
    raise AssertionError(f"{faulty.__name__} passed {test}")
