"""Where and as whom OpenAI's API is called: at OpenAI, at a compatible gateway, or in an Azure resource.

The base URL decides. It means Azure where its host is one of Azure's, where its path names a deployment
(`/openai/deployments/NAME`), or where it names an API version (`?api-version=v1`); then the key is sent as `api-key`
and the model is the name of a deployment. Any other address gets the key as a bearer token.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

SERVICE_URL = "https://api.openai.com/v1"

_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_DEPLOYMENTS = "/openai/deployments/"
_AZURE_PATH = "/openai/v1"
_CURRENT_VERSION = "v1"
_DEPLOYMENT_VERSION = "2025-04-01-preview"
"""The API version of addresses with a deployment in them, where the base URL names none."""


class Access(Struct, frozen=True, kw_only=True):
    """The addresses of a service and the headers of a caller.

    `on_azure`: models are deployments, which the list of models does not name.
    """

    edits_url: str
    models_url: str
    headers: dict[str, str]
    on_azure: bool = False

    def __repr__(self) -> str:
        return f"Access(on_azure={self.on_azure})"


def access_with(key: str, base_url: str | None) -> Access:
    """Return the access with this key at this address; None: OpenAI's own."""
    parts = urlsplit(base_url or SERVICE_URL)
    versions = parse_qs(parts.query).get("api-version", [])
    path = parts.path.rstrip("/")
    url = f"{parts.scheme}://{parts.netloc}{path}"
    on_azure = bool(versions) or (parts.hostname or "").endswith(_AZURE_HOSTS) or _DEPLOYMENTS in path
    if not on_azure:
        headers = {"Authorization": f"Bearer {key}"}
        return Access(edits_url=f"{url}/images/edits", models_url=f"{url}/models", headers=headers)
    if "/openai" not in path:
        url += _AZURE_PATH
    root, deployment, _ = url.partition(_DEPLOYMENTS)
    version = versions[0] if versions else _DEPLOYMENT_VERSION if deployment else _CURRENT_VERSION
    models = f"{root}/openai/models" if deployment else f"{url}/models"
    return Access(
        edits_url=f"{url}/images/edits?api-version={version}",
        models_url=f"{models}?api-version={version}",
        headers={"api-key": key},
        on_azure=True,
    )
