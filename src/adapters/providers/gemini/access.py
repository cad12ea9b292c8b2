"""Where and as whom Gemini is called: the Gemini API with an API key, or Vertex AI, mostly as a service account.

The key decides: the JSON file of a service account means Vertex AI, at the location that the base URL names
(`https://europe-west4-aiplatform.googleapis.com`, or any address that ends in `/projects/P/locations/L`) or worldwide,
and in the account's project. An API key means the Gemini API, or Vertex AI where the base URL is Vertex AI's.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from ....core.domain.routing.provider_check import ProviderFindingCode
from ....core.ports.provider import NotConfigured

SERVICE_URL = "https://generativelanguage.googleapis.com"
VERTEX_URL = "https://aiplatform.googleapis.com"

_VERSION = "v1"
_VERTEX_VERSION = "v1beta1"
_WORLDWIDE = "global"
_PUBLISHER = "publishers/google/models"
_REGIONAL_HOST = re.compile(r"([a-z0-9-]{1,40})-aiplatform\.googleapis\.com")
_PLACE = re.compile(r"(.*)/projects/([^/]{1,100})/locations/([^/]{1,60})")
_VERSIONED = re.compile(r".*/v[0-9][a-z0-9]*")


class ServiceAccount(Struct, frozen=True, kw_only=True):
    """The key file of a service account, as far as it matters here."""

    type: str
    project_id: str
    client_email: str
    private_key: str
    token_uri: str = "https://oauth2.googleapis.com/token"

    def __repr__(self) -> str:
        return "ServiceAccount()"


class Access(Struct, frozen=True, kw_only=True):
    """The addresses of a service and the headers of a caller.

    Attributes:
        models_url: what `/{model}:generateContent` follows.
        list_url: the list of models; on Vertex AI what `/{model}` follows.
        secret: the key or token in the headers, which no log may show.
        on_vertex: whether it is Vertex AI, which keeps no files and lists no models.
        renewable: whether the secret is a token, so that a new one may be accepted where it is not.
    """

    models_url: str
    list_url: str
    headers: dict[str, str]
    secret: str
    on_vertex: bool = False
    renewable: bool = False

    def __repr__(self) -> str:
        return f"Access(on_vertex={self.on_vertex})"


def service_account(key: str) -> ServiceAccount | None:
    """Return the service account that a key is; None for an API key. NotConfigured for any other JSON."""
    if not key.lstrip().startswith("{"):
        return None
    try:
        account = msgspec.json.decode(key, type=ServiceAccount)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        account = None
    if account is None or account.type != "service_account":
        reason = "The key of Gemini is JSON, but not the key file of a service account. Set the whole file as the key."
        raise NotConfigured(reason, finding=ProviderFindingCode.KEY_UNREADABLE)
    return account


def with_api_key(key: str, base_url: str | None) -> Access:
    """Return the access with an API key: to the Gemini API, or to Vertex AI where the base URL is Vertex AI's."""
    headers = {"X-Goog-Api-Key": key}
    url = (base_url or SERVICE_URL).rstrip("/")
    if (urlsplit(url).hostname or "").endswith("aiplatform.googleapis.com"):
        models = f"{_versioned(url)}/{_PUBLISHER}"
        return Access(models_url=models, list_url=models, headers=headers, secret=key, on_vertex=True)
    models = f"{url}/{_VERSION}"
    return Access(models_url=models, list_url=f"{models}/models", headers=headers, secret=key)


def with_token(token: str, account: ServiceAccount, base_url: str | None) -> Access:
    """Return the access to Vertex AI with an OAuth token of a service account."""
    url, project, location = _place(base_url, account)
    models = f"{url}/projects/{quote(project, safe=':')}/locations/{quote(location, safe='')}/{_PUBLISHER}"
    return Access(
        models_url=models,
        list_url=f"{url}/{_PUBLISHER}",
        headers={"Authorization": f"Bearer {token}"},
        secret=token,
        on_vertex=True,
        renewable=True,
    )


def _place(base_url: str | None, account: ServiceAccount) -> tuple[str, str, str]:
    """The address with its version, the project and the location."""
    url = (base_url or VERTEX_URL).rstrip("/")
    if (named := _PLACE.fullmatch(url)) is not None:
        return _versioned(named[1]), named[2], named[3]
    regional = _REGIONAL_HOST.fullmatch(urlsplit(url).hostname or "")
    return _versioned(url), account.project_id, regional[1] if regional else _WORLDWIDE


def _versioned(url: str) -> str:
    return url if _VERSIONED.fullmatch(url) else f"{url}/{_VERTEX_VERSION}"
