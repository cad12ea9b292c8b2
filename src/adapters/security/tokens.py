"""Access tokens: JSON Web Tokens signed with HMAC-SHA256; no other algorithm is accepted."""

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
"""How far the clock of the issuing process may be ahead."""

_MAX_TOKEN_CHARS = 4096
"""Our tokens have about 500; longer ones are refused unread."""

_LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())

_Seconds = Annotated[int, msgspec.Meta(ge=0, le=_LAST_SECOND)]
_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims of a token; optional are `idle` (the end of a session that is not used) and `follows`
    (`Identity.follows_admin`)."""

    iss: str
    aud: str
    sub: _Name
    iat: _Seconds
    exp: _Seconds
    jti: _Name
    permissions: tuple[str, ...]
    idle: _Seconds | None = None
    follows: bool = False


class JwtTokens:
    """The TokenIssuer port by PyJWT. Times have a resolution of one second, as in JWT."""

    def __init__(self) -> None:
        import jwt  # loads cryptography: a tenth of a second that only processes with tokens should pay

        self._jwt = jwt
        # PyJWT lets some built-in errors through.
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
            idle=None if identity.idle_until is None else int(identity.idle_until.timestamp()),
            follows=identity.follows_admin,
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
                # Times are checked below, by our own clock.
                options={"strict_aud": True, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            claims = msgspec.convert(payload, _Claims)
        except self._no_token:
            raise _invalid() from None
        identity = Identity(
            username=claims.sub,
            # Unknown permissions are those of another version; they are ignored.
            permissions=frozenset(permission for permission in Permission if permission in claims.permissions),
            issued_at=_moment(claims.iat),
            expires_at=_moment(claims.exp),
            token_id=claims.jti,
            idle_until=None if claims.idle is None else _moment(claims.idle),
            follows_admin=claims.follows,
        )
        if now >= identity.valid_until or identity.issued_at > now + LEEWAY:
            raise _invalid()
        return identity

    def _header(self, token: str) -> dict[str, Any]:
        """The unverified header of a token; InvalidToken if it cannot be ours."""
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
    return InvalidToken("The access token is not valid: it has expired or was not issued here. Sign in again.")
