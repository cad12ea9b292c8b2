"""An operation of the `local` provider as a task of a child process: what goes there and comes back."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import msgspec

from ....core.domain.media import Picture
from ....core.ports.provider import ProviderRequest, ProviderResult, Rejected
from ...imaging.children import Answer, Call, Content
from .effects.settings import BackgroundSettings, EnhanceSettings, FrameSettings, OutputSettings, StylizeSettings

WORK = f"{__name__}:perform"

PRELOAD = (f"{__package__}.processing",)
"""Modules that a fork server imports, so that children have them at once."""

SETTINGS: Mapping[str, type[OutputSettings]] = {
    "enhance": EnhanceSettings,
    "stylize": StylizeSettings,
    "frame": FrameSettings,
    "background": BackgroundSettings,
}
"""The operations, with the type of their settings."""

SURCHARGE_PIXELS = 13_000_000
"""What the networks and the calculations with numbers of four bytes count as: 260 MB, whatever the size of the photo.

Measured, in private memory: 410 MiB for `oil` on one megapixel, 580 MiB for `cyber` on eleven; a task may have 256 MiB
and 20 bytes for each pixel.
"""

_PHOTO = ""
"""The key of the photo, where templates have those of their settings."""


class _Facts(msgspec.Struct, frozen=True):
    """A picture without its bytes."""

    key: str
    mime: str
    width: int
    height: int


class _Request(msgspec.Struct, frozen=True):
    """Run an operation on the pictures in the files, which are in this order."""

    operation_id: str
    settings: msgspec.Raw
    pictures: tuple[_Facts, ...]


class _Made(msgspec.Struct, frozen=True, tag=True):
    """The picture is the content that comes with this."""

    remarks: dict[str, Any]


class _Refused(msgspec.Struct, frozen=True, tag=True):
    """The call was Rejected."""

    reason: str


_requests = msgspec.msgpack.Decoder(_Request)
_answers = msgspec.msgpack.Decoder(_Made | _Refused)
_encode = msgspec.msgpack.encode


def encode_request(request: ProviderRequest, settings: OutputSettings) -> tuple[bytes, list[bytes]]:
    """The header and the contents of a task."""
    pictures = {_PHOTO: request.photo, **request.templates}
    facts = tuple(_Facts(key, each.mime, each.width, each.height) for key, each in pictures.items())
    header = _encode(_Request(request.operation_id, msgspec.Raw(_encode(settings)), facts))
    return header, [each.data for each in pictures.values()]


def decode_answer(answer: Content) -> ProviderResult:
    """The answer of `perform`; Rejected where it was that."""
    made = _answers.decode(answer.header)
    if isinstance(made, _Refused):
        raise Rejected(made.reason)
    return ProviderResult(answer.contents[0], made.remarks)


def _pixels(facts: _Facts, max_side: int) -> int:
    """What work on a picture counts as: decoding it, and twice the size at which effects calculate (40 bytes each)."""
    scale = min(max_side / max(facts.width, facts.height, 1), 1.0)
    return int(facts.width * facts.height * (1 + 2 * scale**2))


def perform(call: Call) -> Answer:
    """Run an operation in a child process."""
    request = _requests.decode(call.header)
    settings = msgspec.msgpack.decode(request.settings, type=SETTINGS[request.operation_id])
    call.claim(SURCHARGE_PIXELS + sum(_pixels(facts, settings.max_side) for facts in request.pictures))
    pictures = {
        facts.key: Picture(call.content(index), facts.mime, facts.width, facts.height)
        for index, facts in enumerate(request.pictures)
    }
    processing = importlib.import_module(".processing", __package__)
    try:
        result: ProviderResult = processing.process(request.operation_id, settings, pictures.pop(_PHOTO), pictures)
    except Rejected as error:
        return _encode(_Refused(error.reason)), ()
    return _encode(_Made(dict(result.remarks))), (result.data,)
