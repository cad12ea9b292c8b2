"""Extensions of the ASGI scope that the server offers to the app."""

from __future__ import annotations

ABORT = "photochanger.abort"
"""The extension that cuts the request's connection."""
