"""The days of a simulated home and how warm they are where it stands. Pure."""

import math
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

HOUR = 3600.0


class Climate(NamedTuple):
    """A place's mean temperature, °C, and by how much summer and afternoon are above it (winter and the small hours are below)."""

    mean_c: float
    season_c: float
    hour_c: float


# Rounded from the normals of the weather service: the north where tariff 1F applies, which stands for every place that is not listed, and
# the Yucatan peninsula, where nights are warm all year.
NORTH, PENINSULA = Climate(24, 8, 7), Climate(26.8, 2.8, 4.5)
CLIMATES = {"America/Cancun": PENINSULA, "America/Merida": PENINSULA}


def climate_of(zone: ZoneInfo) -> Climate:
    """Return the climate of a home by its time zone."""
    return CLIMATES.get(zone.key, NORTH)


class Day(NamedTuple):
    """A day as the appliances see it; `warmth_c` is how much warmer the day is than usual."""

    date: date
    warmth_c: float
    climate: Climate = NORTH

    @property
    def is_weekend(self) -> bool:
        """Whether people are at home by day."""
        return self.date.weekday() >= 5

    @property
    def mean_c(self) -> float:
        """The mean temperature outside: hottest in July."""
        season = math.cos(2 * math.pi * (self.date.timetuple().tm_yday - 200) / 365)
        return self.climate.mean_c + self.climate.season_c * season + self.warmth_c

    def outdoor_c(self, second: float) -> float:
        """Return the temperature outside: hottest at 16:00."""
        return self.mean_c + self.climate.hour_c * math.cos(2 * math.pi * (second / HOUR - 16) / 24)

    def indoor_c(self, second: float) -> float:
        """Return the temperature of a room that nothing cools: its walls keep the sun's heat into the night, hottest at 19:00."""
        return self.mean_c + 3 + 0.6 * self.climate.hour_c * math.cos(2 * math.pi * (second / HOUR - 19) / 24)
