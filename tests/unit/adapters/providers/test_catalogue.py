"""The models of a provider from its data file, with the changes of an operator."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from photochanger.adapters.providers.catalogue import Catalogue, NoPreset, read_catalogue
from photochanger.core.domain.costs.call_cost import ModelInfo, ModelStatus, Price, PriceUnit
from photochanger.core.domain.validation import parse_fields
from photochanger.core.ports.provider import WrongModelsFile

from tests.support.standins.calls import FixedContext


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    field: str
    max_pixels: int = 1000


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prompt: str
    model: str


PRICE = {"what": "picture", "unit": "picture", "usd": "0.0336"}
SHIPPED: dict[str, Any] = {
    "default_model": "painter-2",
    "models": [
        {
            "id": "painter-2",
            "title": "Painter 2",
            "aliases": ["painter-2-20261101"],
            "prices": [PRICE, {"what": "image input", "unit": "million_tokens", "usd": "8"}],
            "source": "https://painter.example/prices",
            "checked": "2026-11-28",
            "preset": {"field": "image_url", "max_pixels": 5},
        },
        {
            "id": "painter-1",
            "status": "retired",
            "retires_on": "2026-10-29",
            "replacement": "painter-2",
            "preset": {"field": "image"},
        },
    ],
}


def read(folder: Path, *, own: object = None, shipped: object = SHIPPED) -> Catalogue[Preset]:
    path = folder / "models.json"
    path.write_text(json.dumps(shipped))
    changes = None
    if own is not None:
        changes = folder / "painter.json"
        changes.write_bytes(own if isinstance(own, bytes) else json.dumps(own).encode())
    return read_catalogue(FixedContext(models_file=changes), path, preset=Preset)


def test_models_are_found_by_id_and_by_alias(tmp_path: Path) -> None:
    catalogue = read(tmp_path)
    model = catalogue.model("painter-2-20261101")
    assert model is not None
    assert model is catalogue.model("painter-2")
    assert model.preset == Preset("image_url", 5)
    assert catalogue.model("painter-3") is None


def test_the_declaration_of_a_provider_is_made_of_it(tmp_path: Path) -> None:
    catalogue = read(tmp_path)
    assert catalogue.infos == (
        ModelInfo(id="painter-2", title="Painter 2", aliases=("painter-2-20261101",)),
        ModelInfo(id="painter-1", status=ModelStatus.RETIRED, retires_on=date(2026, 10, 29), replacement="painter-2"),
    )
    source = {"source": "https://painter.example/prices", "checked": date(2026, 11, 28)}
    assert catalogue.prices == (
        Price(model="painter-2", what="picture", unit=PriceUnit.PICTURE, usd_micros=33_600, **source),
        Price(model="painter-2", what="image input", unit=PriceUnit.MILLION_TOKENS, usd_micros=8_000_000, **source),
    )


def test_prices_are_millionths_of_a_dollar(tmp_path: Path) -> None:
    catalogue = read(tmp_path)
    assert catalogue.price("painter-2-20261101", "picture") == 33_600
    assert catalogue.price("painter-2", "video") is None
    assert catalogue.price("painter-3", "picture") is None


def test_settings_have_the_default_model_and_their_schema_names_the_usable_ones(tmp_path: Path) -> None:
    catalogue = read(tmp_path)
    schema = catalogue.schema(Settings)
    assert schema["required"] == ["prompt"]
    assert schema["properties"]["model"]["default"] == "painter-2"
    assert schema["properties"]["model"]["examples"] == ["painter-2"]
    assert parse_fields(Settings, catalogue.filled({"prompt": "x"})).model == "painter-2"
    assert parse_fields(Settings, catalogue.filled({"prompt": "x", "model": "other"})).model == "other"


def test_an_operator_changes_single_fields_and_adds_models(tmp_path: Path) -> None:
    dearer = PRICE | {"usd": "0.04"}
    own = {
        "default_model": "painter-3",
        "models": [
            {"id": "painter-3", "preset": {"field": "images"}, "prices": [PRICE | {"usd": "1"}]},
            {
                "id": "painter-2",
                "status": "deprecated",
                "preset": {"max_pixels": 9},
                "prices": [dearer],
            },
        ],
    }
    catalogue = read(tmp_path, own=own)
    assert catalogue.default_model == "painter-3"
    assert [model.id for model in catalogue.models] == ["painter-2", "painter-1", "painter-3"]
    changed = catalogue.models[0]
    assert (changed.title, changed.status, changed.preset) == (
        "Painter 2",
        ModelStatus.DEPRECATED,
        Preset("image_url", 9),
    )
    assert catalogue.price("painter-2", "picture") == 40_000
    assert catalogue.price("painter-2", "image input") is None, "a list is replaced as a whole"
    assert catalogue.price("painter-3", "picture") == 1_000_000


def test_an_empty_change_changes_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, own={}).models == read(tmp_path).models


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (b"", "truncated"),
        (b"\xff", "malformed"),
        (b"[" * 100_000, "Expected `object`"),
        (b" " * (1024 * 1024 + 1), "larger than"),
        ([], "Expected `object`"),
        ({"modles": []}, "unknown field `modles`"),
        ({"default_model": "painter-9"}, "default_model: there is no model 'painter-9'"),
        ({"models": [{"title": "x"}]}, "models[0].id"),
        ({"models": [{"id": 7}]}, "models[0].id"),
        ({"models": [{"id": "painter-2"}, {"id": "painter-2"}]}, "models[1].id"),
        ({"models": [{"id": "painter-3"}]}, "model 'painter-3': Object missing required field `field` - at `$.preset`"),
        ({"models": [{"id": "painter-2", "colour": 1}]}, "unknown field `colour`"),
        ({"models": [{"id": "painter-2", "status": "dead"}]}, "`$.status`"),
        ({"models": [{"id": "painter-2", "retires_on": "soon"}]}, "`$.retires_on`"),
        ({"models": [{"id": "painter-2", "prices": [PRICE | {"usd": 0.03}]}]}, "`$.prices[0].usd`"),
        ({"models": [{"id": "painter-2", "prices": [PRICE | {"usd": "-1"}]}]}, "`$.prices[0].usd`"),
        ({"models": [{"id": "painter-2", "prices": [PRICE | {"usd": "0.0000001"}]}]}, "`$.prices[0].usd`"),
        ({"models": [{"id": "painter-2", "prices": [PRICE | {"unit": "hour"}]}]}, "`$.prices[0].unit`"),
        ({"models": [{"id": "painter-2", "preset": {"max_pixels": "9"}}]}, "`$.preset.max_pixels`"),
        ({"models": [{"id": "painter-1", "aliases": ["painter-2"]}]}, "the name 'painter-2' means two models"),
    ],
)
def test_what_cannot_be_read_is_refused_with_file_and_field(tmp_path: Path, own: object, said: str) -> None:
    with pytest.raises(WrongModelsFile) as refused:
        read(tmp_path, own=own)
    assert "PHOTOCHANGER_MODELS_DIR: painter.json: " in str(refused.value)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 1000


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(json.dumps(SHIPPED))
    with pytest.raises(WrongModelsFile, match="cannot be read"):
        read_catalogue(FixedContext(models_file=tmp_path / "gone.json"), tmp_path / "models.json", preset=Preset)


def test_a_long_value_is_cut_and_its_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongModelsFile, match=r"`\$\.status`") as refused:
        read(tmp_path, own={"models": [{"id": "painter-2", "status": "x" * 500_000}]})
    assert len(str(refused.value)) < 1000


def test_models_that_are_all_called_alike_need_no_preset(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"default_model": "a", "models": [{"id": "a"}]}))
    assert read_catalogue(FixedContext(), path, preset=NoPreset).models[0].preset == NoPreset()
