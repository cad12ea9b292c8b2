"""Access tokens: what a good one says, and that nothing else passes for one."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from photochanger.adapters.security import JwtTokens
from photochanger.core.domain.accounts import Identity, Permission
from photochanger.core.domain.errors import InvalidToken

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECRET = bytes(range(32))
SECOND = timedelta(seconds=1)

IDENTITY = Identity(
    username="ada",
    permissions=frozenset({Permission.JOBS_READ, Permission.SLOTS_WRITE}),
    issued_at=NOW,
    expires_at=NOW + timedelta(hours=12),
    token_id="0198c0de",
)
CLAIMS: dict[str, Any] = {
    "iss": "photochanger",
    "aud": "photochanger-api",
    "sub": "ada",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 43_200,
    "jti": "0198c0de",
    "permissions": ["jobs:read", "slots:write"],
}


def issued() -> str:
    return JwtTokens().issue(IDENTITY, key_id="0a1b2c3d", secret=SECRET)


def verify(token: str, *, now: datetime = NOW, secret: bytes = SECRET) -> Identity:
    return JwtTokens().verify(token, secret=secret, now=now)


def encoded(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(claims: object = CLAIMS, *, header: object = None, digest: str = "sha256", secret: bytes = SECRET) -> str:
    """A token made by hand, so that anything can be in it; its signature is right."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "0a1b2c3d"} if header is None else header
    content = f"{encoded(head)}.{encoded(claims)}"
    return f"{content}.{encoded(hmac.new(secret, content.encode(), digest).digest())}"


def refused(token: str, **options: Any) -> None:
    with pytest.raises(InvalidToken) as error:
        verify(token, **options)
    assert error.value.detail == "The access token is not valid: it has expired or was not issued here. Sign in again."
    assert error.value.__cause__ is None


def test_a_token_says_who_it_is_for_until_when_and_what_they_may_do() -> None:
    assert verify(issued()) == IDENTITY
    assert JwtTokens().key_id(issued()) == "0a1b2c3d"


def test_a_token_is_a_jwt_that_others_can_read() -> None:
    token = issued()
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "0a1b2c3d"}
    assert jwt.decode(token, options={"verify_signature": False}) == CLAIMS
    assert verify(signed()) == IDENTITY


def test_a_token_holds_until_its_last_second_by_the_clock_that_is_given() -> None:
    token = issued()
    end = IDENTITY.expires_at
    assert verify(token, now=end - timedelta(milliseconds=1)) == IDENTITY
    refused(token, now=end)
    refused(token, now=end + timedelta(days=3650))


def test_a_token_from_the_future_holds_only_as_far_as_clocks_differ() -> None:
    token = issued()
    assert verify(token, now=NOW - 10 * SECOND) == IDENTITY
    refused(token, now=NOW - 10 * SECOND - timedelta(milliseconds=1))


def test_another_key_does_not_verify_it() -> None:
    refused(issued(), secret=bytes(32))


def test_without_a_signature_nothing_holds() -> None:
    for alg in ("none", "None", "NONE", "nOnE", ""):
        content = f"{encoded({'alg': alg, 'kid': '0a1b2c3d'})}.{encoded(CLAIMS)}"
        for signature in ("", encoded(b"x"), issued().rpartition(".")[2]):
            refused(f"{content}.{signature}")
        with pytest.raises(InvalidToken):
            JwtTokens().key_id(f"{content}.")


@pytest.mark.parametrize(("alg", "digest"), [("HS512", "sha512"), ("HS384", "sha384"), ("hs256", "sha256")])
def test_another_algorithm_of_the_same_family_does_not_hold(alg: str, digest: str) -> None:
    refused(signed(header={"alg": alg, "kid": "0a1b2c3d"}, digest=digest))


def test_an_asymmetric_signature_does_not_hold_whatever_is_taken_for_its_key() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    by_rsa = jwt.encode(CLAIMS, private, algorithm="RS256", headers={"kid": "0a1b2c3d"})
    refused(by_rsa)
    refused(by_rsa, secret=public)
    refused(signed(header={"alg": "RS256", "kid": "0a1b2c3d"}, secret=public), secret=public)


