"""Requests to switch a device, by which a home shows that it has it: kept in Redis until they are over, one for each home and MAC.

Everything here raises RedisError where Redis is away.
"""

import secrets
from collections.abc import Sequence

import orjson
import redis

from devices.ownership.proofs import LEAST_SWITCHINGS, MOST_SWITCHINGS_ASKED, Challenge, challenge_of

KEY = "ecowatt:challenge:{home_id}:{mac}"
# What was shown counts for a while, so that a person can go on to register the device.
KEPT_AFTER_S = 600


def challenge_start(store: redis.Redis, *, home_id: int, mac: str, now: float) -> Challenge:
    """Ask anew: how often is chosen by chance, so that a device that happens to be switched meanwhile shows nothing."""
    switchings = LEAST_SWITCHINGS + secrets.randbelow(MOST_SWITCHINGS_ASKED - LEAST_SWITCHINGS + 1)
    challenge = challenge_of(switchings, now)
    life_s = int(challenge.until - now) + KEPT_AFTER_S
    store.set(KEY.format(home_id=home_id, mac=mac), orjson.dumps([*challenge]), ex=life_s)
    return challenge


def challenges_of(store: redis.Redis, *, home_id: int, macs: Sequence[str]) -> dict[str, Challenge]:
    """Return what the home was asked to do with the devices, by MAC; one round trip."""
    if not macs:
        return {}
    rows = store.mget([KEY.format(home_id=home_id, mac=mac) for mac in macs])
    return {mac: Challenge(*orjson.loads(row)) for mac, row in zip(macs, rows, strict=True) if row}
