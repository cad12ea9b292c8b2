"""The `openai` provider in an Azure resource, against a stand-in on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from openai import AzureOpenAI
from photochanger.adapters.providers.openai.access import access_with
from photochanger.adapters.providers.openai.provider import OpenAIProvider
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import NotConfigured, Rejected, Retryable

from tests.support.standins import openai, openai_calls
from tests.support.standins.azure import DEPLOYMENT, AzureStandIn
from tests.support.standins.calls import FixedContext
from tests.support.standins.openai_calls import EDIT, asked, error_of

pytestmark = pytest.mark.anyio

DEPLOYED = f"/openai/deployments/{DEPLOYMENT}"
SETTINGS = EDIT | {"model": DEPLOYMENT}
ENTRY = RouteEntry("openai", "image_edit", SETTINGS)


@pytest.fixture
async def standin() -> AsyncIterator[AzureStandIn]:
    async with AzureStandIn() as standin:
        yield standin


@pytest.fixture
async def provider(standin: AzureStandIn) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider(FixedContext(secret=openai.KEY, base_url=f"{standin.url}{DEPLOYED}"))
    yield provider
    await provider.close()


@pytest.mark.parametrize(
    "path",
    [
        "/openai/v1?api-version=v1",
        "?api-version=v1",
        f"{DEPLOYED}?api-version=2025-04-01-preview",
    ],
)
async def test_each_form_of_the_address_makes_a_picture(standin: AzureStandIn, path: str) -> None:
    provider = OpenAIProvider(FixedContext(secret=openai.KEY, base_url=f"{standin.url}{path}"))
    assert (await provider.process(asked(SETTINGS))).data == openai.PICTURE
    assert standin.refused == []
    await provider.close()


async def test_a_deployment_has_its_cost_when_the_operator_names_its_model(
    provider: OpenAIProvider, standin: AzureStandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert (await provider.process(asked(SETTINGS))).cost is None
    file = tmp_path_factory.mktemp("models") / "openai.json"
    file.write_text(f'{{"models": [{{"id": "gpt-image-2.6-flare", "aliases": ["{DEPLOYMENT}"]}}]}}')
    context = FixedContext(secret=openai.KEY, base_url=f"{standin.url}?api-version=v1", models_file=file)
    named = OpenAIProvider(context)
    assert (await named.process(asked(SETTINGS))).cost == CallCost(usd_micros=34_180, exact=False)
    await named.close()


async def test_a_wrong_version_is_a_setting_to_check(standin: AzureStandIn) -> None:
    provider = OpenAIProvider(FixedContext(secret=openai.KEY, base_url=f"{standin.url}?api-version=2020-01-01"))
    error = await error_of(provider, asked(SETTINGS))
    assert type(error) is NotConfigured
    assert "api-version" in error.reason
    await provider.close()


async def test_errors_of_the_service(provider: OpenAIProvider, standin: AzureStandIn) -> None:
    refused = openai.error(400, "Your request was rejected by the safety system.", code="contentFilter")
    limited = openai.error(429, "Rate limit is exceeded. Try again in 12 seconds.", code="429")
    unknown = openai.error(404, "The API deployment for this resource does not exist.", code="DeploymentNotFound")
    standin.script(refused, limited, unknown)
    assert type(await error_of(provider, asked(SETTINGS))) is Rejected
    error = await error_of(provider, asked(SETTINGS))
    assert isinstance(error, Retryable)
    assert error.after == timedelta(seconds=12)
    error = await error_of(provider, asked(SETTINGS))
    assert type(error) is Rejected
    assert "does not know the model" in error.reason


async def test_a_check_says_that_deployments_are_not_listed(provider: OpenAIProvider, standin: AzureStandIn) -> None:
    (finding,) = await provider.diagnose([ENTRY])
    assert finding.code is ProviderFindingCode.MODEL_NOT_CHECKED
    assert not finding.stops
    assert DEPLOYMENT in finding.detail
    standin.script(openai.error(401, "Access denied due to invalid subscription key.", code="401"), call="models")
    (finding,) = await provider.diagnose([ENTRY])
    assert finding.code is ProviderFindingCode.KEY_REFUSED
    assert await provider.diagnose([]) == []
    assert standin.calls() == []


@pytest.mark.parametrize(
    ("base_url", "edits", "on_azure"),
    [
        (None, "https://api.openai.com/v1/images/edits", False),
        ("https://gate.example/openai/v1", "https://gate.example/openai/v1/images/edits", False),
        (
            "https://booth.openai.azure.com",
            "https://booth.openai.azure.com/openai/v1/images/edits?api-version=v1",
            True,
        ),
        (
            "https://booth.openai.azure.com/openai/v1",
            "https://booth.openai.azure.com/openai/v1/images/edits?api-version=v1",
            True,
        ),
        (
            "https://gate.example/openai/deployments/flare",
            "https://gate.example/openai/deployments/flare/images/edits?api-version=2025-04-01-preview",
            True,
        ),
        (
            "https://gate.example/openai/v1?api-version=preview",
            "https://gate.example/openai/v1/images/edits?api-version=preview",
            True,
        ),
        ("https://azure.com.evil.example/v1", "https://azure.com.evil.example/v1/images/edits", False),
    ],
)
def test_the_base_url_decides_what_is_called(base_url: str | None, edits: str, on_azure: bool) -> None:
    access = access_with("k", base_url)
    assert (access.edits_url, access.on_azure) == (edits, on_azure)
    assert set(access.headers) == {"api-key" if on_azure else "Authorization"}
    assert "k" not in repr(access).split("(")[1]


async def test_openais_sdk_sends_the_same_request(provider: OpenAIProvider, standin: AzureStandIn) -> None:
    await provider.process(asked(SETTINGS))

    def ask() -> None:
        client = AzureOpenAI(
            azure_endpoint=standin.url,
            azure_deployment=DEPLOYMENT,
            api_version="2025-04-01-preview",
            api_key=openai.KEY,
            max_retries=0,
        )
        client.images.edit(
            image=("photo.jpg", openai_calls.PHOTO.data, "image/jpeg"), prompt=EDIT["prompt"], model=DEPLOYMENT
        )

    await asyncio.to_thread(ask)
    ours, theirs = standin.calls()
    assert (ours.path, ours.query, ours.headers["api-key"]) == (theirs.path, theirs.query, theirs.headers["api-key"])
