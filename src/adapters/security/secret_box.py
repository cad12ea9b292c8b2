"""Secrets encrypted with AES-256-GCM, and keyed digests, under keys derived from the service's own secret."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ...core.ports.secrets import SealBroken

_VERSION = "v1"
_LABEL = b"photochanger secret box v1"
_DIGEST_LABEL = b"photochanger keyed digests v1"
"""Separate the uses of the secret from each other; a new format needs a new label."""

_NONCE_BYTES = 12
_KEY_BYTES = 32
_TAG_BYTES = 16


class AesSecretBox:
    """The SecretBox port. `secret` returns the service's secret; it is called once, at the first use.

    A sealed text is `v1.` and base64url of nonce, ciphertext and tag; version and purpose are authenticated. Nonces are
    random, as NIST SP 800-38D, section 8.2.2 allows for up to 2^32 texts under one key.
    """

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = secret
        self._cipher: Any = None
        self._digest_key: bytes | None = None
        self._kept: bytes | None = None
        self._making = threading.RLock()

    def __repr__(self) -> str:
        return "AesSecretBox()"

    def seal(self, plain: str, *, purpose: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._aead().encrypt(nonce, _bytes(plain), _associated(purpose))
        return f"{_VERSION}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, purpose: str) -> str:
        nonce, content = _parts(sealed)
        cipher = self._aead()
        invalid_tag = import_module("cryptography.exceptions").InvalidTag
        try:
            plain: bytes = cipher.decrypt(nonce, content, _associated(purpose))
        except invalid_tag:
            raise _broken() from None
        return plain.decode("utf-8", "surrogatepass")

    def digest(self, text: str, *, purpose: str) -> bytes:
        if self._digest_key is None:
            self._digest_key = hmac.digest(self._main_secret(), _DIGEST_LABEL, "sha256")
        named = _bytes(purpose)
        return hmac.digest(self._digest_key, len(named).to_bytes(4) + named + _bytes(text), "sha256")

    def _main_secret(self) -> bytes:
        with self._making:
            if self._kept is None:
                self._kept = _bytes(self._secret())
            return self._kept

    def _aead(self) -> Any:
        """The cipher; its library takes milliseconds to load, so the first use loads it."""
        with self._making:
            if self._cipher is None:
                hashes = import_module("cryptography.hazmat.primitives.hashes")
                hkdf = import_module("cryptography.hazmat.primitives.kdf.hkdf")
                aead = import_module("cryptography.hazmat.primitives.ciphers.aead")
                derive = hkdf.HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=_LABEL)
                self._cipher = aead.AESGCM(derive.derive(self._main_secret()))
            return self._cipher


def _parts(sealed: str) -> tuple[bytes, bytes]:
    version, _, text = sealed.partition(".")
    try:
        data = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise _broken() from None
    # Several texts decode to the same bytes; only the one that `seal` writes is accepted.
    if version != _VERSION or len(data) < _NONCE_BYTES + _TAG_BYTES or base64.urlsafe_b64encode(data).decode() != text:
        raise _broken()
    return data[:_NONCE_BYTES], data[_NONCE_BYTES:]


def _broken() -> SealBroken:
    return SealBroken("Cannot decrypt the sealed text: the secret or the purpose differs, or the text was changed.")


def _associated(purpose: str) -> bytes:
    return _bytes(f"{_VERSION} {purpose}")


def _bytes(text: str) -> bytes:
    """UTF-8, also for lone surrogates."""
    return text.encode("utf-8", "surrogatepass")
