"""Local times on weekdays, held against a walk through every minute."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.schedules.occurrences import moment_of, occurrences

# Mexico's four zones, its border, and one whose days skip midnight, or half an hour.
ZONES = ["America/Mexico_City", "America/Tijuana", "America/Cancun", "America/Ojinaga", "America/Santiago", "Australia/Lord_Howe"]
MINUTE = timedelta(minutes=1)


def walked(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Walk from half a day before to the first minute whose local time is the wanted one, or the first behind a gap that left it out."""
    wanted = datetime.combine(day, at.replace(fold=0))
    moment = datetime.combine(day, at, UTC) - timedelta(hours=12)  # no zone here is further ahead
    while moment.astimezone(zone).replace(tzinfo=None) < wanted:
        moment += MINUTE
    return moment


@pytest.mark.parametrize(
    ("zone", "day", "at", "moment"),
    [
        ("America/Mexico_City", date(2026, 7, 1), time(22, 30), "2026-07-02T04:30Z"),  # no daylight saving since 2022
        ("America/Tijuana", date(2026, 7, 1), time(22, 30), "2026-07-02T05:30Z"),
        ("America/Tijuana", date(2026, 3, 8), time(2, 30), "2026-03-08T10:00Z"),  # there is no 02:30: it acts at 03:00
        ("America/Tijuana", date(2026, 3, 8), time(3, 0), "2026-03-08T10:00Z"),
        ("America/Tijuana", date(2026, 11, 1), time(1, 30), "2026-11-01T08:30Z"),  # the first of two
        ("America/Santiago", date(2026, 9, 6), time(0, 15), "2026-09-06T04:00Z"),  # the day begins at 01:00
    ],
)
def test_a_local_time_is_a_moment(zone: str, day: date, at: time, moment: str) -> None:
    assert moment_of(day, at, ZoneInfo(zone)) == datetime.fromisoformat(moment)


@example("America/Tijuana", date(2026, 3, 8), time(2, 59))
@example("America/Tijuana", date(2026, 11, 1), time(1, 0))
@example("America/Tijuana", date(2026, 11, 1), time(1, 0, fold=1))
@example("Australia/Lord_Howe", date(2026, 10, 4), time(2, 10))
@given(
    st.sampled_from(ZONES),
    st.dates(date(2000, 1, 1), date(2035, 1, 1)),
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
)
def test_it_is_the_moment_that_a_walk_through_the_minutes_finds(zone: str, day: date, at: time) -> None:
    assert moment_of(day, at, ZoneInfo(zone)) == walked(day, at, ZoneInfo(zone))


@given(
    st.sampled_from(ZONES),
    st.integers(946_684_800, 2_051_222_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.sets(st.integers(1, 7), min_size=1),
)
def test_occurrences_are_one_for_each_chosen_day_and_all_later(zone: str, after: datetime, at: time, weekdays: set[int]) -> None:
    where = ZoneInfo(zone)
    days = (after.astimezone(where).date() + timedelta(days=n) for n in range(-1, 30))
    all_moments = [moment_of(day, at, where) for day in days if day.isoweekday() in weekdays]
    expected = [moment for moment in all_moments if moment > after][:3]
    assert list(islice(occurrences(at, weekdays, where, after=after), 3)) == expected


def test_an_occurrence_is_not_found_again_from_its_own_moment_on() -> None:
    zone, at = ZoneInfo("America/Tijuana"), time(1, 30)
    first = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
    assert next(occurrences(at, {7}, zone, after=first - MINUTE)) == first
    # An hour later the clock shows 01:30 again, and nothing comes before the next Sunday.
    assert next(occurrences(at, {7}, zone, after=first)) == datetime(2026, 11, 8, 9, 30, tzinfo=UTC)
