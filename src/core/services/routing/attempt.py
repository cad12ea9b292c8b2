"""One call to a provider: its answer becomes a stored picture, or an error that says what the call was worth."""

from __future__ import annotations

import logging
import traceback
from datetime import datetime, timedelta

import msgspec

from ...domain.errors import (
    ImageTooLarge,
    InvalidSettings,
    StorageUnavailable,
    UndecodableImage,
    UnsupportedMediaType,
)
from ...domain.media import StoredPicture
from ...domain.provider_usage import CallOutcome, CallRecord
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
from ...ports.telemetry import Fact
from .entry_state import EntryState
from .inputs import JobInputs
from .outcome import EndedCall, RoutePicture

_log = logging.getLogger("photochanger.routing")


class TooSlow(Down):
    """The call was given up while there was still time for another one."""

    verdict = "timeout"


class Crashed(Unavailable):
    """A fault of the provider's own code."""

    verdict = "crashed"


class Attempt(msgspec.Struct, frozen=True):
    """A call to an entry; `call` counts the entry's calls from 1, `started` is a moment of `Clock.monotonic`."""

    state: EntryState
    call: int
    started_at: datetime
    started: timedelta

    def facts(self) -> dict[str, Fact]:
        """Return what a trace shows of it."""
        entry = self.state.entry
        return {
            "entry": self.state.index,
            "call": self.call,
            "provider": entry.provider_id,
            "operation": entry.operation_id,
        }

    def ended(self, outcome: CallOutcome, duration: timedelta) -> EndedCall:
        """Return the report of its end."""
        entry = self.state.entry
        record = CallRecord(entry.operation_id, outcome, duration, self.state.counted)
        return EndedCall(self.state.index, entry.provider_id, record)


async def make_picture(provider: Provider, request: ProviderRequest, inputs: JobInputs) -> RoutePicture:
    """Call the provider and store its picture. Raises ProviderError and StorageUnavailable, whatever goes wrong."""
    try:
        result = await _process(provider, request)
        picture = await _store(result, inputs)
    except InvalidSettings as error:
        raise Rejected(error.detail) from error
    except (ProviderError, StorageUnavailable):
        raise
    except Exception as error:
        # A fault of a provider must not cost the guest the other entries of the route. The text of the error may hold
        # anything, keys included, so only the place is logged.
        where = "".join(traceback.format_tb(error.__traceback__))
        name = type(error).__name__
        _log.error("provider %s failed with an unforeseen error: %s\n%s", provider.info.id, name, where)
        raise Crashed(name) from None
    return RoutePicture(picture, provider.info.id, request.operation_id, result.remarks)


async def _process(provider: Provider, request: ProviderRequest) -> ProviderResult:
    """Call the provider. A TimeoutError that it raises itself means that the network was slow."""
    try:
        return await provider.process(request)
    except TimeoutError as error:
        raise Down("The provider did not answer within its own time limit.") from error


async def _store(result: ProviderResult, inputs: JobInputs) -> StoredPicture:
    """Verify and store an answer: providers do label text and broken files `image/png`."""
    try:
        return await inputs.store_picture(result.data)
    except (UnsupportedMediaType, UndecodableImage, ImageTooLarge) as error:
        raise Retryable(f"The provider's answer is not a usable picture: {error.detail}") from error
