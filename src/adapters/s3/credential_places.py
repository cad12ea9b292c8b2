"""The places where the tools of AWS look for credentials, in their order.

Nothing here is logged, and no error has text of an answer: it may contain what it is about.
"""

from __future__ import annotations

import asyncio
import configparser
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import httpx2
import msgspec

from .faults import S3Unavailable
from .signing import Credentials
from .xml_answers import parse_xml, text_of

_CONTAINER_HOST = "http://169.254.170.2"
_MACHINE_HOST = "http://169.254.169.254"
_ROLES = "/latest/meta-data/iam/security-credentials/"
_SECONDS = 5.0
_MACHINE_CONNECT_SECONDS = 1.0


class _Temporary(msgspec.Struct, frozen=True, rename="pascal"):
    """Credentials as the services of containers and machines answer them."""

    access_key_id: str
    secret_access_key: str
    expiration: datetime
    token: str | None = None

    def __repr__(self) -> str:
        return "_Temporary()"


class AwsPlaces:
    """The places that an environment names. Each returns None where it has no credentials; S3Unavailable."""

    def __init__(self, environment: Mapping[str, str], *, region: str) -> None:
        self._environment = environment
        self._region = region

    async def variables(self) -> Credentials | None:
        """AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN."""
        key, secret = self._value("AWS_ACCESS_KEY_ID"), self._value("AWS_SECRET_ACCESS_KEY")
        return Credentials(key, secret, self._value("AWS_SESSION_TOKEN")) if key and secret else None

    async def web_identity(self) -> Credentials | None:
        """A role for a token in a file, as Kubernetes mounts it."""
        token_file, role = self._value("AWS_WEB_IDENTITY_TOKEN_FILE"), self._value("AWS_ROLE_ARN")
        if not token_file or not role:
            return None
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": self._value("AWS_ROLE_SESSION_NAME") or "photochanger",
            "WebIdentityToken": await _content(token_file, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        }
        url = self._value("AWS_ENDPOINT_URL_STS") or f"https://sts.{self._region}.amazonaws.com"
        async with _client() as http:
            answer = await _answer(http, "POST", url, form=form)
        found = parse_xml(answer).find("AssumeRoleWithWebIdentityResult/Credentials")
        if found is None:
            raise _unreadable("AWS_WEB_IDENTITY_TOKEN_FILE")
        return Credentials(
            text_of(found, "AccessKeyId"),
            text_of(found, "SecretAccessKey"),
            text_of(found, "SessionToken"),
            datetime.fromisoformat(text_of(found, "Expiration")),
        )

    async def shared_file(self) -> Credentials | None:
        """The profile AWS_PROFILE, or `default`, of ~/.aws/credentials or AWS_SHARED_CREDENTIALS_FILE."""
        home = self._value("HOME")
        named = self._value("AWS_SHARED_CREDENTIALS_FILE") or (f"{home}/.aws/credentials" if home else None)
        if named is None or not await asyncio.to_thread(Path(named).is_file):
            return None
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(await _content(named, "AWS_SHARED_CREDENTIALS_FILE"))
        except configparser.Error:
            raise _unreadable("AWS_SHARED_CREDENTIALS_FILE") from None
        profile = self._value("AWS_PROFILE") or "default"
        key = parser.get(profile, "aws_access_key_id", fallback=None)
        secret = parser.get(profile, "aws_secret_access_key", fallback=None)
        token = parser.get(profile, "aws_session_token", fallback=None)
        return Credentials(key, secret, token) if key and secret else None

    async def container(self) -> Credentials | None:
        """The service of the container: ECS, or EKS with pod identities."""
        relative = self._value("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        url = f"{_CONTAINER_HOST}{relative}" if relative else self._value("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if not url:
            return None
        token = self._value("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if token_file := self._value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            token = await _content(token_file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        async with _client() as http:
            answer = await _answer(http, "GET", url, headers={"Authorization": token} if token else {})
        return _temporary(answer)

    async def machine(self) -> Credentials | None:
        """The role of the EC2 machine (IMDSv2); None on other machines."""
        if (self._value("AWS_EC2_METADATA_DISABLED") or "").lower() == "true":
            return None
        host = (self._value("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _MACHINE_HOST).rstrip("/")
        async with _client(connect_seconds=_MACHINE_CONNECT_SECONDS) as http:
            try:
                lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
                token = await _answer(http, "PUT", f"{host}/latest/api/token", headers=lifetime)
                known = {"X-aws-ec2-metadata-token": token.decode().strip()}
                role = (await _answer(http, "GET", f"{host}{_ROLES}", headers=known)).decode().split("\n")[0].strip()
                answer = await _answer(http, "GET", f"{host}{_ROLES}{role}", headers=known)
            except (S3Unavailable, UnicodeDecodeError):
                return None
        return _temporary(answer)

    def _value(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None


def _client(*, connect_seconds: float = _SECONDS) -> httpx2.AsyncClient:
    # No proxy: these services are on this machine or network, and the token is not for others.
    return httpx2.AsyncClient(timeout=httpx2.Timeout(_SECONDS, connect=connect_seconds), trust_env=False)


async def _answer(
    http: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] = {},
    form: Mapping[str, str] | None = None,
) -> bytes:
    try:
        answer = await http.request(method, url, headers=dict(headers), data=form)
    except (httpx2.RequestError, httpx2.InvalidURL):
        raise S3Unavailable("The service that gives the credentials cannot be reached.") from None
    if answer.status_code != 200:
        raise S3Unavailable(f"The service that gives the credentials refuses (status {answer.status_code}).")
    return answer.content


async def _content(path: str, variable: str) -> str:
    try:
        return (await asyncio.to_thread(Path(path).read_text)).strip()
    except (OSError, UnicodeDecodeError):
        raise _unreadable(variable) from None


def _temporary(answer: bytes) -> Credentials:
    try:
        found = msgspec.json.decode(answer, type=_Temporary)
    except msgspec.MsgspecError:
        raise S3Unavailable("The service that gives the credentials answers without any.") from None
    return Credentials(found.access_key_id, found.secret_access_key, found.token, found.expiration)


def _unreadable(variable: str) -> S3Unavailable:
    return S3Unavailable(f"The credentials that {variable} names cannot be read.")
