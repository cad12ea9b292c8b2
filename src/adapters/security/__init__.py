"""Passwords on real hash functions."""

from .passwords import Argon2PasswordHasher

__all__ = ["Argon2PasswordHasher"]
