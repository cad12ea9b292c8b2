"""IDs in paths: handlers declare them as UUID, and a malformed one is not found, as an unknown one."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import ValidationException
from litestar.response.base import Response

from ....core.domain.errors import MediaNotFound, PhotoChangerError
from .problems import Problem, handle_domain_error

UNKNOWN_ID = "unknown_id"
"""The key of a handler's `opt` for the error that a malformed ID is answered with; by default MediaNotFound."""


def handle_malformed_id(request: Request[Any, Any, Any], error: ValidationException) -> Response[Problem]:
    """The response to a path parameter that does not fit its type: nothing else is validated by the framework."""
    unknown: PhotoChangerError = request.route_handler.opt.get(UNKNOWN_ID) or MediaNotFound("File not found.")
    return handle_domain_error(request, unknown)
