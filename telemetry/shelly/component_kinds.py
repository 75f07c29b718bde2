"""Which kind of component measures a channel: each kind has counters of its own, and they say nothing of another's.

A device whose profile is changed measures the same channel with another kind. What that counts is another series of readings: under the
channel's own number go those of its usual kind, the first that was ever heard there, and those of another kind under a number above all
channels. So two kinds never stand between each other's readings, and a reading takes no more room for it.
"""

from enum import IntEnum


class Kind(IntEnum):
    """The kinds of components; the numbers are stored."""

    UNKNOWN = 0  # stored before kinds were, or imported from where they were not known
    SWITCH = 1
    COVER = 2
    PM1 = 3
    EM1 = 4
    EM = 5
    LIGHT = 6
    RGB = 7
    RGBW = 8
    CCT = 9


CHANNELS = 32  # more than any device has; it is part of stored numbers, so it never changes


def kind_name(kind: int) -> str:
    """Return the name as devices say it (`switch`), empty where the kind is not known."""
    return Kind(kind).name.lower() if kind else ""


def series_number(channel: int, kind: int, usual: int) -> int:
    """Return the number under which a channel's readings of a kind are stored, where `usual` is the channel's usual kind."""
    return channel if kind in (usual, Kind.UNKNOWN) else channel + CHANNELS * kind
