"""What opens a door of ours: the password and the token, compared without giving them away."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from os import environ as process_environ

from core.secrets import read_secret


@dataclass(frozen=True, slots=True)
class Keys:
    """Where both are None the door stands open."""

    password: str | None = None
    """Of HTTP Basic, with any user."""
    token: str | None = None
    """Bearer."""

    def __bool__(self) -> bool:
        return bool(self.password or self.token)

    def fit(self, authorization: str) -> bool:
        """Whether an Authorization header opens the door."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return _equal(given.strip(), self.token)
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(given.strip(), validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                return False
            return _equal(pair.partition(":")[2], self.password)
        return False


def read_keys(environ: Mapping[str, str] = process_environ) -> Keys:
    """Those of the environment: every door of every part opens to the same ones."""
    return Keys(
        read_secret("LOOKALIKE_WEB_PASSWORD", environ), read_secret("LOOKALIKE_WEB_TOKEN", environ)
    )


def _equal(given: str, key: str | None) -> bool:
    """In a time that depends on neither; digests, because their lengths are equal."""
    ours, theirs = (hashlib.sha256((text or "").encode()).digest() for text in (key, given))
    return secrets.compare_digest(ours, theirs) and bool(key)
