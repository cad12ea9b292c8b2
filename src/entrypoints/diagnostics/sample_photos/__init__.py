"""Sample photos like those of cameras: one rotated by EXIF and with GPS data, one HEIC, one of 24 megapixels.

The package contains only small originals (see CREDITS.md), which are enlarged and encoded when they are used.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pyvips
from PIL import ExifTags, Image

_FOLDER = Path(__file__).parent
_GRAIN = 4.0
_QUALITY = 90


class DemoPhoto(msgspec.Struct, frozen=True):
    """A photo file and its special feature, for the demo's table."""

    title: str
    path: Path


def demo_photos(folder: Path) -> list[DemoPhoto]:
    """Write the demo's photos into a folder, created if missing. The HEIC photo needs the extra `heif`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _turned(folder / "portrait.jpg"),
        *([_heic(folder / "pavilion.heic")] if find_spec("pillow_heif") else []),
        _large(folder / "coffee.jpg"),
        _plain(folder / "cat.jpg"),
    ]


def reference_photo() -> bytes:
    """A portrait for testing slots: with a face, rotated by EXIF, with GPS data."""
    with tempfile.TemporaryDirectory(prefix="photochanger-photo-") as folder:
        return _turned(Path(folder) / "portrait.jpg").path.read_bytes()


def _turned(path: Path) -> DemoPhoto:
    """A portrait that the camera stored in landscape: only software that reads EXIF turns it upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "PhotoChanger"
    exif[ExifTags.Base.DateTime] = "2026:06:20 19:42:10"
    exif[ExifTags.Base.GPSInfo] = {
        ExifTags.GPS.GPSLatitudeRef: "N",
        ExifTags.GPS.GPSLatitude: (28.0, 34.0, 24.0),
        ExifTags.GPS.GPSLongitudeRef: "W",
        ExifTags.GPS.GPSLongitude: (80.0, 39.0, 3.0),
    }
    picture = _pillow(_enlarged("portrait.jpg", 1800).rot270())
    picture.save(path, "JPEG", quality=_QUALITY, exif=exif)
    return DemoPhoto("portrait, turned by EXIF, with GPS", path)


def _heic(path: Path) -> DemoPhoto:
    import pillow_heif

    pillow_heif.from_pillow(_pillow(_enlarged("pavilion.jpg", 1920))).save(path, quality=80)
    return DemoPhoto("pavilion, HEIC", path)


def _large(path: Path) -> DemoPhoto:
    _enlarged("coffee.jpg", 6000).jpegsave(str(path), Q=_QUALITY, keep="none")
    return DemoPhoto("coffee, 6000x4000", path)


def _plain(path: Path) -> DemoPhoto:
    _enlarged("cat.jpg", 2000).jpegsave(str(path), Q=_QUALITY, keep="none")
    return DemoPhoto("cat", path)


def _enlarged(name: str, longest: int) -> pyvips.Image:
    """An original at a camera's size, with grain so that it compresses like a photo."""
    image = pyvips.Image.jpegload(str(_FOLDER / name))
    image = image.resize(longest / max(image.width, image.height), kernel="cubic")
    grain = pyvips.Image.gaussnoise(image.width, image.height, mean=0, sigma=_GRAIN, seed=1)
    return (image + grain).cast("uchar").copy(interpretation="srgb")


def _pillow(image: pyvips.Image) -> Image.Image:
    return Image.frombytes("RGB", (image.width, image.height), image.write_to_memory())
