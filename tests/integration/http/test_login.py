"""Signing in: right, wrong, too often, and with tokens that somebody made up."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bcrypt
import jwt
import msgspec
import pytest
from photochanger.adapters.security import Argon2PasswordHasher
from photochanger.core.domain.accounts import COMMAND_LINE, MAX_FAILURES, Permission
from photochanger.core.domain.settings import StoredPassword
from photochanger.core.ports.accounts import AdminRepository, PasswordHasher
from photochanger.core.ports.repositories.settings_repository import SettingsRepository, SettingsUpdate
from photochanger.core.services.auth.admins import AdminService
from photochanger.core.services.auth.signing_keys import SigningKeys
from photochanger.core.services.settings.service import SettingsService

from tests.support.administration import ADMIN, ADMIN_PASSWORD, described, sign_in, token_of
from tests.support.http_server import Service, form, serving

pytestmark = pytest.mark.anyio

WRONG = {"username": ADMIN, "password": "not this one"}


async def test_the_right_password_gives_a_token_that_says_whose_it_is(service: Service) -> None:
    answer = await service.client.post("/api/login", json={"username": " Admin ", "password": ADMIN_PASSWORD})
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert body["token_type"] == "bearer"
    assert set(body["permissions"]) == set(Permission)
    me = await service.client.get("/api/me", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert me.json()["username"] == ADMIN
    assert 0 < me.json()["expires_in_sec"] <= body["expires_in_sec"]


async def test_a_wrong_name_and_a_wrong_password_are_told_alike(service: Service) -> None:
    wrong = await service.client.post("/api/login", json=WRONG)
    nobody = await service.client.post("/api/login", json={"username": "nobody", "password": "not this one"})
    assert described(wrong, 401, "invalid_credentials") == described(nobody, 401, "invalid_credentials")


async def test_of_a_thousand_wrong_logins_ten_are_counted_and_a_right_one_is_accepted(
    service: Service,
) -> None:
    async def attempt(number: int) -> int:
        body = {"username": f"user-{number}", "password": "guess"}
        return (await service.client.post("/api/login", json=body)).status_code

    service.clock.stop()
    statuses = [status for _ in range(20) for status in await asyncio.gather(*(attempt(n) for n in range(50)))]
    assert statuses.count(401) == MAX_FAILURES
    assert statuses.count(429) == 1000 - MAX_FAILURES
    answer = await service.client.post("/api/login", json=WRONG)
    problem = described(answer, 429, "too_many_attempts")
    assert 0 < int(answer.headers["retry-after"]) == problem["retry_after"] <= 60
    await sign_in(service)


async def test_photos_that_are_let_in_do_not_make_it_cheaper_to_guess_at_logins(service: Service) -> None:
    service.clock.stop()  # what is counted by the minute is counted in one
    for number in range(MAX_FAILURES):
        assert (await service.ingest()).status_code == 200
        guess = {"username": f"user-{number}", "password": "guess"}
        described(await service.client.post("/api/login", json=guess), 401, "invalid_credentials")
        await service.post_form("slot-001", form(password="wrong"))
        assert (await service.ingest()).status_code == 200
    described(await service.client.post("/api/login", json=WRONG), 429, "too_many_attempts")


async def test_who_mistypes_their_own_password_does_not_stop_the_cameras_of_the_same_address(service: Service) -> None:
    service.clock.stop()  # what is counted by the minute is counted in one
    for _ in range(MAX_FAILURES + 1):
        answer = await service.client.post("/api/login", json=WRONG)
    described(answer, 429, "too_many_attempts")
    assert (await service.ingest()).status_code == 200


async def test_a_camera_with_an_old_password_does_not_keep_its_operator_out(service: Service) -> None:
    service.clock.stop()  # what is counted by the minute is counted in one
    for _ in range(MAX_FAILURES + 1):
        answer = await service.post_form("slot-001", form(password="an old one"))
    described(answer, 429, "too_many_attempts")
    await sign_in(service)


async def test_logins_and_failures_are_in_the_audit_log_without_passwords(service: Service) -> None:
    await service.client.post("/api/login", json=WRONG)
    await service.client.post("/api/login", json={"username": "hunter2 typed here", "password": "x"})
    admin = await sign_in(service)
    entries = (await admin.get("/api/audit"))["items"]
    assert [(entry["action"], entry["target"]) for entry in entries[:3]] == [
        ("login", ADMIN),
        ("login_failed", None),
        ("login_failed", ADMIN),
    ]
    assert "hunter2" not in json.dumps(entries)
    assert "not this one" not in json.dumps(entries)
    assert entries[0]["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"username": "admin"}', 422, "invalid_settings"),
        (b'{"username": "admin", "password": 7}', 422, "invalid_settings"),
        (b'{"username": "admin", "password": "x", "otp": 1}', 422, "invalid_settings"),
        (b'{"username": "admin", "password": "x", "password": "y"}', 400, "invalid_json"),
        (b'{"username": "admin", "password": NaN}', 400, "invalid_json"),
        (b'{"username": "' + b"a" * 2000 + b'", "password": "x"}', 422, "invalid_settings"),
        (b'{"username": "\xc3\xbcn\xc3\xafc\xc3\xb6de", "password": "\xf0\x9f\x98\x80"}', 401, "invalid_credentials"),
        (b'{"username": "admin", "password": "' + b"x" * 60_000 + b'"}', 401, "invalid_credentials"),
        (b'{"username": "admin", "password": "' + b"x" * 1_000_000 + b'"}', 413, "payload_too_large"),
        (b"{" * 50_000, 400, "invalid_json"),
        (b"", 400, "invalid_json"),
    ],
)
async def test_a_login_that_is_none_gets_a_clear_error(
    service: Service, content: bytes, status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json"}
    described(await service.client.post("/api/login", content=content, headers=headers), status, code)


async def test_a_login_that_is_no_json_is_told_so(service: Service) -> None:
    described(await service.client.post("/api/login", data=WRONG), 415, "unsupported_media_type")


async def test_passwords_that_were_brought_along_open_and_are_hashed_anew(tmp_path: Path) -> None:
    def brought_along(password: str) -> str:
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()

    hasher = Argon2PasswordHasher()
    async with serving(tmp_path, adapters={PasswordHasher: hasher}) as service:
        container = service.opened.container
        admins: AdminRepository = await container.get(AdminRepository)
        settings: SettingsRepository = await container.get(SettingsRepository)
        old = brought_along("from elsewhere")
        await admins.change(lambda all_: (msgspec.structs.replace(all_[ADMIN], password_hash=old), ()))
        now = datetime.now(UTC)
        stored = await settings.get()
        password = StoredPassword(brought_along("of the cameras"), now, "somebody")
        await settings.save(SettingsUpdate(settings=stored, ingest_password=password), expected_version=stored.version)
        changes = await container.get(SettingsService)
        await changes.change({"max_active_jobs": 9}, expected_version=None, by=COMMAND_LINE)  # drops the cache
        for _ in range(2):
            assert (await (await sign_in(service, ADMIN, "from elsewhere")).get("/api/me"))["username"] == ADMIN
            assert (await service.post_form("slot-001", form(password="of the cameras"))).status_code == 200
        (admin,) = await admins.all()
        ingest = await settings.ingest_password()
        assert ingest is not None
        assert admin.password_hash.startswith("$argon2id$")
        assert ingest.hash.startswith("$argon2id$")
        assert admin.password_digest is not None
        assert ingest.digest is not None
        assert (ingest.changed_at, ingest.changed_by) == (now, "somebody")
    await hasher.close()


async def test_a_disabled_administrator_is_out_at_once_and_stays_out(service: Service) -> None:
    admins: Any = await service.opened.container.get(AdminService)
    await admins.add("eve", "a good password", by=COMMAND_LINE)
    eve = await sign_in(service, "eve", "a good password")
    await admins.disable("eve", by=COMMAND_LINE)
    described(await eve("GET", "/api/me"), 401, "invalid_token")
    answer = await service.client.post("/api/login", json={"username": "eve", "password": "a good password"})
    described(answer, 401, "invalid_credentials")


async def test_a_new_password_ends_the_old_tokens(service: Service) -> None:
    admins: Any = await service.opened.container.get(AdminService)
    await admins.add("eve", "a good password", by=COMMAND_LINE)
    old = await token_of_eve(service)
    await admins.set_password("eve", "a better password", by=COMMAND_LINE)
    described(await service.client.get("/api/me", headers=old), 401, "invalid_token")
    new = await sign_in(service, "eve", "a better password")
    assert (await new.get("/api/me"))["username"] == "eve"


async def token_of_eve(service: Service) -> dict[str, str]:
    eve = await sign_in(service, "eve", "a good password")
    claims = jwt.decode(eve.token, options={"verify_signature": False})
    assert claims["sub"] == "eve"
    return {"Authorization": f"Bearer {eve.token}"}


async def test_tokens_that_were_not_made_here_open_nothing(service: Service) -> None:
    good = await token_of(service, *Permission)
    head, body, signature = good.split(".")
    header = jwt.get_unverified_header(good)
    claims = jwt.decode(good, options={"verify_signature": False})

    key_id, secret = await (await service.opened.container.get(SigningKeys)).current()

    def signed(**changes: object) -> str:
        """Made with the right key, but not by the login."""
        return jwt.encode({**claims, **changes}, secret, algorithm="HS256", headers={"kid": key_id})

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    forged = {
        "no algorithm": f"{part({'alg': 'none', 'kid': header['kid']})}.{body}.",
        "another algorithm": f"{part({**header, 'alg': 'HS512'})}.{body}.{signature}",
        "public key confusion": f"{part({**header, 'alg': 'RS256'})}.{body}.{signature}",
        "tampered": f"{head}.{part({**claims, 'sub': 'root'})}.{signature}",
        "cut": good[:-4],
        "another audience": signed(aud="another-api"),
        "another issuer": signed(iss="somebody"),
        "from the future": signed(iat=claims["iat"] + 3600, exp=claims["exp"] + 7200),
        "of nobody": signed(sub="nobody"),
        "another key": jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": header["kid"]}),
        "unknown key id": jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": "00000000"}),
        "no key id": jwt.encode(claims, "x" * 32, algorithm="HS256"),
        "expired": await token_of(service, *Permission, life=timedelta(seconds=-60)),
        "long": good + "a" * 30_000,
        "letters": "ü.ü.ü",
    }
    for why, token in forged.items():
        headers = [(b"authorization", b"Bearer " + token.encode())]
        answer = await service.client.get("/api/me", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token"), why
    for right in (good, signed()):
        assert (await service.client.get("/api/me", headers={"Authorization": f"Bearer {right}"})).status_code == 200


async def test_tokens_of_a_key_that_was_rotated_hold_and_those_of_a_revoked_one_do_not(service: Service) -> None:
    keys: Any = await service.opened.container.get(SigningKeys)
    before = await sign_in(service)
    await keys.rotate(by=COMMAND_LINE)
    after = await sign_in(service)
    assert jwt.get_unverified_header(before.token)["kid"] != jwt.get_unverified_header(after.token)["kid"]
    for one in (before, after):
        assert (await one.get("/api/me"))["username"] == ADMIN
    await keys.revoke(by=COMMAND_LINE)
    for one in (before, after):
        described(await one("GET", "/api/me"), 401, "invalid_token")
    assert (await (await sign_in(service)).get("/api/me"))["username"] == ADMIN
