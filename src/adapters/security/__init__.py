"""Passwords on real hash functions, and secrets under real encryption."""

from .passwords import Argon2PasswordHasher
from .secret_box import AesSecretBox
from .secret_key import kept_secret

__all__ = ["AesSecretBox", "Argon2PasswordHasher", "kept_secret"]
