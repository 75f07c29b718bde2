"""Which channels return energy to the grid: their one counter counts both directions, and says nothing without the other."""

import asyncio
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from telemetry.samples import Sample

MOST = 100_000


class Returns:
    """Channels whose stored messages told this process of returned energy."""

    def __init__(self) -> None:
        """Know of none."""
        self._known: set[tuple[str, int]] = set()

    def note(self, mac: str, samples: Iterable[Sample]) -> None:
        """Remember the channels that tell of returned energy; without any, both readings of the counter are the same."""
        if len(self._known) > MOST:
            self._known.clear()
        self._known.update((mac, sample.channel) for sample in samples if sample.returned_wh)

    def honest(self, mac: str, samples: Iterable[Sample]) -> list[Sample]:
        """Return the samples, without the counter where this message leaves out the returned energy in it; the next one has it all."""
        return [
            sample._replace(energy_wh=None) if sample.returned_wh is None and (mac, sample.channel) in self._known else sample
            for sample in samples
        ]


_returns: "WeakKeyDictionary[asyncio.AbstractEventLoop, Returns]" = WeakKeyDictionary()


def returns() -> Returns:
    """Return what the running event loop knows: one a process in production."""
    return _returns.setdefault(asyncio.get_running_loop(), Returns())
