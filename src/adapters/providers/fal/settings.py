"""The settings of the fal operations."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ..hosted import HostedSettings


class FalSettings(HostedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo changed by a model at fal as a prompt says."""

    model: Annotated[
        str,
        Meta(
            max_length=200,
            # It becomes the path. (Python's $ also stands before a last line break.)
            pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)+(?!\n)$",
            title="Model",
            description="Id of a model that edits pictures, such as fal-ai/flux-2-pro/edit. Any is accepted here.",
        ),
    ]
