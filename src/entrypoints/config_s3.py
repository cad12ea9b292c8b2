"""Values of the configuration that name a bucket and its keys. Each function raises ValueError with what to do."""

from __future__ import annotations

import re

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,7}/?")
_WORD = re.compile(r"[!-~]{1,1024}")


def bucket_name(text: str) -> str:
    """Return the name of a bucket."""
    if not _BUCKET.fullmatch(text):
        raise ValueError("must be the name of a bucket: 3 to 63 of a-z, 0-9, dot and dash")
    return text


def key_prefix(text: str) -> str:
    """Return a prefix of keys, with the slash that ends it."""
    if not _PREFIX.fullmatch(text):
        raise ValueError("must consist of A-Z, a-z, 0-9, dot, dash and underscore, with slashes in between")
    return text.rstrip("/") + "/"


def one_word(text: str) -> str:
    """Return printable ASCII characters without a space."""
    if not _WORD.fullmatch(text):
        raise ValueError("must be 1 to 1024 printable ASCII characters without a space")
    return text
