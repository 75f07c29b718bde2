"""Which channels return energy to the grid: their one counter counts both directions, and says nothing without the other."""

from collections.abc import Sequence
from typing import Any

import psycopg

from telemetry.ingest import sql
from telemetry.shelly.samples import Sample

MOST = 200_000

Series = tuple[int, int]
Rows = list[tuple[int, Sample]]


class ReturnedEnergy:
    """Channels, by device id and number, of which it is known whether they return energy."""

    def __init__(self) -> None:
        self._known: dict[Series, bool] = {}

    async def checked(self, rows: Rows, database: psycopg.AsyncConnection[Any]) -> Rows:
        """Return the rows, without the counter where a message leaves out the returned energy in it; the next one has it all.

        What was stored before this process began is asked of the database, once for each channel.
        """
        bare = [(device_id, one.channel) for device_id, one in rows if one.returned_wh is None and one.energy_wh is not None]
        if len(bare) < len(rows):
            self._known |= {(device_id, one.channel): True for device_id, one in rows if one.returned_wh}
        if unknown := {series for series in bare if series not in self._known}:  # a difference of sets walks all that are known
            if len(self._known) > MOST:
                self._known = {series: True for series, returns in self._known.items() if returns}
            self._known |= await _fetch(list(unknown), database)
        if not any(map(self._known.get, bare)):
            return rows
        return [
            (device_id, one._replace(energy_wh=None))
            if one.returned_wh is None and self._known.get((device_id, one.channel))
            else (device_id, one)
            for device_id, one in rows
        ]


async def _fetch(series: Sequence[Series], database: psycopg.AsyncConnection[Any]) -> dict[Series, bool]:
    cursor = await database.execute(sql.RETURNING_CHANNELS, [*map(list, zip(*series, strict=True))])
    return {(device_id, channel): returns for device_id, channel, returns in await cursor.fetchall()}
