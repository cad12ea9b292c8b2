"""Access tokens as JSON Web Tokens, signed with HMAC-SHA256 and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from ...core.domain.accounts import Identity, Permission
from ...core.domain.errors import InvalidToken

ALGORITHM = "HS256"
ISSUER = "photochanger"
AUDIENCE = "photochanger-api"

LEEWAY = timedelta(seconds=10)
"""How far the clock of the process that issued a token may be ahead of ours."""

_MAX_TOKEN_CHARS = 4096
"""Ours have some 500; what is longer is not looked at."""

_LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())

_Seconds = Annotated[int, msgspec.Meta(ge=0, le=_LAST_SECOND)]
_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Claims(msgspec.Struct, frozen=True):
    """What a token has to say, in the types it has to say it in."""

    iss: str
    aud: str
    sub: _Name
    iat: _Seconds
    exp: _Seconds
    jti: _Name
    permissions: tuple[str, ...]


class JwtTokens:
    """The TokenIssuer port by PyJWT. Times are whole seconds, as JWT has them."""

    def __init__(self) -> None:
        import jwt  # with the cryptography behind it: a tenth of a second that only those who need tokens should pay

        self._jwt = jwt
        # The library lets some of Python's own errors through.
        self._no_token = (jwt.PyJWTError, ValueError, RecursionError)

    def issue(self, identity: Identity, *, key_id: str, secret: bytes) -> str:
        claims = _Claims(
            iss=ISSUER,
            aud=AUDIENCE,
            sub=identity.username,
            iat=int(identity.issued_at.timestamp()),
            exp=int(identity.expires_at.timestamp()),
            jti=identity.token_id,
            permissions=tuple(sorted(identity.permissions)),
        )
        return self._jwt.encode(msgspec.to_builtins(claims), secret, algorithm=ALGORITHM, headers={"kid": key_id})

    def key_id(self, token: str) -> str:
        key_id = self._header(token).get("kid")
        if not isinstance(key_id, str) or not key_id:
            raise _invalid()
        return key_id

    def verify(self, token: str, *, secret: bytes, now: datetime) -> Identity:
        self._header(token)
        try:
            payload = self._jwt.decode(
                token,
                secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                # The times are judged below, by the clock that everything else goes by.
                options={"strict_aud": True, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            claims = msgspec.convert(payload, _Claims)
        except self._no_token:
            raise _invalid() from None
        issued_at, expires_at = _moment(claims.iat), _moment(claims.exp)
        if now >= expires_at or issued_at > now + LEEWAY:
            raise _invalid()
        return Identity(
            username=claims.sub,
            # One that is not known here is of another version of the service: it allows nothing here.
            permissions=frozenset(permission for permission in Permission if permission in claims.permissions),
            issued_at=issued_at,
            expires_at=expires_at,
            token_id=claims.jti,
        )

    def _header(self, token: str) -> dict[str, Any]:
        """What the token says of itself, not yet believed; InvalidToken for what cannot be one of ours."""
        if len(token) > _MAX_TOKEN_CHARS or not token.isascii():
            raise _invalid()
        try:
            header = self._jwt.get_unverified_header(token)
        except self._no_token:
            raise _invalid() from None
        if header.get("alg") != ALGORITHM or "crit" in header:
            raise _invalid()
        return header


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _invalid() -> InvalidToken:
    return InvalidToken("The access token does not hold: it has ended, was changed, or was not made here.")
