"""Password hashes, encrypted secrets, signed tokens."""

from .passwords import Argon2PasswordHasher
from .secret_box import AesSecretBox
from .secret_key import kept_secret
from .tokens import JwtTokens

__all__ = ["AesSecretBox", "Argon2PasswordHasher", "JwtTokens", "kept_secret"]
