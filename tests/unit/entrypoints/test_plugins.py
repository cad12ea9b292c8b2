"""Providers of installed packages: the good ones are made; a broken one is reported and never stops a start."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from uuid import uuid4

import pytest
from photochanger.core.ports.provider import Provider, ProviderContext
from photochanger.entrypoints.provider_plugins import BUILT_IN, GROUP, SkippedPlugin, installed_ids, load_providers
from photochanger.testing import ContractContext

pytestmark = pytest.mark.anyio

Install = Callable[..., EntryPoint]

PROVIDER = """
from photochanger.core.domain.media import PictureNeeds
from photochanger.core.ports.provider import OperationInfo, ProviderInfo

class Mine:
    def __init__(self, context, **changes):
        self.context = context
        operation = {"id": "draw", "title": "Draw", "settings_schema": {"type": "object"}}
        operation |= {name: changes.pop(name) for name in ("settings_schema",) if name in changes}
        needs = PictureNeeds(("image/jpeg",), 1000, 1000)
        fields = {"id": "mine", "title": "Mine", "operations": (OperationInfo(needs=needs, **operation),)}
        self.info = ProviderInfo(**fields | changes)
    def expected_cost(self, operation_id, settings):
        return None

    def check_settings(self, operation_id, settings): ...
    async def process(self, request): ...
    async def diagnose(self, used): return []
    async def close(self): ...
"""

COSTS = """
from photochanger.core.domain.costs.call_cost import CallCost
cost = lambda amount: CallCost(usd_micros=amount)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes a module of some code and returns an entry point to its `make`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(code: str, *, name: str = "mine", attribute: str = "make") -> EntryPoint:
        module = f"plugin_{uuid4().hex}"
        (tmp_path / f"{module}.py").write_text(PROVIDER + textwrap.dedent(code))
        return EntryPoint(name, f"{module}:{attribute}", GROUP)

    return made


def context(provider_id: str) -> ProviderContext:
    return ContractContext(key=f"the key of {provider_id}")


async def load(*found: EntryPoint) -> tuple[list[Provider], list[SkippedPlugin]]:
    return await load_providers(context, found)


async def test_a_provider_is_made_with_the_context_of_its_id(install: Install) -> None:
    (provider,), skipped = await load(install("make = Mine"))
    assert skipped == []
    assert provider.info.id == "mine"
    assert await provider.context.key() == "the key of mine"  # type: ignore[attr-defined]


async def test_a_provider_without_the_method_is_reported_and_no_job_meets_it(install: Install) -> None:
    """A package that was made for an earlier version of the port lacks the method altogether."""
    code = "del Mine.expected_cost\nmake = Mine"
    providers, (plugin,) = await load(install(code), install("make = lambda c: Mine(c, id='good')", name="good"))
    assert [provider.info.id for provider in providers] == ["good"]
    assert plugin.reason == (
        "it has no method expected_cost, which every provider needs. Update the package to this version of the port"
    )


async def test_a_provider_that_knows_its_price_is_made(install: Install) -> None:
    code = f"{COSTS}\nclass Paid(Mine):\n def expected_cost(self, o, s): return cost(40_000)\nmake = Paid"
    (provider,), skipped = await load(install(code))
    assert skipped == []
    expected = provider.expected_cost("draw", {})
    assert expected is not None
    assert expected.usd_micros == 40_000


