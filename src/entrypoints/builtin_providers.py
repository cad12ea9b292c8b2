"""All providers of this process, built-in and from installed packages, each with its context."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from ..adapters.imaging import ChildPool, ForkServer, picture_tasks
from ..adapters.providers.bfl.provider import BflProvider
from ..adapters.providers.comfyui.provider import ComfyuiProvider
from ..adapters.providers.fal.provider import FalProvider
from ..adapters.providers.gemini.provider import GeminiProvider
from ..adapters.providers.http.provider import HttpProvider
from ..adapters.providers.local import task as local_task
from ..adapters.providers.local.provider import LocalProvider
from ..adapters.providers.openai.provider import OpenAIProvider
from ..adapters.providers.replicate.provider import ReplicateProvider
from ..adapters.providers.turbotext.provider import TurbotextProvider
from ..core.ports.provider import Provider, ProviderContext, ProviderFactory, WrongModelsFile
from ..core.services.providers.api_keys import ProviderKeys
from .config import Settings
from .provider_plugins import SkippedPlugin, load_providers

REMOTE: dict[str, ProviderFactory] = {
    "bfl": BflProvider,
    "comfyui": ComfyuiProvider,
    "fal": FalProvider,
    "gemini": GeminiProvider,
    "http": HttpProvider,
    "openai": OpenAIProvider,
    "replicate": ReplicateProvider,
    "turbotext": TurbotextProvider,
}
"""The built-in providers of remote services. Libraries that only their calls need are loaded by the first call."""


@asynccontextmanager
async def picture_processes() -> AsyncIterator[ChildPool]:
    """The child processes for pictures, with the modules of all their tasks; ended with the block."""
    server = ForkServer((*picture_tasks.PRELOAD, *local_task.PRELOAD))
    children = ChildPool(server)
    try:
        yield children
    finally:
        await children.close()
        await asyncio.to_thread(server.close)


class Providers(msgspec.Struct, frozen=True):
    """The providers of this process, and the installed ones that could not be used."""

    providers: tuple[Provider, ...]
    skipped: tuple[SkippedPlugin, ...] = ()


class ModelsFolder:
    """The files of models in the folder that the operator named, each of one provider."""

    def __init__(self, folder: Path | None) -> None:
        """Raises WrongModelsFile where the folder cannot be read."""
        try:
            paths = () if folder is None else sorted(folder.glob("*.json"))
        except OSError as error:
            raise WrongModelsFile(folder or Path(), f"cannot be read: {error.strerror}") from None
        self._unused = {path.stem: path for path in paths}
        self._files = dict(self._unused)

    def file_of(self, provider_id: str) -> Path | None:
        self._unused.pop(provider_id, None)
        return self._files.get(provider_id)

    def refuse_unused(self, *, but: Collection[str]) -> None:
        """Raise WrongModelsFile for a file that no provider has asked for; `but` are providers that failed before."""
        for provider_id, path in self._unused.items():
            if provider_id not in but:
                raise WrongModelsFile(path, f"there is no provider {provider_id[:64]!r} that reads models. Rename it.")


class ServiceContext:
    """The ProviderContext of one provider in this service."""

    def __init__(self, provider_id: str, settings: Settings, keys: ProviderKeys, models: ModelsFolder) -> None:
        self._provider_id = provider_id
        self._settings = settings
        self._keys = keys
        self._models = models

    def __repr__(self) -> str:
        return f"ServiceContext({self._provider_id})"

    @property
    def base_url(self) -> str | None:
        return self._settings.provider_base_urls.get(self._provider_id)

    @property
    def private_hosts(self) -> tuple[str, ...]:
        return self._settings.private_hosts

    @property
    def models_file(self) -> Path | None:
        return self._models.file_of(self._provider_id)

    async def key(self) -> str | None:
        return await self._keys.key(self._provider_id)


async def make_providers(settings: Settings, keys: ProviderKeys, children: ChildPool) -> Providers:
    """Make all providers; invalid packages are skipped. `children` do the work of the one on this machine.

    WrongModelsFile where a file of the operator's folder of models cannot be used.
    """
    models = await asyncio.to_thread(ModelsFolder, settings.models_dir)

    def context(provider_id: str) -> ProviderContext:
        return ServiceContext(provider_id, settings, keys, models)

    built_in: list[Provider] = [LocalProvider(children)]
    built_in += [factory(context(provider_id)) for provider_id, factory in REMOTE.items()]
    installed, skipped = await load_providers(context)
    models.refuse_unused(but={plugin.id for plugin in skipped})
    return Providers((*built_in, *installed), tuple(skipped))
