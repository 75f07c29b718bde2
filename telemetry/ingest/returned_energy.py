"""Which channels return energy to the grid: their one counter counts both directions, and says nothing without the other."""

from collections.abc import Awaitable, Callable, Sequence

from telemetry.shelly.samples import Sample

MOST = 200_000

Series = tuple[int, int]
Rows = list[tuple[int, Sample]]
Fetch = Callable[[Sequence[Series]], Awaitable[dict[Series, bool]]]


class Returns:
    """Channels, by device id and number, of which it is known whether they return energy."""

    def __init__(self) -> None:
        """Know of none."""
        self._known: dict[Series, bool] = {}

    async def honest(self, rows: Rows, fetch: Fetch) -> Rows:
        """Return the rows, without the counter where a message leaves out the returned energy in it; the next one has it all.

        What was stored before this process began is asked of `fetch`, once for each channel.
        """
        bare = [(key, one.channel) for key, one in rows if one.returned_wh is None and one.energy_wh is not None]
        if len(bare) < len(rows):
            self._known |= {(key, one.channel): True for key, one in rows if one.returned_wh}
        if unknown := {series for series in bare if series not in self._known}:  # a difference of sets walks all that are known
            if len(self._known) > MOST:
                self._known = {series: True for series, returns in self._known.items() if returns}
            self._known |= await fetch(list(unknown))
        if not any(map(self._known.get, bare)):
            return rows
        return [
            (key, one._replace(energy_wh=None)) if one.returned_wh is None and self._known.get((key, one.channel)) else (key, one)
            for key, one in rows
        ]
