"""A stand-in of OpenAI's API in an Azure resource: both forms of its addresses, and deployments instead of models."""

from __future__ import annotations

from .openai import KEY, OpenAIStandIn, Wrong, error
from .server import Answer, Received

DEPLOYMENT = "booth-flare"

_VERSIONS = {
    "/openai/v1/images/edits": ("v1", "preview"),
    "/openai/v1/models": ("v1", "preview"),
    f"/openai/deployments/{DEPLOYMENT}/images/edits": ("2025-04-01-preview",),
    "/openai/models": ("2025-04-01-preview",),
}


class AzureStandIn(OpenAIStandIn):
    """Calls are named `call` (images edit) and `models`; the models that it takes are deployments."""

    def __init__(self, *, key: str = KEY) -> None:
        super().__init__(key=key, models=(DEPLOYMENT,))

    def check(self, request: Received) -> Answer | None:
        try:
            if "authorization" in request.headers or request.headers.get("api-key") != self.key:
                raise Wrong(error(401, "Access denied due to invalid subscription key.", code="401"))
            version = request.query.get("api-version")
            if set(request.query) != {"api-version"} or version not in _VERSIONS.get(request.path, ()):
                raise Wrong(error(404, "Resource not found", code="404"))
            if self.call_of(request) == "call":
                self.check_edit(request)
        except Wrong as wrong:
            return wrong.answer
        return None
