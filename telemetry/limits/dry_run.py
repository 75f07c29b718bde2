"""What a limit would have done in the last days."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from telemetry.history.window import days_window
from telemetry.limits.figures import EnergyQuestion, PowerQuestion, Use, every_stretch, uses
from telemetry.models import Limit

DAYS = 7


class SwitchOff(NamedTuple):
    """When the circuit would have been switched off.

    By power: it had been above the limit since then, with that mean, and was until then. By energy: that had been used on the local day.
    """

    at: datetime
    since: datetime | None = None
    until: datetime | None = None
    mean_power_w: float | None = None
    kwh: float | None = None


class Day(NamedTuple):
    """What the circuit is known to have used on a local day (None: unknown), and for which share of it, 0 to 1, the limit could judge."""

    date: date
    kwh: float | None
    known_share: float


class DryRun(NamedTuple):
    """What a limit would have done in [start, end); `known_share` of the time it could judge."""

    start: datetime
    end: datetime
    known_share: float
    switch_offs: list[SwitchOff]
    days: list[Day]


def dry_run(limit: Limit, now: datetime) -> DryRun:
    """Return what the limit, which need not be stored, would have done today and on the six days before (1 or 2 queries)."""
    zone = ZoneInfo(limit.device.home.time_zone)
    edges = [*days_window(DAYS, now, zone).steps(), now.astimezone(zone)]
    limit_wh = float("inf") if limit.kwh_a_day is None else limit.kwh_a_day * 1000
    used = uses([EnergyQuestion(limit.device_id, limit.channel, start, end, limit_wh) for start, end in pairwise(edges)])
    known_s = [use.known_s if limit.power_w is None else use.covered_s for use in used]
    days = [
        Day(start.date(), None if use.wh is None else round(use.wh / 1000, 4), _share(one_s, start, end))
        for (start, end), use, one_s in zip(pairwise(edges), used, known_s, strict=True)
    ]
    known_share = _share(sum(known_s), edges[0], edges[-1])
    switch_offs = _by_energy(used) if limit.power_w is None else _by_power(limit, edges[0], now)
    return DryRun(edges[0], edges[-1], known_share, switch_offs, days)


def _share(known_s: float, start: datetime, end: datetime) -> float:
    """Return the share of the time; as instants, for the difference of two local times is that of their clocks."""
    length_s = end.timestamp() - start.timestamp()
    return round(min(known_s / length_s, 1.0), 4) if length_s else 0.0


def _by_energy(used: Sequence[Use]) -> list[SwitchOff]:
    return [
        SwitchOff(use.passed_at, kwh=round(use.passed_wh / 1000, 4))
        for use in used
        if use.passed_at and use.passed_wh is not None
    ]


def _by_power(limit: Limit, start: datetime, now: datetime) -> list[SwitchOff]:
    lasting = timedelta(minutes=limit.minutes or 0)
    question = PowerQuestion(limit.device_id, limit.channel, limit.power_w or 0.0, lasting, start)
    return [SwitchOff(one.passed_at, one.since, one.until, round(one.mean_w, 1)) for one in every_stretch(question, now)]
