"""The ingest password in the `Authorization` header, for camera software that can set one."""

from __future__ import annotations

import base64
import binascii
import re

from ....core.domain.accounts import MAX_PASSWORD_CHARS
from ..protocol.charsets import decode

_MAX_CHARS = 4 * MAX_PASSWORD_CHARS + 1024
_ACCESS_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\Z")


def offered_password(authorization: str) -> str | None:
    """The password of `Basic` (with any user name) or `Bearer`; None for no header, another scheme, or a token of an
    administrator, which programs add to all of their requests."""
    scheme, _, given = authorization[:_MAX_CHARS].strip().partition(" ")
    given = given.strip()
    if scheme.lower() == "bearer":
        return None if not given or _ACCESS_TOKEN.match(given) else given
    if scheme.lower() != "basic":
        return None
    try:
        pair = decode(base64.b64decode(given.encode(), validate=True))
    except binascii.Error:
        return None
    return pair.partition(":")[2] or None
