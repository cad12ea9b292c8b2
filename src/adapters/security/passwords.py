"""Argon2id password hashes, computed in at most two threads; imported bcrypt hashes can be verified."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

TIME_COST = 3
MEMORY_KIB = 64 * 1024
PARALLELISM = 4
"""The second recommended parameter set of RFC 9106. Hashes with other parameters are outdated."""

_MAX_CONCURRENCY = 2

_BCRYPT_BYTES = 72
"""bcrypt ignores the rest. A longer password never matches: any ending would be accepted, and rehashed as the
password."""


class Argon2PasswordHasher:
    """The PasswordHasher port by pwdlib. Imported bcrypt hashes can be verified and are outdated.

    At most two hashes are computed concurrently: each takes 64 MiB, and a flood of wrong passwords must not exhaust the
    memory.
    """

    def __init__(self) -> None:
        self._hasher = Argon2Hasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=PARALLELISM)
        self._bcrypt = BcryptHasher()
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
            return True  # not a complete hash

    def _verify(self, password: bytes, hash: str) -> bool:
        if not self._bcrypt.identify(hash):
            return self._hasher.verify(password, hash)
        try:  # too long ones as well: the time must not depend on the password
            matches = self._bcrypt.verify(password[:_BCRYPT_BYTES], hash)
        except ValueError:
            return False  # not a complete hash
        return matches and len(password) <= _BCRYPT_BYTES

    async def close(self) -> None:
        """Wait for running hashes and stop the threads."""
        await asyncio.to_thread(self._threads.shutdown)


def _encoded(password: str) -> bytes:
    """UTF-8, also for lone surrogates, which JSON allows: a wrong password, not an error."""
    return password.encode("utf-8", "surrogatepass")
