"""Devices' own keys, by which their messages over HTTP and their own sockets show whose they are.

A key is 256 bits by chance, which nobody guesses however fast a hash is: so a plain SHA-256 of it is kept, where a password would take a
slow one. A table that leaks gives no key away, and a key's device is found by an index.
"""

import hashlib
import secrets
from hmac import compare_digest
from typing import NamedTuple

from devices.models import Device

# What stands for the key of a sender that gave none.
NO_KEY = b""


def key_make() -> str:
    """Return a new key, 43 characters that may stand in a URL as they are."""
    return secrets.token_urlsafe(32)


def digest_of(key: str | bytes) -> bytes:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()


class KeyRule(NamedTuple):
    """What a device's senders have to present: the digest of its key, None while it has none, and whether they may do without.

    `is_used`: some sender has presented the key.
    """

    digest: bytes | None = None
    is_required: bool = False
    is_used: bool = False

    def admits(self, presented: bytes | None) -> bool:
        """Tell whether a sender may speak for the device that presented the digest of a key, or NO_KEY.

        None stands for a sender whose way in has shown already whose it is. A wrong key is worse than none.
        """
        if presented is None:
            return True
        if presented:
            return self.digest is not None and compare_digest(presented, self.digest)
        return not self.is_required


def device_of_key(key: str) -> Device | None:
    """Return the device in use that has the key (1 query)."""
    return Device.objects.filter(key_digest=digest_of(key)).first()
