"""Simulated time, which may run faster than the wall clock but never passes it."""

from collections.abc import Callable
from time import time as wall_time


class Clock:
    """A clock that begins in the past, runs `speed` times as fast as the wall, and goes with the wall once it has caught up."""

    def __init__(self, *, speed: float = 1, start: float | None = None, wall: Callable[[], float] = wall_time) -> None:
        """Begin at `start`, seconds since the epoch; by default, and if that is still to come, now."""
        self.speed, self.wall = speed, wall
        self._wall_start = wall()
        self._start = self._wall_start if start is None else min(start, self._wall_start)

    def now(self) -> float:
        """Return the simulated time, seconds since the epoch."""
        wall = self.wall()
        return min(wall, self._start + (wall - self._wall_start) * self.speed)

    @property
    def lag_s(self) -> float:
        """How far the simulated time is behind."""
        return self.wall() - self.now()
