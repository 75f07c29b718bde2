"""How many messages a minute one sender may send: what is beyond it is no meter. Counted by each process, in its memory.

Not REST framework's throttle: a reading over HTTP is answered beside Django's stack, in 0.25 ms, while a view that does nothing takes
1.8 ms in it (docs/performance.md), and the throttle asks the cache twice on top.
"""

import time
from collections.abc import Hashable

MINUTE_S = 60


class MinuteLimit:
    """Counts by key, from zero with every minute of the clock."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: dict[Hashable, int] = {}

    def admits(self, key: Hashable, most: int) -> bool:
        """Count one more of the key; tell whether it is among the first so many of this minute."""
        if (minute := int(time.time()) // MINUTE_S) != self._minute:
            self._minute = minute
            self._counts.clear()
        self._counts[key] = count = self._counts.get(key, 0) + 1
        return count <= most


def seconds_left() -> int:
    """Return when the next minute begins, in whole seconds, 1 at least."""
    return MINUTE_S - int(time.time()) % MINUTE_S
