"""Where credentials come from: the settings first, then each of the usual places of AWS."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest
from photochanger.adapters.s3.credentials import CredentialSource, NoCredentials, credentials_of
from photochanger.adapters.s3.faults import S3Unavailable
from photochanger.adapters.s3.settings import S3Settings
from photochanger.adapters.s3.signing import Credentials

pytestmark = pytest.mark.anyio

ELSEWHERE = {"AWS_EC2_METADATA_DISABLED": "true"}
UNTIL = datetime(2099, 1, 1, tzinfo=UTC)
TEMPORARY = {
    "AccessKeyId": "ASIATEMPORARY",
    "SecretAccessKey": "temporary-secret",
    "Token": "temporary-token",
    "Expiration": "2099-01-01T00:00:00Z",
}
FOUND = Credentials("ASIATEMPORARY", "temporary-secret", "temporary-token", UNTIL)


class Services(ThreadingHTTPServer):
    """The services of AWS that give credentials, as far as their answers matter here."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.answers: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, str], str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Services

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((f"{self.command} {self.path}", headers, body))
        answer = self.server.answers.get(self.path)
        self.send_response(404 if answer is None else 200)
        self.end_headers()
        self.wfile.write((answer or "").encode())

    do_PUT = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def services() -> Iterator[Services]:
    with Services() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def found(environment: dict[str, str], *, settings: S3Settings | None = None) -> Credentials:
    return await credentials_of(settings or S3Settings(bucket="photos"), environment).current()


async def test_the_key_of_the_settings_comes_first() -> None:
    settings = S3Settings(bucket="photos", access_key_id="AKIASETTINGS", secret_access_key="of the settings")
    environment = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "other", "AWS_SESSION_TOKEN": "token"}
    assert await found(environment, settings=settings) == Credentials("AKIASETTINGS", "of the settings")
    assert await found(environment) == Credentials("AKIA", "other", "token")


async def test_a_profile_of_the_shared_file(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = a%b\n"
        "[studio]\naws_access_key_id=AKIASTUDIO\naws_secret_access_key=c\naws_session_token=d\n"
    )
    named = {**ELSEWHERE, "AWS_SHARED_CREDENTIALS_FILE": str(file)}
    assert await found(named) == Credentials("AKIADEFAULT", "a%b")
    assert await found({**named, "AWS_PROFILE": "studio"}) == Credentials("AKIASTUDIO", "c", "d")
    (tmp_path / ".aws").mkdir()
    file.rename(tmp_path / ".aws/credentials")
    assert await found({**ELSEWHERE, "HOME": str(tmp_path)}) == Credentials("AKIADEFAULT", "a%b")


async def test_the_service_of_a_container(services: Services, tmp_path: Path) -> None:
    services.answers["/creds"] = msgspec.json.encode(TEMPORARY).decode()
    (tmp_path / "token").write_text("let me in\n")
    environment = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{services.url}/creds",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    assert await found(environment) == FOUND
    assert services.seen[0][1]["authorization"] == "let me in"


async def test_a_role_for_the_token_of_a_pod(services: Services, tmp_path: Path) -> None:
    fields = {name.replace("Token", "SessionToken"): value for name, value in TEMPORARY.items()}
    text = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    services.answers["/"] = (
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<AssumeRoleWithWebIdentityResult><Credentials>{text}</Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>"
    )
    (tmp_path / "token").write_text("web+identity")
    environment = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/photos",
        "AWS_ENDPOINT_URL_STS": services.url,
    }
    assert await found(environment) == FOUND
    form = parse_qs(services.seen[0][2])
    assert form["WebIdentityToken"] == ["web+identity"]
    assert form["RoleArn"] == ["arn:aws:iam::1:role/photos"]


async def test_the_role_of_a_machine(services: Services) -> None:
    services.answers["/latest/api/token"] = "session"
    services.answers["/latest/meta-data/iam/security-credentials/"] = "photos-role\n"
    services.answers["/latest/meta-data/iam/security-credentials/photos-role"] = msgspec.json.encode(TEMPORARY).decode()
    assert await found({"AWS_EC2_METADATA_SERVICE_ENDPOINT": services.url}) == FOUND
    assert services.seen[0][0] == "PUT /latest/api/token"
    assert services.seen[2][1]["x-aws-ec2-metadata-token"] == "session"


async def test_no_place_with_credentials_is_an_error(services: Services) -> None:
    with pytest.raises(NoCredentials):
        await found(ELSEWHERE)
    with pytest.raises(NoCredentials):
        await found({"AWS_EC2_METADATA_SERVICE_ENDPOINT": services.url})


async def test_a_place_that_is_named_and_fails_is_an_error(services: Services, tmp_path: Path) -> None:
    services.answers["/strange"] = '{"AccessKeyId": "AKIASECRET"}'
    broken = tmp_path / "broken"
    broken.write_text("no section = AKIASECRET")
    for environment in (
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{services.url}/missing"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{services.url}/strange"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "not a url"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "missing"), "AWS_ROLE_ARN": "arn"},
        {"AWS_SHARED_CREDENTIALS_FILE": str(broken)},
    ):
        with pytest.raises(S3Unavailable) as failed:
            await found({**ELSEWHERE, **environment})
        assert not isinstance(failed.value, NoCredentials)
        assert "AKIASECRET" not in str(failed.value)


async def test_temporary_credentials_are_fetched_again_before_they_expire_and_once_for_all() -> None:
    fetched = 0
    lifetimes = iter([timedelta(minutes=4), timedelta(hours=1)])

    async def fetch() -> Credentials:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0)
        return Credentials(f"ASIA{fetched}", "secret", "token", datetime.now(UTC) + next(lifetimes))

    source = CredentialSource([fetch])
    assert (await source.current()).access_key_id == "ASIA1"
    both = await asyncio.gather(source.current(), source.current())
    assert [each.access_key_id for each in both] == ["ASIA2", "ASIA2"]
    assert fetched == 2
