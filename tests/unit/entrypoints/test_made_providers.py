"""The providers of a process: all that come along are there, and each gets its own key and address and no other's."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from photochanger.adapters.memory import FakeClock, MemorySecretRepository
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.errors import ConfigurationError
from photochanger.core.services.providers.api_keys import ProviderKeys
from photochanger.entrypoints.builtin_providers import ModelsFolder, ServiceContext, make_providers
from photochanger.entrypoints.config import Settings
from photochanger.entrypoints.provider_plugins import BUILT_IN, GROUP

from tests.support.picture_work import InProcess

pytestmark = pytest.mark.anyio

SETTINGS = Settings(
    provider_keys={"gemini": "key of gemini", "openai": "key of openai"},
    provider_base_urls={"openai": "http://127.0.0.1:9/v1"},
    private_hosts=("10.0.0.0/8",),
)


def keys() -> ProviderKeys:
    box = AesSecretBox(lambda: "the secret of this service, which is long enough")
    return ProviderKeys(MemorySecretRepository(), box, FakeClock(), environment=SETTINGS.provider_keys)


async def test_all_that_come_along_are_made_without_a_key_or_a_network() -> None:
    made = await make_providers(Settings(), keys(), InProcess())
    assert {provider.info.id for provider in made.providers} >= set(BUILT_IN)
    for provider in made.providers:
        await provider.close()


def test_their_modules_do_not_load_what_only_their_calls_need() -> None:
    look = (
        "import sys, photochanger.entrypoints.builtin_providers\n"
        "heavy = {'google.genai', 'openai', 'pydantic', 'cryptography'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run((sys.executable, "-c", look), check=True)


async def test_each_gets_its_own_key_and_address() -> None:
    service = keys()
    gemini, openai, http = (
        ServiceContext(id, SETTINGS, service, ModelsFolder(None)) for id in ("gemini", "openai", "http")
    )
    assert [await one.key() for one in (gemini, openai, http)] == ["key of gemini", "key of openai", None]
    assert [one.base_url for one in (gemini, openai, http)] == [None, "http://127.0.0.1:9/v1", None]
    assert gemini.private_hosts == ("10.0.0.0/8",)
    await service.set("http", "stored for http", by=COMMAND_LINE)
    assert await http.key() == "stored for http"
    assert "key of" not in repr(gemini)


async def test_an_installed_plugin_is_added_and_a_broken_one_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doubled_local.py").write_text(
        "import msgspec\n"
        "from photochanger.adapters.providers.local.provider import LocalProvider\n"
        "class Doubled(LocalProvider):\n"
        "    def __init__(self, context):\n"
        "        super().__init__(children=None)\n"
        "    info = property(lambda self: msgspec.structs.replace(super().info, id='doubled'))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = [EntryPoint("doubled", "doubled_local:Doubled", GROUP), EntryPoint("gone", "gone_away:Gone", GROUP)]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **selection: found)
    made = await make_providers(SETTINGS, keys(), InProcess())
    assert made.providers[-1].info.id == "doubled"
    assert [plugin.id for plugin in made.skipped] == ["gone"]
    for provider in made.providers:
        await provider.close()


PLUGIN = (
    "import json, msgspec, pathlib\n"
    "from photochanger.adapters.providers.catalogue import NoPreset, read_catalogue\n"
    "from photochanger.adapters.providers.local.provider import LocalProvider\n"
    "class Painting(LocalProvider):\n"
    "    def __init__(self, context):\n"
    "        super().__init__(children=None)\n"
    "        shipped = pathlib.Path(__file__).with_name('models.json')\n"
    "        self.models = read_catalogue(context, shipped, preset=NoPreset).infos\n"
    "    info = property(lambda self: msgspec.structs.replace(super().info, id='painting', models=self.models))\n"
)


@pytest.fixture
def painting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with a data file of models; the folder of the operator's changes."""
    (tmp_path / "painting_models.py").write_text(PLUGIN)
    (tmp_path / "models.json").write_text('{"default_model": "a", "models": [{"id": "a", "title": "A"}]}')
    monkeypatch.syspath_prepend(str(tmp_path))
    found = [EntryPoint("painting", "painting_models:Painting", GROUP), EntryPoint("gone", "gone_away:Gone", GROUP)]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **selection: found)
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


async def test_models_are_changed_by_the_files_of_the_operator(painting: Path) -> None:
    (painting / "painting.json").write_text('{"models": [{"id": "a", "title": "Changed"}]}')
    (painting / "gone.json").write_text("{}")  # of a package that is broken anyway
    made = await make_providers(Settings(models_dir=painting), keys(), InProcess())
    assert [model.title for model in made.providers[-1].info.models] == ["Changed"]
    for provider in made.providers:
        await provider.close()


@pytest.mark.parametrize(
    ("name", "said"), [("painting", "painting.json: model 'a'"), ("paintign", "paintign.json: there is no provider")]
)
async def test_a_wrong_file_of_models_refuses_the_start(painting: Path, name: str, said: str) -> None:
    (painting / f"{name}.json").write_text('{"models": [{"id": "a", "status": "dead"}]}')
    with pytest.raises(ConfigurationError, match=said):
        await make_providers(Settings(models_dir=painting), keys(), InProcess())
