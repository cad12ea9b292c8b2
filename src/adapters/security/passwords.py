"""Argon2id password hashes, computed off the event loop and never more than a few at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pwdlib.hashers.argon2 import Argon2Hasher

TIME_COST = 3
MEMORY_KIB = 64 * 1024
PARALLELISM = 4
"""Today's parameters: RFC 9106's second recommended set. Hashes made with others are outdated."""

_AT_ONCE = 2


class Argon2PasswordHasher:
    """The PasswordHasher port by pwdlib.

    At most two hashes are computed at a time: each takes 64 MiB, and a flood of wrong passwords must not take all.
    """

    def __init__(self) -> None:
        self._hasher = Argon2Hasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=PARALLELISM)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, _encoded(password))

    async def verify(self, password: str, hash: str) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._hasher.verify, _encoded(password), hash)

    def is_outdated(self, hash: str) -> bool:
        try:
            return not self._hasher.identify(hash) or self._hasher.check_needs_rehash(hash)
        except ValueError:
            return True  # begins like a hash and is none

    async def close(self) -> None:
        """Let running hashes end and give the threads back."""
        await asyncio.to_thread(self._threads.shutdown)


def _encoded(password: str) -> bytes:
    """UTF-8, also for what is no valid text (JSON lets half a surrogate pair through): wrong, but not an error."""
    return password.encode("utf-8", "surrogatepass")
