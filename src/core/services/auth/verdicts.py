"""What the slow hash decided in this process, so that it decides the same question once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict

MAX_RIGHT = 2_048
MAX_WRONG = 10_000


class Verdicts:
    """Right and wrong passwords of hashes, as digests under a key that exists only in this object. No I/O."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[str, bytes] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()

    def of(self, password: str, hash: str) -> bool | None:
        """The verdict; None if this process has not asked the slow hash."""
        digest = self._digest(password, hash)
        right = self._right.get(hash)
        if right is not None:
            return hmac.compare_digest(right, digest)
        return False if digest in self._wrong else None

    def note_right(self, password: str, hash: str) -> None:
        """Remember the password of a hash: every other one is wrong."""
        self._right[hash] = self._digest(password, hash)
        self._right.move_to_end(hash)
        if len(self._right) > MAX_RIGHT:
            self._right.popitem(last=False)

    def note_wrong(self, password: str, hash: str) -> None:
        """Remember a wrong password; the oldest ones are forgotten."""
        self._wrong[self._digest(password, hash)] = None
        if len(self._wrong) > MAX_WRONG:
            self._wrong.popitem(last=False)

    def _digest(self, password: str, hash: str) -> bytes:
        text = f"{len(hash)} {hash} {password}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()
