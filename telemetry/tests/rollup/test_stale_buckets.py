"""Which buckets a change touches and which readings these need, from the counters around it."""

from datetime import UTC, datetime, timedelta

import pytest

from telemetry.rollup.stale_buckets import (
    ChangedReadings,
    CounterLookup,
    Counters,
    CountersAround,
    Horizon,
    StaleRange,
    lookups_of_changes,
    lookups_of_stale,
    needed_readings,
    stale_ranges,
)
from telemetry.shelly.component_kinds import CHANNELS

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=30)
GAP = timedelta(seconds=90)
MINUTE = timedelta(minutes=1)
NOTHING = CountersAround(None, None, None)
ALWAYS = Horizon(LONG_AGO, {})
STEADY = Counters(LONG_AGO, NOON + timedelta(days=1), None)


def change(number: int = 0, *, at: datetime = NOON, length: timedelta = timedelta()) -> ChangedReadings:
    return ChangedReadings(7, number, at, at + length)


def stale_of(
    *changes: ChangedReadings, around: CountersAround = NOTHING, counters: Counters = STEADY, horizon: Horizon = ALWAYS
) -> list[StaleRange]:
    lookups = lookups_of_changes(changes, {(one.device_id, one.number): counters for one in changes})
    return stale_ranges(lookups, [around] * len(lookups), GAP, horizon)


def test_a_reading_without_counters_touches_what_the_gap_reaches() -> None:
    (stale,) = stale_of(change(at=NOON + timedelta(minutes=2, seconds=30)))
    assert stale == StaleRange(7, 0, NOON, NOON + 5 * MINUTE)
    (stale,) = stale_of(change())
    assert stale == StaleRange(7, 0, NOON - 5 * MINUTE, NOON + 5 * MINUTE)


def test_a_reading_touches_the_buckets_from_the_counter_before_to_behind_the_one_after() -> None:
    around = CountersAround(NOON - timedelta(hours=2), None, NOON + timedelta(hours=3))
    assert stale_of(change(), around=around) == [
        StaleRange(7, 0, NOON - timedelta(hours=2), NOON + timedelta(hours=3) + 10 * MINUTE)
    ]


def test_a_counter_that_may_be_misread_itself_needs_an_earlier_one() -> None:
    fell_lately = STEADY._replace(fell=NOON - MINUTE)
    around = CountersAround(NOON - 4 * MINUTE, NOON - timedelta(hours=1), None)
    assert stale_of(change(), around=around, counters=fell_lately)[0].start == NOON - timedelta(hours=1)
    far = CountersAround(NOON - timedelta(minutes=20), None, None)
    assert stale_of(change(), around=far, counters=STEADY._replace(fell=NOON - timedelta(hours=1)))[0].start == far.before
    (lookup,) = lookups_of_changes([change()], {(7, 0): fell_lately})
    assert lookup.may_be_misread(NOON - 4 * MINUTE)
    assert not lookup.may_be_misread(NOON - 20 * MINUTE)


def test_ranges_of_a_channel_that_meet_are_one_whatever_series_they_are_of() -> None:
    other = change(CHANNELS + 0, at=NOON + 8 * MINUTE)
    assert stale_of(change(), other) == [StaleRange(7, 0, NOON - 5 * MINUTE, NOON + 10 * MINUTE)]
    assert len(stale_of(change(), change(at=NOON + timedelta(hours=1)))) == 2
    assert len(stale_of(change(), change(1))) == 2


@pytest.mark.parametrize("horizon", [Horizon(NOON, {}), Horizon(LONG_AGO, {(7, 0): NOON})])
def test_nothing_before_the_horizon_is_stale(horizon: Horizon) -> None:
    assert stale_of(change(), horizon=horizon) == [StaleRange(7, 0, NOON, NOON + 5 * MINUTE)]
    assert stale_of(change(at=NOON - timedelta(hours=1)), horizon=horizon) == []


def test_a_stale_range_needs_the_readings_of_every_series_of_its_channel() -> None:
    counters = {(7, 0): STEADY, (7, CHANNELS): STEADY, (7, 1): STEADY, (8, 0): STEADY}
    stale = [StaleRange(7, 0, NOON, NOON + 5 * MINUTE)]
    lookups = lookups_of_stale(stale, counters, ALWAYS)
    assert [(one.device_id, one.number) for one in lookups] == [(7, 0), (7, CHANNELS)]
    around = [CountersAround(NOON - MINUTE, None, NOON + 6 * MINUTE), NOTHING]
    by_counter, by_power = needed_readings(lookups, around, counters, GAP)
    assert (by_counter.from_time, by_counter.to_time) == (NOON - GAP, NOON + 9 * MINUTE)
    assert (by_power.from_time, by_power.to_time) == (NOON - GAP, NOON + 5 * MINUTE + GAP)
    assert by_counter.stale_index == by_power.stale_index == 0


def test_where_the_horizon_cuts_a_range_no_counter_is_trusted() -> None:
    def lookup(horizon: Horizon) -> CounterLookup:
        (one,) = lookups_of_stale([StaleRange(7, 0, NOON, NOON + 5 * MINUTE)], {(7, 0): STEADY}, horizon)
        return one

    assert lookup(ALWAYS).is_steady
    assert not lookup(Horizon(NOON, {})).is_steady
