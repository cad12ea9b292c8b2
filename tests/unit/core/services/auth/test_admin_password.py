"""The rules of administrators' passwords: long enough, not a common one, not the name."""

from __future__ import annotations

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE, MAX_PASSWORD_CHARS, MIN_ADMIN_PASSWORD_CHARS
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.field_errors import FieldErrorCode
from photochanger.core.services.auth import admin_password
from photochanger.core.services.auth.admin_password import password_errors

from tests.support.logins import Process

pytestmark = pytest.mark.anyio


def codes(password: str, username: str | None = "ada") -> list[FieldErrorCode]:
    errors = password_errors(password, username=username)
    assert all(error.field == "password" and error.message for error in errors)
    return [error.code for error in errors]


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        "ten chars!",
        "x" * MAX_PASSWORD_CHARS,
        "пароль студии",
        "ada lovelace",
        "password of the studio",
    ],
)
def test_a_good_password_is_taken(password: str) -> None:
    assert codes(password) == []


@pytest.mark.parametrize(
    "password", ["", "ninechars", "x" * (MAX_PASSWORD_CHARS + 1), "e\u0301" * 9, "password", "123456"]
)
def test_one_that_is_too_short_or_too_long_is_not(password: str) -> None:
    assert codes(password) == [FieldErrorCode.LENGTH_OUT_OF_RANGE]


@pytest.mark.parametrize(
    "password", ["1234567890", "qwertyuiop", "QWERTYuiop", "password123", " password123 ", "1Q2W3E4R5T"]
)
def test_a_common_one_is_not_however_it_is_written(password: str) -> None:
    assert codes(password) == [FieldErrorCode.PASSWORD_TOO_COMMON]


@pytest.mark.parametrize("password", ["ada@studio.example", "Ada@Studio.Example", " ada@studio.example"])
def test_the_user_name_is_not(password: str) -> None:
    assert codes(password, "Ada@studio.example ") == [FieldErrorCode.PASSWORD_IS_USERNAME]
    assert codes(password, None) == []


def test_none_of_the_three_thousand_most_common_ones_is_taken() -> None:
    common = admin_password._common()
    assert len(common) >= 3000
    assert {"123456", "password", "qwerty", "dragon"} <= common
    assert not any(one.startswith("#") and " " in one for one in common), "comments are no passwords"
    assert all(one == one.casefold().strip() for one in common), "else no password would match it"
    assert not [one for one in common if not codes(one)]
    assert sum(len(one) >= MIN_ADMIN_PASSWORD_CHARS for one in common) >= 1000


async def test_the_rules_hold_wherever_a_password_is_set() -> None:
    process = Process()
    for bad in ("ninechars", "qwertyuiop", "grace.hopper"):
        with pytest.raises(InvalidSettings):
            await process.admins.add("grace.hopper", bad, by=COMMAND_LINE)
        with pytest.raises(InvalidSettings):
            await process.admins.ensure_first("grace.hopper", bad)
    await process.admins.add("grace.hopper", "a good password", by=COMMAND_LINE)
    for bad in ("ninechars", "qwertyuiop", "Grace.Hopper"):
        with pytest.raises(InvalidSettings):
            await process.admins.set_password("grace.hopper", bad, by=COMMAND_LINE)
    assert process.hasher.hashed == 1


async def test_a_generated_password_keeps_the_rules() -> None:
    for _ in range(20):
        made = await Process().admins.ensure_first(None, None)
        assert made is not None
        assert codes(made[1], made[0]) == []
