"""The settings of the Replicate operations."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ..hosted import HostedSettings

MAX_WAIT_SECONDS = 60


class ReplicateSettings(HostedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo changed by a model at Replicate as a prompt says."""

    model: Annotated[
        str,
        Meta(
            max_length=200,
            # It becomes a part of the path. (Python's $ also stands before a last line break.)
            pattern=r"^[A-Za-z0-9_-]+/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:[0-9a-f]{64})?(?!\n)$",
            title="Model",
            description=(
                "An official model as owner/name, any other as owner/name:version, such as "
                "black-forest-labs/flux-kontext-pro. Any is accepted here."
            ),
        ),
    ]
    wait: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_WAIT_SECONDS,
            title="Wait",
            description=(
                "Seconds for which the first request is held instead of asking for the result: the picture comes up to "
                "half a second sooner, but if a worker dies meanwhile, the work is paid for twice."
            ),
        ),
    ] = 0
