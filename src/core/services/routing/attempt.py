"""One call to a provider: its answer becomes a stored picture, or an error that says what the call was worth."""

from __future__ import annotations

import logging
import traceback

from ...domain.errors import (
    ImageTooLarge,
    InvalidSettings,
    QueueUnavailable,
    StorageUnavailable,
    UndecodableImage,
    UnsupportedMediaType,
)
from ...domain.media import StoredPicture
from ...domain.outside_text import cut_json
from ...domain.routing.failure_cause import FailureCause
from ...ports.image_tool import LaterPreview
from ...ports.provider import (
    Down,
    Provider,
    ProviderError,
    ProviderRequest,
    ProviderResult,
    Rejected,
    Retryable,
    Unavailable,
)
from .call_meter import CallMeter, shown_model
from .inputs import JobInputs
from .outcome import RoutePicture

_log = logging.getLogger("photochanger.routing")

_SEEDS = 2**64
"""Seeds from 0 up to this are kept: what services use, and JSON of every reader can hold as an integer."""


class TooSlow(Down):
    """The call was given up while there was still time for another one."""

    verdict = "timeout"
    usual_cause = FailureCause.TOO_SLOW


class Crashed(Unavailable):
    """A fault of the provider's own code."""

    verdict = "crashed"
    usual_cause = FailureCause.CRASHED


class StorageFault(Retryable):
    """The media store did not have what the call needs, or did not take its picture. No fault of the provider."""

    usual_cause = FailureCause.STORAGE_FAILED


async def make_picture(
    provider: Provider, request: ProviderRequest, inputs: JobInputs, meter: CallMeter
) -> RoutePicture:
    """Call the provider, note what that cost, and store its picture. Raises ProviderError, StorageUnavailable, and
    QueueUnavailable where its key cannot be read, whatever goes wrong."""
    try:
        result = await _process(provider, request, meter)
        picture, preview = await _store(result, inputs)
    except InvalidSettings as error:
        raise Rejected(error.detail, cause=FailureCause.SETTINGS_INVALID) from error
    except (ProviderError, StorageUnavailable, QueueUnavailable):
        raise
    except Exception as error:
        # A fault of a provider must not cost the guest the other entries of the route. The text of the error may hold
        # anything, keys included, so only the place is logged.
        where = "".join(traceback.format_tb(error.__traceback__))
        name = type(error).__name__
        _log.error("provider %s failed with an unforeseen error: %s\n%s", provider.info.id, name, where)
        raise Crashed(name) from None
    seed = result.seed
    return RoutePicture(
        picture,
        provider.info.id,
        request.operation_id,
        cut_json(result.remarks),
        preview=preview,
        model=shown_model(result.model),
        seed=seed if isinstance(seed, int) and 0 <= seed < _SEEDS else None,
    )


async def _process(provider: Provider, request: ProviderRequest, meter: CallMeter) -> ProviderResult:
    """Call the provider. A TimeoutError that it raises itself means that the network was slow."""
    meter.sent()
    try:
        result = await provider.process(request)
    except QueueUnavailable:  # its key could not be read
        meter.not_sent()
        raise
    except InvalidSettings:
        meter.failed()
        raise
    except ProviderError as error:
        meter.failed(error)
        raise
    except TimeoutError as error:
        reason = "The provider did not answer within its own time limit."
        raise Down(reason, cause=FailureCause.NO_ANSWER) from error
    meter.answered(result)
    return result


async def _store(result: ProviderResult, inputs: JobInputs) -> tuple[StoredPicture, LaterPreview]:
    """Normalise and store an answer: providers do label text and broken files `image/png`."""
    try:
        return await inputs.store_picture(result.data)
    except (UnsupportedMediaType, UndecodableImage, ImageTooLarge) as error:
        reason = f"The provider's answer is not a usable picture: {error.detail}"
        raise Retryable(reason, cause=FailureCause.PICTURE_UNUSABLE) from error
