"""Argon2id password hashes, computed off the event loop and never more than a few at once; bcrypt ones still verify."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

TIME_COST = 3
MEMORY_KIB = 64 * 1024
PARALLELISM = 4
"""Today's parameters: RFC 9106's second recommended set. Hashes made with others are outdated."""

_MAX_CONCURRENCY = 2

_BCRYPT_BYTES = 72
"""All that bcrypt looks at. A longer password never matches: whatever comes after would be taken for right, and be
hashed anew as the password."""


class Argon2PasswordHasher:
    """The PasswordHasher port by pwdlib. Hashes of bcrypt that were brought along verify, and are outdated.

    At most two hashes are computed at a time: each takes 64 MiB, and a flood of wrong passwords must not take all.
    """

    def __init__(self) -> None:
        self._hasher = Argon2Hasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=PARALLELISM)
        self._brought_along = BcryptHasher()
        self._threads = ThreadPoolExecutor(_MAX_CONCURRENCY, thread_name_prefix="passwords")

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, _encoded(password))

    async def verify(self, password: str, hash: str) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._verify, _encoded(password), hash)

    def is_outdated(self, hash: str) -> bool:
        try:
            return not self._hasher.identify(hash) or self._hasher.check_needs_rehash(hash)
        except ValueError:
            return True  # begins like a hash and is none

    def _verify(self, password: bytes, hash: str) -> bool:
        if not self._brought_along.identify(hash):
            return self._hasher.verify(password, hash)
        try:  # long ones as well: being wrong takes its time
            matches = self._brought_along.verify(password[:_BCRYPT_BYTES], hash)
        except ValueError:
            return False  # looks like a hash and is none
        return matches and len(password) <= _BCRYPT_BYTES

    async def close(self) -> None:
        """Let running hashes end and give the threads back."""
        await asyncio.to_thread(self._threads.shutdown)


def _encoded(password: str) -> bytes:
    """UTF-8, also for what is no valid text (JSON lets half a surrogate pair through): wrong, but not an error."""
    return password.encode("utf-8", "surrogatepass")
