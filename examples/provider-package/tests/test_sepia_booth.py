"""The suite that every provider should pass, and tests of this provider."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import Provider, ProviderContext, ProviderRequest
from photochanger.testing import ContractContext, ProviderContract, sample_picture
from PIL import Image, ImageStat
from sepia_booth import make_provider


class TestSepiaBooth(ProviderContract):
    entries = (
        RouteEntry("sepia-booth", "duotone"),
        RouteEntry("sepia-booth", "duotone", {"print": "cyanotype", "strength": 60}),
    )

    async def make_provider(self, context: ProviderContext) -> Provider:
        return make_provider(context)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_sepia_print_is_warm_and_a_cyanotype_cold() -> None:
    warmth = {}
    for name in ("sepia", "cyanotype"):
        request = ProviderRequest(
            job_id=uuid4(),
            operation_id="duotone",
            settings={"print": name},
            photo=sample_picture(),
            until=datetime.now(UTC) + timedelta(seconds=30),
            note_reference=never_noted,
        )
        result = await make_provider(ContractContext(key=None)).process(request)
        red, _, blue = ImageStat.Stat(Image.open(io.BytesIO(result.data))).mean
        warmth[name] = red - blue
    assert warmth["sepia"] > 20
    assert warmth["cyanotype"] < -20


async def never_noted(reference: str) -> None:
    raise AssertionError("this provider has no references")
