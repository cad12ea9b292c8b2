"""The models of a provider: one data file in its package, which an operator can change without a release.

`models.json` lies next to the provider's modules:

    {
      "default_model": "painter-2",
      "models": [
        {
          "id": "painter-2",
          "title": "Painter 2",
          "status": "current",              current, deprecated or retired; with "retires_on" and "replacement"
          "aliases": ["painter-2-20261101"],
          "prices": [{"what": "picture", "unit": "picture", "usd": "0.0336"}],
          "source": "https://…", "checked": "2026-11-28",        where the prices were read, and when
          "preset": {"photo_field": "image_url"}                 whatever the provider needs to call this model
        }
      ]
    }

A provider reads it in its factory. `preset` is a frozen struct of its own (fields without a default are required), or
`NoPreset`:

    catalogue = read_catalogue(context, Path(__file__).with_name("models.json"), preset=Preset)
    catalogue.model("painter-2")                  the entry by id or alias; None if unknown: it may be used all the same
    catalogue.price("painter-2", "picture")       millionths of a US dollar; None if the table has no such line
    catalogue.infos, catalogue.prices             for ProviderInfo.models and ProviderInfo.prices
    catalogue.schema(Settings)                    the settings' JSON Schema with the default model and the known ones
    catalogue.filled(settings)                    settings with the default model where they name none

The operator's file (`ProviderContext.models_file`) has the same form; everything in it may be left out. Models are
merged by id, field by field, `preset` too; a list such as `prices` or `aliases` is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from ...core.domain.costs.call_cost import MICROS_PER_USD, ModelInfo, ModelStatus, Price, PriceUnit
from ...core.ports.provider import ProviderContext, WrongModelsFile
from .schemas import settings_schema

_P = TypeVar("_P", bound=Struct)

MAX_FILE_BYTES = 1024 * 1024

_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Usd = Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?(?!\n)$")]


class NoPreset(Struct, frozen=True, forbid_unknown_fields=True):
    """The preset of models that are all called in the same way."""


class ListPrice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a model's prices; `usd` is a decimal number per unit, to six places."""

    what: _Name
    unit: PriceUnit
    usd: _Usd

    @property
    def usd_micros(self) -> int:
        return int(Decimal(self.usd) * MICROS_PER_USD)


class Model(Struct, Generic[_P], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model as the data file describes it; see ModelInfo."""

    id: _Name
    preset: _P
    title: str = ""
    status: ModelStatus = ModelStatus.CURRENT
    retires_on: date | None = None
    replacement: _Name | None = None
    aliases: tuple[_Name, ...] = ()
    prices: tuple[ListPrice, ...] = ()
    source: str | None = None
    checked: date | None = None

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(
            id=self.id,
            title=self.title,
            status=self.status,
            aliases=self.aliases,
            retires_on=self.retires_on,
            replacement=self.replacement,
        )


class Catalogue(Generic[_P]):
    """The models that a provider knows, in the order of its data file, and the one that it uses by default."""

    def __init__(self, *, default_model: str, models: tuple[Model[_P], ...]) -> None:
        """Raises ValueError where a name means two models, or the default none."""
        self.default_model = default_model
        self.models = models
        self._by_name: dict[str, Model[_P]] = {}
        for model in models:
            for name in (model.id, *model.aliases):
                if self._by_name.setdefault(name, model) is not model:
                    raise ValueError(f"the name {name!r} means two models")
        if default_model not in self._by_name:
            raise ValueError(f"default_model: there is no model {default_model!r}")

    def model(self, name: str) -> Model[_P] | None:
        """Return the model with this id or alias; None if unknown."""
        return self._by_name.get(name)

    def price(self, name: str, what: str) -> int | None:
        """Return a price of the model with this id or alias, in millionths of a US dollar; None if unknown."""
        model = self.model(name)
        lines = model.prices if model else ()
        return next((line.usd_micros for line in lines if line.what == what), None)

    @property
    def infos(self) -> tuple[ModelInfo, ...]:
        return tuple(model.info for model in self.models)

    @property
    def prices(self) -> tuple[Price, ...]:
        return tuple(
            Price(
                model=model.id,
                what=line.what,
                unit=line.unit,
                usd_micros=line.usd_micros,
                source=model.source,
                checked=model.checked,
            )
            for model in self.models
            for line in model.prices
        )

    def schema(self, settings: type[Struct]) -> dict[str, Any]:
        """Return the JSON Schema of settings whose required `model` has the default of this catalogue."""
        schema = settings_schema(settings)
        usable = [model.id for model in self.models if model.status is not ModelStatus.RETIRED]
        schema["properties"]["model"] |= {"default": self.default_model, "examples": usable}
        schema["required"] = [name for name in schema["required"] if name != "model"]
        return schema

    def filled(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings with the default model where they name none."""
        return {"model": self.default_model, **settings}


def read_catalogue(context: ProviderContext, shipped: Path, *, preset: type[_P]) -> Catalogue[_P]:
    """Read the data file of a provider and the operator's changes. WrongModelsFile names the file and the field."""
    default, models = _document(shipped)
    own = context.models_file
    own_default, own_models = (None, {}) if own is None else _document(own)
    merged = {id: _merged(models.get(id, {}), own_models.get(id, {})) for id in {**models, **own_models}}
    try:
        return Catalogue(
            default_model=own_default or default or "",
            models=tuple(
                _converted(model, preset, own if own is not None and id in own_models else shipped)
                for id, model in merged.items()
            ),
        )
    except ValueError as error:
        raise WrongModelsFile(own or shipped, str(error)) from None


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    models: list[dict[str, Any]] = []
    default_model: _Name | None = None


def _document(path: Path) -> tuple[str | None, dict[str, dict[str, Any]]]:
    """Return the default and the models by id, as they are written."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise WrongModelsFile(path, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise WrongModelsFile(path, f"is larger than {MAX_FILE_BYTES} bytes")
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WrongModelsFile(path, _said(error)) from None
    models: dict[str, dict[str, Any]] = {}
    for position, model in enumerate(document.models):
        id = model.get("id")
        if not isinstance(id, str) or not id:
            raise WrongModelsFile(path, f"models[{position}].id is missing or is no text")
        if id in models:
            raise WrongModelsFile(path, f"models[{position}].id: the model {id[:200]!r} is there twice")
        models[id] = model
    return document.default_model, models


def _merged(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**shipped, **own}
    preset, changes = shipped.get("preset"), own.get("preset")
    if isinstance(preset, dict) and isinstance(changes, dict):
        merged["preset"] = {**preset, **changes}
    return merged


def _converted(model: Mapping[str, Any], preset: type[_P], path: Path) -> Model[_P]:
    kind = Model[preset]  # type: ignore[valid-type]
    try:
        return msgspec.convert({"preset": {}, **model}, kind)
    except msgspec.ValidationError as error:
        raise WrongModelsFile(path, f"model {str(model['id'])[:200]!r}: {_said(error)}") from None


def _said(error: Exception) -> str:
    """What is wrong: the start, and the end, where the field is named."""
    text = str(error)
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]}"
