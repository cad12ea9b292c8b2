"""The rules of administrators' passwords."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path

from ...domain.accounts import MAX_PASSWORD_CHARS, MIN_ADMIN_PASSWORD_CHARS, normal_password
from ...domain.field_errors import FieldError, FieldErrorCode

_COMMON = Path(__file__).with_name("common_passwords.txt")


def generated_password() -> str:
    """A new password of 16 characters with 96 random bits."""
    return secrets.token_urlsafe(12)


def password_errors(password: str, *, username: str | None, field: str = "password") -> list[FieldError]:
    """What is wrong with a new password for this user name (None: not known yet): its length, that it is the name, or
    that it is one of the most common ones. Letter case makes no difference."""
    normal = normal_password(password)
    if not MIN_ADMIN_PASSWORD_CHARS <= len(normal) <= MAX_PASSWORD_CHARS:
        params = {"min": MIN_ADMIN_PASSWORD_CHARS, "max": MAX_PASSWORD_CHARS}
        return [FieldError(field, FieldErrorCode.LENGTH_OUT_OF_RANGE, params)]
    plain = normal.casefold().strip()
    if username is not None and plain == username.casefold().strip():
        return [FieldError(field, FieldErrorCode.PASSWORD_IS_USERNAME)]
    if plain in _common():
        return [FieldError(field, FieldErrorCode.PASSWORD_TOO_COMMON)]
    return []


@cache
def _common() -> frozenset[str]:
    lines = _COMMON.read_text("utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("# "))
