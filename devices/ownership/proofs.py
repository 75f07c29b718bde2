"""What shows that a device is where its claimant is. Pure; times are Unix seconds.

Whoever knows a MAC can post as the device that has it. So what comes from one place proves something only while nothing has come from
another, and nothing but its account does where the device has one at the broker.
"""

from enum import StrEnum
from typing import NamedTuple

from devices.discovery import UnprovenDevice

# A device that is posted for by a script says something every ten seconds.
SECONDS_A_SWITCHING = 30.0
LEAST_SWITCHINGS, MOST_SWITCHINGS_ASKED = 3, 6


class Proof(StrEnum):
    """How a claim was proven: an account at the broker, the same public address, switchings that were asked for, or staff's word."""

    ACCOUNT = "account"
    ADDRESS = "address"
    SWITCHING = "switching"
    STAFF = "staff"


# What shows whose a device is. An account shows that the device is no invention, and so proves the claim of whoever has made one.
NEARNESS = frozenset({Proof.ADDRESS, Proof.SWITCHING})


class Challenge(NamedTuple):
    """What a home was asked to do with a device: to switch it on or off so many times, from `since` until `until`, and no more."""

    switchings: int
    since: float
    until: float


def challenge_of(switchings: int, now: float) -> Challenge:
    """Return a challenge that leaves time for each switching to be seen."""
    return Challenge(switchings, now, now + switchings * SECONDS_A_SWITCHING)


def switchings_seen(device: UnprovenDevice | None, challenge: Challenge) -> int:
    """Return how often the device was seen to be switched while it was asked to be."""
    return sum(challenge.since < at <= challenge.until for at in device.switched_at) if device else 0


def proof_of(device: UnprovenDevice | None, *, address: str | None, challenge: Challenge | None = None) -> Proof | None:
    """Return what shows that the device is the caller's, or None.

    The caller has this public address (None: a private one) and has perhaps been asked to switch the device.
    """
    if device is None:
        return None
    if device.has_account:
        return Proof.ACCOUNT
    if len(device.places) > 1:
        return None
    if address is not None and device.places == (address,):
        return Proof.ADDRESS
    if challenge is not None and switchings_seen(device, challenge) == challenge.switchings:
        return Proof.SWITCHING
    return None
