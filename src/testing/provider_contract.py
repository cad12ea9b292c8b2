"""The Provider contract as a pytest class: what the service relies on in every provider."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from PIL import Image

from ..adapters.system_clock import SYSTEM_CLOCK
from ..core.domain.costs.call_cost import FREE
from ..core.domain.errors import InvalidSettings
from ..core.domain.media import Picture
from ..core.domain.routing.provider_check import ProviderFinding
from ..core.domain.slots.slot import RouteEntry
from ..core.ports.provider import (
    NotConfigured,
    Provider,
    ProviderContext,
    ProviderError,
    ProviderInfo,
    ProviderRequest,
    ProviderResult,
)
from ..core.services.support.concurrency import TaskSet
from .cost_rules import check_cost, check_expected_cost, check_prices

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_MAX_CONCURRENCY = 4
_MAX_REFERENCE_CHARS = 1000
_MAX_MODEL_CHARS = 200

NoteReference = Callable[[str], Awaitable[None]]


class ContractContext:
    """A ProviderContext for tests: everything that it answers with is given to it."""

    def __init__(
        self, *, key: str | None, base_url: str | None = None, private_hosts: tuple[str, ...] = ("127.0.0.1", "::1")
    ) -> None:
        self._key = key
        self.base_url = base_url
        self.private_hosts = private_hosts
        self.models_file: Path | None = None

    async def key(self) -> str | None:
        return self._key


class ProviderContract:
    """Subclass it as `class TestMine(ProviderContract)`, say `entries`, and make the provider in `make_provider`.

    A provider that asks another machine subclasses RemoteProviderContract, and is given a stand-in of that machine,
    which `base_url` names: no test of this suite needs the real service, and none should call it.

    Attributes:
        entries: what the provider must make a picture with: one entry or more for each of its operations.
        secret: the key that the provider is given; it must be found in nothing that the provider says.
        base_url: the address that the context names; an autouse fixture of yours may set it to a stand-in's.
        patience: the most that any one call of the suite may take.
    """

    entries: ClassVar[Sequence[RouteEntry]] = ()
    secret: ClassVar[str] = "contract-key-7Q4x9Zt2"
    base_url: str | None = None
    patience: ClassVar[timedelta] = timedelta(seconds=60)

    async def make_provider(self, context: ProviderContext) -> Provider:
        """A new provider, as its factory makes it of a context; the suite closes it."""
        raise NotImplementedError("say how the provider is made")

    def photo(self, mime: str) -> Picture:
        """The photo that the provider gets, of a type that it accepts."""
        return sample_picture(mime)

    def templates(self, entry: RouteEntry, roles: Sequence[str], mime: str) -> Mapping[str, Picture]:
        """The templates that are bound to the slot of this entry: a picture for each role of its operation."""
        return {role: sample_picture(mime, width=240, height=240) for role in roles}

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.mark.anyio
    async def test_it_declares_itself_well(self) -> None:
        async with self._open() as provider:
            info = provider.info
            assert isinstance(info, ProviderInfo)
            assert msgspec.json.decode(msgspec.json.encode(info), type=ProviderInfo) == info
            assert info.title.strip()
            assert info.operations
            assert len({operation.id for operation in info.operations}) == len(info.operations)
            for limit in (info.max_concurrent, info.per_minute, info.per_day):
                assert limit is None or limit > 0
            for operation in info.operations:
                assert operation.id.isidentifier()
                assert operation.title.strip()
                assert operation.needs.mimes
                assert set(operation.needs.mimes) <= {*_FORMATS, "image/heic", "image/heif"}
                assert operation.needs.max_bytes > 0
                assert operation.needs.max_pixels > 0

    @pytest.mark.anyio
    async def test_every_operation_has_an_example_entry(self) -> None:
        async with self._open() as provider:
            assert {entry.provider_id for entry in self.entries} == {provider.info.id}
            assert {entry.operation_id for entry in self.entries} == {one.id for one in provider.info.operations}

    @pytest.mark.anyio
    async def test_settings_schemas_are_json_schemas_that_the_examples_fit(self) -> None:
        jsonschema = import_module("jsonschema")
        async with self._open() as provider:
            for operation in provider.info.operations:
                schema = operation.settings_schema
                jsonschema.Draft202012Validator.check_schema(schema)
                assert schema.get("type") == "object"
                declared = schema.get("properties", {})
                assert set(operation.prompts) <= set(declared), "a prompt is a setting"
            for entry in self.entries:
                found = provider.info.operation(entry.operation_id)
                assert found is not None
                jsonschema.validate(entry.settings, found.settings_schema, jsonschema.Draft202012Validator)

    @pytest.mark.anyio
    async def test_settings_that_fit_are_accepted_and_unknown_ones_refused(self) -> None:
        async with self._open() as provider:
            for entry in self.entries:
                provider.check_settings(entry.operation_id, entry.settings)
                with pytest.raises(InvalidSettings) as refused:
                    provider.check_settings(entry.operation_id, {**entry.settings, "no_such_setting": 1})
                assert any("no_such_setting" in error.field for error in refused.value.errors)
            with pytest.raises(InvalidSettings):
                provider.check_settings("no_such_operation", {})

    @pytest.mark.anyio
    async def test_each_example_gives_a_picture_that_decodes(self) -> None:
        async with self._open() as provider:
            for entry in self.entries:
                self._check(await self._process(provider, entry))

    @pytest.mark.anyio
    async def test_its_costs_are_amounts_that_a_ledger_can_keep(self) -> None:
        async with self._open() as provider:
            check_prices(provider.info)
            for entry in self.entries:
                expected = provider.expected_cost(entry.operation_id, entry.settings)
                if expected is not None:
                    check_expected_cost(expected)
                    again = provider.expected_cost(entry.operation_id, entry.settings)
                    assert again == expected, "the same settings, the same cost"
                result = await self._process(provider, entry)
                if result.cost is not None:
                    check_cost(result.cost)
                priced = expected is not None and expected.usd_micros > 0
                assert not priced or result.cost is not None, "a call that has a price must name its cost"

    @pytest.mark.anyio
    async def test_what_cannot_be_done_has_no_price(self) -> None:
        async with self._open() as provider:
            assert provider.expected_cost("no_such_operation", {}) in (None, FREE)
            for entry in self.entries:
                unfit = {**entry.settings, "no_such_setting": 1}
                assert provider.expected_cost(entry.operation_id, unfit) in (None, FREE)

    @pytest.mark.anyio
    async def test_calls_at_once_all_give_their_picture(self) -> None:
        async with self._open() as provider:
            for entry in self.entries:
                for result in await asyncio.gather(*(self._process(provider, entry) for _ in range(_MAX_CONCURRENCY))):
                    self._check(result)

    @pytest.mark.anyio
    async def test_what_cannot_be_done_is_a_provider_error_and_no_other(self) -> None:
        async with self._open() as provider:
            with pytest.raises(ProviderError):
                await self._process(provider, RouteEntry(provider.info.id, "no_such_operation"))
            for entry in self.entries:
                unfit = RouteEntry(entry.provider_id, entry.operation_id, {**entry.settings, "no_such_setting": 1})
                with pytest.raises(ProviderError):
                    await self._process(provider, unfit)

    @pytest.mark.anyio
    async def test_a_cancelled_call_ends_and_the_next_one_works(self) -> None:
        calls = TaskSet()
        async with self._open() as provider:
            for entry in self.entries:
                call = calls.start(self._process(provider, entry), name="a provider call")
                await asyncio.sleep(0)
                assert not call.done(), "a call gives the event loop a turn"
                call.cancel()
                await asyncio.wait({call}, timeout=self.patience.total_seconds())
                assert call.cancelled(), "cancellation is let through"
                self._check(await self._process(provider, entry))

    @pytest.mark.anyio
    async def test_without_its_key_it_says_that_it_is_not_configured(self) -> None:
        async with self._open(key=None) as provider:
            for entry in self.entries:
                if provider.info.needs_key:
                    with pytest.raises(NotConfigured):
                        await self._process(provider, entry)
                    assert await provider.diagnose([entry]), "diagnose reports the missing key"
                else:
                    self._check(await self._process(provider, entry))

    @pytest.mark.anyio
    async def test_nothing_that_it_says_holds_its_key(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        async with self._open() as provider:
            said = [repr(provider), str(provider), repr(provider.info)]
            broken = Picture(b"this is no picture", "image/jpeg", 320, 240)
            for entry in self.entries:
                result = await self._process(provider, entry)
                said += [msgspec.json.encode(result.remarks).decode(), str(result.model)]
                said += [finding.detail for finding in await provider.diagnose([entry])]
                unknown = RouteEntry(entry.provider_id, "no_such_operation", entry.settings)
                for tried, photo in ((entry, broken), (unknown, None)):
                    try:
                        result = await self._process(provider, tried, photo)
                    except ProviderError as error:
                        said += [error.reason, repr(error)]
                    else:
                        said.append(msgspec.json.encode(result.remarks).decode())
        assert self.secret not in "\n".join(said) + caplog.text

    @pytest.mark.anyio
    async def test_it_can_be_diagnosed_and_closed_twice(self) -> None:
        async with self._open() as provider:
            findings = await provider.diagnose(self.entries)
            assert all(isinstance(finding, ProviderFinding) and finding.detail.strip() for finding in findings)
            await provider.close()

    @asynccontextmanager
    async def _open(self, **context: Any) -> AsyncIterator[Provider]:
        given = {"key": self.secret, "base_url": self.base_url, **context}
        provider = await self.make_provider(ContractContext(**given))
        try:
            yield provider
        finally:
            await provider.close()

    async def _process(
        self,
        provider: Provider,
        entry: RouteEntry,
        photo: Picture | None = None,
        *,
        reference: str | None = None,
        note_reference: NoteReference | None = None,
    ) -> ProviderResult:
        operation = provider.info.operation(entry.operation_id) or provider.info.operations[0]
        mime = next((mime for mime in operation.needs.mimes if mime in _FORMATS), "image/jpeg")
        templates = self.templates(entry, operation.template_roles, mime)
        fetched = provider.info.needs_public_url
        request = ProviderRequest(
            job_id=UUID(int=1),
            operation_id=entry.operation_id,
            settings=entry.settings,
            photo=photo or self.photo(mime),
            until=SYSTEM_CLOCK.now() + self.patience,
            note_reference=note_reference or self._note_reference,
            reference=reference,
            templates=templates,
            photo_url="https://photos.example/public/media/photo" if fetched else None,
            template_urls={role: f"https://photos.example/public/media/{role}" for role in templates if fetched},
        )
        async with asyncio.timeout(self.patience.total_seconds()):
            return await provider.process(request)

    async def _note_reference(self, reference: str) -> None:
        assert reference
        assert len(reference) <= _MAX_REFERENCE_CHARS, "a longer reference is not saved"
        assert self.secret not in reference

    def _check(self, result: ProviderResult) -> None:
        """The answer is a picture that decodes whole, with remarks that the processing log can keep."""
        with Image.open(io.BytesIO(result.data)) as picture:
            picture.load()
            assert picture.format in _FORMATS.values()
        assert msgspec.json.decode(msgspec.json.encode(result.remarks)) == result.remarks
        assert result.model is None or 0 < len(result.model) <= _MAX_MODEL_CHARS
        assert result.seed is None or (isinstance(result.seed, int) and not isinstance(result.seed, bool))


def sample_picture(mime: str = "image/jpeg", *, width: int = 320, height: int = 240) -> Picture:
    """A small picture with colours and edges, the same each time: JPEG, PNG or WebP."""
    picture = Image.merge(
        "RGB", [Image.linear_gradient("L").rotate(angle).resize((width, height)) for angle in (0, 90, 180)]
    )
    picture.paste((200, 40, 60), (width // 4, height // 4, width // 2, height // 2))
    out = io.BytesIO()
    picture.save(out, _FORMATS[mime], quality=90)
    return Picture(out.getvalue(), mime, width, height)
