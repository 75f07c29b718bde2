"""What limits are held against: how long power stayed above one, and when energy reached one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from telemetry.limits import sql


class PowerQuestion(NamedTuple):
    """Where a channel drew more than `power_w` for `lasting`, after `start` and after it was lower than that since `passed_at`."""

    device_id: int
    channel: int
    power_w: float
    lasting: timedelta
    start: datetime
    passed_at: datetime | None = None


class Stretch(NamedTuple):
    """Power above a limit from the reading at `since` to that at `until`: at `passed_at` it had been for long enough.

    `mean_w` is the mean of the readings until then. `is_newest`: no reading after `until` is known.
    """

    since: datetime
    passed_at: datetime
    until: datetime
    mean_w: float
    is_newest: bool


class EnergyQuestion(NamedTuple):
    """What a channel used in [start, end), and when that reached `limit_wh`."""

    device_id: int
    channel: int
    start: datetime
    end: datetime
    limit_wh: float = float("inf")


class Use(NamedTuple):
    """What is known to have been used, Wh, for how many seconds that is known, and for how many readings cover the time.

    None is unknown. At `passed_at`, to five minutes, it had reached the limit, being `passed_wh` by then.
    """

    wh: float | None = None
    known_s: float = 0.0
    covered_s: float = 0.0
    passed_at: datetime | None = None
    passed_wh: float | None = None


def longest_gap() -> timedelta:
    """Return the longest time between two readings in which what happened is known."""
    return timedelta(seconds=settings.TELEMETRY_COUNTER_GAP_SECONDS)


def every_stretch(question: PowerQuestion, now: datetime) -> list[Stretch]:
    """Return each time at which the question's limit was passed, oldest first (1 query)."""
    return [stretch for _number, stretch in _stretches(sql.EVERY_STRETCH, [question], now)]


def current_stretches(questions: Sequence[PowerQuestion], now: datetime) -> dict[int, Stretch]:
    """Return the stretches that last, by the place of the question among them (1 query, or none)."""
    found = _stretches(sql.LAST_STRETCHES, questions, now) if questions else []
    fresh = now - longest_gap()
    return {number - 1: stretch for number, stretch in found if stretch.is_newest and stretch.until >= fresh}


def _stretches(statement: str, questions: Sequence[PowerQuestion], now: datetime) -> list[tuple[int, Stretch]]:
    names = ("device_ids", "channels", "watts", "lasting", "starts", "passed")
    gaps = {"counter_gap": longest_gap(), "power_gap": timedelta(seconds=settings.TELEMETRY_POWER_GAP_SECONDS)}
    first = min(question.start for question in questions)
    first_passed = min((question.passed_at for question in questions if question.passed_at), default=now)
    rows = _query(statement, _columns(names, questions) | gaps | {"now": now, "first": first, "first_passed": first_passed})
    return [(number, Stretch(*values)) for number, *values in rows]


def uses(questions: Sequence[EnergyQuestion]) -> list[Use]:
    """Answer the questions in their order (1 query, or none)."""
    names = ("device_ids", "channels", "starts", "ends", "wh")
    rows = _query(sql.USES, _columns(names, questions)) if questions else []
    found = {number: Use(*values) for number, *values in rows}
    return [found.get(number, Use()) for number in range(1, len(questions) + 1)]


def _columns(names: Sequence[str], questions: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    return dict(zip(names, map(list, zip(*questions, strict=True)), strict=True))


def _query(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
