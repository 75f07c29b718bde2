"""Which topic prefix is a device's own. No Django, no clock, no I/O.

The broker lets each account write below its own prefix alone, but what a frame says of its sender anybody can write. So the first prefix
under which a device is heard stays its own, unless it has been silent there for a while: its owner may have set another one. A prefix that
names the MAC is always the device's: the account of that name is its own.
"""

from telemetry.shelly.merge import Remembered
from telemetry.shelly.mqtt_messages import DEVICE_ID

SILENT_S = 600.0


def names(prefix: str, mac: str) -> bool:
    """Tell whether the prefix is a device id with that MAC."""
    match = DEVICE_ID.fullmatch(prefix)
    return match is not None and match["mac"].lower() == mac


def is_own(prefix: str, mac: str, before: Remembered, at: float) -> bool:
    """Tell whether what comes under the prefix may be the device's; an answer of no known origin has none."""
    known = before.prefix
    return prefix == known or not known or not prefix or at - before.prefix_at >= SILENT_S or names(prefix, mac)


def proved(prefix: str, mac: str, before: Remembered, at: float) -> tuple[str, float]:
    """Return the device's own prefix and when it was last heard there, after a message under the prefix."""
    if prefix and (prefix == before.prefix or not before.prefix or names(prefix, mac)):
        return prefix, at
    return before.prefix, before.prefix_at
