"""The ProviderCheckRepository contract: the latest check of each provider, whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
from photochanger.core.domain.routing.provider_check import ProviderCheck, ProviderFinding, ProviderFindingCode

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
CHECK = ProviderCheck(
    provider_id="gemini",
    checked_at=NOON,
    models=("m-1", "m-2"),
    findings=(
        ProviderFinding(code=ProviderFindingCode.MODEL_DEPRECATED, detail="Ends \U0001f600.", params={"model": "m-1"}),
    ),
)


async def test_checks_are_read_back_whole_by_provider(backend: SimpleNamespace) -> None:
    assert await backend.provider_checks.all() == []
    other = ProviderCheck(provider_id="fal", checked_at=NOON)
    for check in (CHECK, other):
        await backend.provider_checks.put(check)
    assert await backend.provider_checks.all() == [other, CHECK]


async def test_an_earlier_check_replaces_no_later_one(backend: SimpleNamespace) -> None:
    later = msgspec.structs.replace(CHECK, checked_at=NOON + timedelta(seconds=1), findings=())
    for check in (CHECK, later, CHECK):
        await backend.provider_checks.put(check)
    assert await backend.provider_checks.all() == [later]
