"""Pictures: what is done to a photo and to a result, next to one streaming libvips pipeline to the same size.

Each pair is run in turn, so that both meet the same machine. The pipeline looks for no metadata, colours or damage.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_heif
import pyvips
from photochanger.adapters.imaging import operations
from photochanger.core.domain.media import PREVIEW_SIDE, ImageLimits, PictureNeeds
from PIL import Image

from tests.support import photos

_SIZES = {"24 MP": (6_000, 4_000), "2.7 MP": (2_000, 1_336)}
_SMALLER = {"24 MP": 4_000_000, "2.7 MP": 1_200_000}
_ANY = 100_000_000
_BYTES = 64 * 2**20
_QUALITY = 92
_TURNED = 6


def measure(folder: Path, *, runs: int = 7) -> dict[str, Any]:
    """Milliseconds of ours and of the pipeline (best of `runs`), and the medians of the ratios of pairs."""
    rows = []
    for size, (width, height) in _SIZES.items():
        for name, data in _pictures(width, height).items():
            path = folder / "photo"
            path.write_bytes(data)
            rows.append(_row(f"{name}, {size}, smaller", path, _SMALLER[size], runs))
            rows.append(_with_preview(f"{name}, {size}, smaller, and preview", path, _SMALLER[size], runs))
            if name == "JPEG turned":
                rows.append(_row(f"{name}, {size}, same size", path, _ANY, runs))
            elif name != "HEIC":
                rows.append(_row(f"{name}, {size}, fits", path, _ANY, runs))
    width, height = _SIZES["2.7 MP"]
    for name, data in _pictures(width, height).items():
        rows.append(_answer(f"answer and preview: {name}, 2.7 MP", data, runs))
        rows.append(_preview(f"preview: {name}, 2.7 MP", data, runs))
    return {"rows": rows}


def _pictures(width: int, height: int) -> dict[str, bytes]:
    scene = photos.scene(width, height)
    heic = io.BytesIO()
    pillow_heif.from_pillow(scene).save(heic, quality=70)
    turned = Image.Exif()
    turned[0x0112] = _TURNED
    return {
        "JPEG": photos.encoded(scene, "JPEG", quality=_QUALITY),
        "JPEG turned": photos.encoded(scene, "JPEG", quality=_QUALITY, exif=turned),
        "JPEG progressive": photos.encoded(scene, "JPEG", quality=_QUALITY, progressive=True),
        "PNG": photos.encoded(scene, "PNG", compress_level=3),
        "WebP": photos.encoded(scene, "WEBP", quality=85, method=1),
        "HEIC": heic.getvalue(),
    }


def _row(name: str, path: Path, max_pixels: int, runs: int) -> dict[str, Any]:
    kinds = ("image/jpeg", "image/png", "image/webp") if max_pixels == _ANY else ("image/jpeg",)
    needs = PictureNeeds(kinds, _BYTES, max_pixels, quality=_QUALITY)
    made = operations.prepare(path, needs)
    side = max(made.width, made.height)
    return _pair(
        name, lambda: operations.prepare(path, needs), lambda: _pipeline(path.read_bytes(), made.mime, side), runs
    )


def _with_preview(name: str, path: Path, max_pixels: int, runs: int) -> dict[str, Any]:
    """What a job does to its photo, next to a pipeline for each of the two pictures."""
    needs = PictureNeeds(("image/jpeg",), _BYTES, max_pixels, quality=_QUALITY)
    made = operations.prepare(path, needs)
    return _pair(
        name,
        lambda: operations.prepare_with_preview(path, needs).preview(),
        lambda: _two_pipelines(path.read_bytes(), made.mime, max(made.width, made.height)),
        runs,
    )


def _answer(name: str, data: bytes, runs: int) -> dict[str, Any]:
    limits = ImageLimits(max_pixels=_ANY)
    made = operations.normalise(data, limits).picture
    side = max(made.width, made.height)
    return _pair(
        name, lambda: operations.normalise(data, limits).preview(), lambda: _two_pipelines(data, made.mime, side), runs
    )


def _preview(name: str, data: bytes, runs: int) -> dict[str, Any]:
    return _pair(name, lambda: operations.preview(data), lambda: _pipeline(data, "image/webp", PREVIEW_SIDE), runs)


def _two_pipelines(data: bytes, mime: str, side: int) -> None:
    """A picture of this size, and its preview."""
    _pipeline(_pipeline(data, mime, side), "image/webp", PREVIEW_SIDE)


def _pipeline(data: bytes, mime: str, side: int) -> bytes:
    if data[4:8] == b"ftyp":  # libvips' wheel has no decoder for it
        opened = pillow_heif.open_heif(io.BytesIO(data))
        decoded = pyvips.Image.new_from_memory(opened.data, opened.stride // 3, opened.size[1], 3, "uchar")
        image = decoded.copy(interpretation="srgb").thumbnail_image(side, height=side, size="down")
    else:
        image = pyvips.Image.thumbnail_buffer(data, side, height=side, size="down")
    if mime == "image/jpeg":
        return bytes(image.jpegsave_buffer(Q=_QUALITY, keep="none"))
    if mime == "image/webp":
        return bytes(image.webpsave_buffer(Q=80, effort=2, keep="none"))
    return bytes(image.pngsave_buffer(compression=4, keep="none"))


def _pair(name: str, ours: Callable[[], object], pipeline: Callable[[], object], runs: int) -> dict[str, Any]:
    pairs = [(_timed(ours), _timed(pipeline)) for _ in range(runs)]
    return {
        "picture": name,
        "ours_ms": round(min(pair[0][0] for pair in pairs), 1),
        "pipeline_ms": round(min(pair[1][0] for pair in pairs), 1),
        "ours_cpu_ms": round(min(pair[0][1] for pair in pairs), 1),
        "pipeline_cpu_ms": round(min(pair[1][1] for pair in pairs), 1),
        "ratio": round(statistics.median(ours[0] / theirs[0] for ours, theirs in pairs), 2),
        "cpu_ratio": round(statistics.median(ours[1] / theirs[1] for ours, theirs in pairs), 2),
    }


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds, and those of CPU in all threads."""
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - started) * 1_000, (time.process_time() - cpu) * 1_000