async def test_providers_come_by_id_whatever_the_order(install: Install) -> None:
    points = [install(f"make = lambda context: Mine(context, id={id!r})", name=id) for id in ("c", "a-2", "b")]
    providers, skipped = await load(*points)
    assert [provider.info.id for provider in providers] == ["a-2", "b", "c"]
    assert skipped == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no licence\\nand more')", "cannot be imported: RuntimeError: no licence"),
        ("import no_such_module_anywhere", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("making = Mine", "cannot be imported: AttributeError"),
        ("make = 7", "its factory failed: TypeError"),
        ("def make(context): raise ValueError('no such model')", "its factory failed: ValueError: no such model"),
        ("def make(context): raise SystemExit", "its factory failed: SystemExit"),
        ("make = lambda context: None", "its `info` cannot be read: AttributeError"),
        ("make = lambda context: type('X', (), {'info': {'id': 'mine'}})()", "not a ProviderInfo but dict"),
        ("make = lambda context: Mine(context, id='other')", "is named 'mine', but its id is 'other'"),
        ("make = lambda context: Mine(context, operations=())", "it has no operations"),
        ("make = lambda context: Mine(context, operations=({'id': 'draw'},))", "not all are OperationInfo"),
        ("make = lambda context: Mine(context, operations=Mine(context).info.operations * 2)", "have the same id"),
        ("make = lambda context: Mine(context, settings_schema=None)", "schema of draw is not a JSON object"),
        ("make = lambda context: Mine(context, settings_schema=[])", "schema of draw is not a JSON object"),
        ("make = lambda context: Mine(context, settings_schema={'a': (1, 2)})", "schema of draw is not a JSON object"),
        ("make = lambda context: Mine(context, settings_schema={'a': float('nan')})", "is not a JSON object"),
        ("make = lambda context: Mine(context, settings_schema={'a': object()})", "is not a JSON object"),
        ("make = lambda context: Mine(context, max_concurrent='many')", "other types than it declares"),
        ("class Half(Mine):\n process = None\nmake = Half", "no method process"),
        ("class Half(Mine):\n diagnose = None\nmake = Half", "no method diagnose"),
        ("class Old(Mine):\n expected_cost = None\nmake = Old", "no method expected_cost, which every provider needs"),
        ("class Old(Mine):\n expected_cost = None\nmake = Old", "Update the package"),
        ("class Odd(Mine):\n def expected_cost(self, o, s): return s['size']\nmake = Odd", "for draw: KeyError"),
        ("class Odd(Mine):\n def expected_cost(self): return None\nmake = Odd", "`expected_cost` failed for draw"),
        (
            "class Odd(Mine):\n async def expected_cost(self, o, s): ...\nmake = Odd",
            "returned coroutine",
        ),
        ("class Odd(Mine):\n def expected_cost(self, o, s): return 0.04\nmake = Odd", "returned float, not a CallCost"),
        (f"{COSTS}\nclass Odd(Mine):\n def expected_cost(self, o, s): return cost(-1)\nmake = Odd", "0 or more"),
        (f"{COSTS}\nclass Odd(Mine):\n def expected_cost(self, o, s): return cost(0.04)\nmake = Odd", "0 or more"),
    ],
)
async def test_a_broken_plugin_is_reported_and_the_others_work(install: Install, code: str, said: str) -> None:
    good = install("make = lambda context: Mine(context, id='good')", name="good")
    providers, (plugin,) = await load(install(code), good)
    assert [provider.info.id for provider in providers] == ["good"]
    assert plugin.id == "mine"
    assert plugin.package.startswith("plugin_")
    assert said in plugin.reason
    assert "\n" not in plugin.reason
    assert len(plugin.reason) <= 300


@pytest.mark.parametrize("name", BUILT_IN)
async def test_the_name_of_a_provider_that_comes_along_is_taken(install: Install, name: str) -> None:
    point = install("raise AssertionError('it is not even imported')", name=name)
    providers, (plugin,) = await load(point)
    assert providers == []
    assert plugin.reason == "its name is that of a built-in provider"


@pytest.mark.parametrize("name", ["Mine", "my_booth", "-mine", "mine-", "a--b", "1st", "my booth", "public", "x" * 65])
async def test_a_name_that_makes_no_variable_of_its_own_is_refused(install: Install, name: str) -> None:
    providers, (plugin,) = await load(install("raise AssertionError('it is not even imported')", name=name))
    assert providers == []
    assert "its name must consist of" in plugin.reason


async def test_of_two_packages_with_one_name_the_first_holds(install: Install) -> None:
    providers, (plugin,) = await load(install("make = Mine"), install("make = Mine"))
    assert len(providers) == 1
    assert plugin.reason == "another package has a provider of the same name"


async def test_what_is_left_out_is_logged_once_without_a_traceback(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    point = install("raise RuntimeError('no licence')")
    await load(point)
    (record,) = [record for record in caplog.records if record.name == "photochanger.plugins"]
    assert record.levelno == logging.WARNING
    assert record.exc_info is None
    assert f"provider mine of {point.module} skipped: it cannot be imported" in record.getMessage()


async def test_the_packages_of_this_environment_are_looked_at(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [install("make = Mine"), install("make = Mine", name="gemini"), install("", name="Not an id")]
    asked = []

    def installed(**selection: str) -> list[EntryPoint]:
        asked.append(selection)
        return points

    monkeypatch.setattr("importlib.metadata.entry_points", installed)
    providers, skipped = await load_providers(context)
    assert [provider.info.id for provider in providers] == ["mine"]
    assert sorted(plugin.id for plugin in skipped) == ["Not an id", "gemini"]
    assert installed_ids() == ["mine"]
    assert asked == [{"group": "photochanger.providers"}] * 2
