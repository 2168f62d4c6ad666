"""Secrets of keys: 256 random bits behind a visible prefix, kept as their SHA-256 alone."""

from __future__ import annotations

import hashlib
import secrets

MARK = "sk_"
PREFIX_LENGTH = len(MARK) + 6  # enough to recognise a key by, 36 of 256 bits


def make_secret() -> str:
    return MARK + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return what is stored and what gateways compare. No salt and no slow hash: nobody can guess 256 bits."""
    return hashlib.sha256(secret.encode()).hexdigest()
