"""OAuth tokens of service accounts: a signed request for one, kept until shortly before it expires (RFC 7523)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from urllib.parse import urlencode

from msgspec import Struct

from ....core.domain.outside_text import word
from ....core.domain.routing.provider_check import ProviderFindingCode
from ....core.ports.provider import Down, NotConfigured, ProviderError, Retryable
from ...http_client.client import fits_header
from ...http_client.messages import HttpRequest
from ...http_client.retry_after import retry_after
from ...system_clock import SYSTEM_CLOCK
from ..wire import JsonAnswer, RemoteService, decoded
from .access import ServiceAccount

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_REQUEST_LIFETIME = timedelta(hours=1)
_RENEWED_BEFORE_END = timedelta(minutes=5)
_USUAL_LIFETIME_SECONDS = 3600
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class _Token(Struct, frozen=True):
    account: ServiceAccount
    text: str
    usable_until: timedelta

    def __repr__(self) -> str:
        return "_Token()"


class AccountTokens:
    """The tokens of the service account in use."""

    def __init__(self, service: RemoteService) -> None:
        self._service = service
        self._renewing = asyncio.Lock()
        self._token: _Token | None = None

    async def token(self, account: ServiceAccount, *, until: datetime, refused: str | None = None) -> str:
        """Return a token, a new one if there is none or if the service has `refused` this one; raises ProviderError."""
        async with self._renewing:
            kept = self._token
            usable = kept is not None and SYSTEM_CLOCK.monotonic() < kept.usable_until
            if kept is not None and usable and kept.account == account and kept.text != refused:
                return kept.text
            assertion = await asyncio.to_thread(_signed, account, SYSTEM_CLOCK.now())
            body = urlencode({"grant_type": _GRANT, "assertion": assertion}).encode()
            request = HttpRequest(method="POST", url=account.token_uri, headers=_FORM, body=body)
            answer = await self._service.ask_elsewhere(request, until=until)
            text, lifetime = _granted(answer)
            usable_until = SYSTEM_CLOCK.monotonic() + lifetime - min(_RENEWED_BEFORE_END, lifetime / 2)
            self._token = _Token(account, text, usable_until)
            return text


def _signed(account: ServiceAccount, now: datetime) -> str:
    """The signed request for a token. Loads its libraries: not on an event loop."""
    import jwt
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    claims = {
        "iss": account.client_email,
        "scope": _SCOPE,
        "aud": account.token_uri,
        "iat": now,
        "exp": now + _REQUEST_LIFETIME,
    }
    try:
        # Checking the numbers of an RSA key takes 50 ms, during which no other thread runs.
        key = load_pem_private_key(account.private_key.encode(), password=None, unsafe_skip_rsa_key_validation=True)
        return jwt.encode(claims, key, algorithm="RS256")  # type: ignore[arg-type]
    except (ValueError, TypeError, UnsupportedAlgorithm, jwt.PyJWTError):
        pass
    reason = "The private key of the service account cannot be used. Set the whole key file as the key of Gemini."
    raise NotConfigured(reason, finding=ProviderFindingCode.KEY_UNREADABLE)


def _granted(answer: JsonAnswer) -> tuple[str, timedelta]:
    """The token and its lifetime; raise what their absence means."""
    body = decoded(answer)
    found = body if isinstance(body, dict) else {}
    if answer.status != 200:
        raise _refusal(answer, word(found.get("error"), 60))
    token, seconds = found.get("access_token"), found.get("expires_in", _USUAL_LIFETIME_SECONDS)
    if not isinstance(token, str) or not fits_header(token):
        raise Down("Google answered a request for a token with something else.")
    usable = isinstance(seconds, int | float) and 0 < seconds <= 86_400
    return token, timedelta(seconds=seconds if usable else _USUAL_LIFETIME_SECONDS)


def _refusal(answer: JsonAnswer, code: str) -> ProviderError:
    shown = f"{answer.status}{f' {code}' if code.isprintable() and code else ''}"
    if answer.status == 429:
        return Retryable(f"Google answered {shown} to a request for a token.", after=retry_after(answer.headers, ""))
    if 400 <= answer.status < 500 and answer.status != 408:
        reason = f"Google refuses the service account ({shown})."
        return NotConfigured(reason, finding=ProviderFindingCode.KEY_REFUSED)
    return Down(f"Google answered {shown} to a request for a token.")