def test_a_changed_payload_does_not_hold() -> None:
    head, _, signature = issued().split(".")
    more = CLAIMS | {"permissions": [str(permission) for permission in Permission]}
    refused(f"{head}.{encoded(more)}.{signature}")


def test_a_changed_header_does_not_hold() -> None:
    _, payload, signature = issued().split(".")
    refused(f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'ffffffff'})}.{payload}.{signature}")


@pytest.mark.parametrize("place", [0, 20, 50, 100, 200, -2])
def test_one_changed_letter_is_enough(place: int) -> None:
    token = issued()
    letters = list(token)
    letters[place] = "A" if letters[place] != "A" else "B"
    refused("".join(letters))


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_every_claim_is_needed(claim: str) -> None:
    refused(signed({name: value for name, value in CLAIMS.items() if name != claim}))
    refused(signed(CLAIMS | {claim: None}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "somebody"},
        {"iss": ["photochanger"]},
        {"aud": "another-api"},
        {"aud": ["photochanger-api"]},
        {"aud": ""},
        {"sub": ""},
        {"sub": 7},
        {"iat": "yesterday"},
        {"iat": 1.5},
        {"iat": -1},
        {"exp": True},
        {"exp": 10**30},
        {"exp": str(CLAIMS["exp"])},
        {"jti": ""},
        {"jti": 1},
        {"permissions": "jobs:read"},
        {"permissions": {"jobs:read": True}},
        {"permissions": [1]},
    ],
    ids=str,
)
def test_claims_of_another_kind_do_not_hold(wrong: dict[str, Any]) -> None:
    refused(signed(CLAIMS | wrong))


def test_a_permission_that_is_not_known_here_allows_nothing() -> None:
    identity = verify(signed(CLAIMS | {"permissions": ["jobs:read", "everything:write", "JOBS:WRITE", "*"]}))
    assert identity.permissions == {Permission.JOBS_READ}


@pytest.mark.parametrize("key_id", [None, 7, "", ["0a1b2c3d"], {"a": 1}, True])
def test_a_key_id_is_a_text(key_id: object) -> None:
    with pytest.raises(InvalidToken):
        JwtTokens().key_id(signed(header={"alg": "HS256", "kid": key_id}))


def test_a_header_that_asks_for_what_we_do_not_know_is_refused() -> None:
    refused(signed(header={"alg": "HS256", "kid": "0a1b2c3d", "crit": ["b64"], "b64": False}))
    refused(signed(header={"alg": "HS256", "kid": "0a1b2c3d", "crit": []}))


NESTED = b"[" * 1500 + b"]" * 1500

GARBAGE = [
    "",
    ".",
    "..",
    "...",
    "a.b.c",
    "null",
    "Bearer " + issued(),
    issued() + ".",
    issued() + " ",
    " " + issued(),
    issued().replace(".", ""),
    "тoken." + issued(),
    "\ud800" + issued(),
    issued() + "\0",
    f"{encoded(b'[]')}.{encoded(CLAIMS)}.{encoded(b'x')}",
    f"{encoded(NESTED)}.{encoded(CLAIMS)}.{encoded(b'x')}",
    f"{encoded(bytes([255, 254]))}.{encoded(CLAIMS)}.{encoded(b'x')}",
    signed(b"[1, 2]"),
    signed(b"not json"),
    signed(bytes([255, 254])),
    signed(NESTED),
    signed(b'{"exp": ' + b"9" * 2000 + b"}"),
]


@pytest.mark.parametrize("token", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_refused(token: str) -> None:
    refused(token)


def test_a_megabyte_is_not_looked_at() -> None:
    for token in ("x" * 1_000_000, signed(CLAIMS | {"more": "x" * 1_000_000})):
        refused(token)
        with pytest.raises(InvalidToken):
            JwtTokens().key_id(token)


def test_the_error_does_not_contain_the_token() -> None:
    token = signed(CLAIMS | {"aud": "another"})
    with pytest.raises(InvalidToken) as error:
        verify(token)
    assert token not in f"{error.value!r} {error.value.detail}"
