"""Tokens that only their holder knows: random text outside, SHA-256 inside."""

import hashlib
import secrets

# 32 random bytes: as hard to guess as the digest is to invert.
TOKEN_BYTES = 32


def new_token() -> str:
    """Return a url-safe random text of 43 characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str:
    """Return the SHA-256 of a token, as 64 hex digits; it needs no salt, for the token is random."""
    return hashlib.sha256(token.encode()).hexdigest()
