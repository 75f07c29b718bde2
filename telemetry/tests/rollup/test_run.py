"""Energy is what the counter says, however the readings came: the SQL is held against a plain loop, and both against the counter."""

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from telemetry.columns import Flag
from telemetry.models import FiveMinutes, Hour, LateSpan, Reading
from telemetry.partitions import partitions_maintain
from telemetry.rollup import run as rollups
from telemetry.services import readings_store, rollup_rebuild
from telemetry.shelly.samples import Sample
from telemetry.tests import reference
from telemetry.tests.past import forget

DEVICE = 7
pytestmark = pytest.mark.django_db
DATABASE = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


def recent(hours: float = 26) -> datetime:
    """A time lately, at the start of an hour."""
    return (datetime.now(UTC) - timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)


def sample(time: datetime, power: float = 100.0, energy: float | None = None, returned: float | None = None) -> Sample:
    return Sample(0, time, power, 127.0, 1.0, energy, returned)


def store(samples: list[Sample]) -> None:
    readings_store((DEVICE, one) for one in samples)
    rollups.rollup()


def five_minutes() -> dict[datetime, FiveMinutes]:
    return {bucket.start: bucket for bucket in FiveMinutes.objects.filter(device_id=DEVICE).order_by("start")}


def all_buckets() -> list[tuple[object, ...]]:
    """Every bucket, to a millionth: the order in which floats are added is free."""
    rows = [*FiveMinutes.objects.order_by("start").values_list(), *Hour.objects.order_by("start").values_list()]
    return [tuple(round(value, 6) if isinstance(value, float) else value for value in row) for row in rows]


def total(model: type[FiveMinutes] | type[Hour]) -> float:
    return sum(bucket.measured_wh + bucket.recovered_wh for bucket in model.objects.filter(device_id=DEVICE))


def assert_as_the_plain_loop(samples: list[Sample]) -> None:
    expected = reference.buckets(samples)
    found = five_minutes()
    assert set(found) == set(expected)
    for start, bucket in found.items():
        seen = (bucket.measured_wh, bucket.recovered_wh, bucket.returned_wh, bucket.covered_s, bucket.samples, bucket.flags)
        assert seen == pytest.approx(expected[start].values(), abs=1e-4), start


def a_day(start: datetime, seed: int) -> tuple[list[Sample], float]:
    """A day at 10 s with a two-hour gap and a counter that starts anew: the readings, and the Wh the counter moved."""
    dice = random.Random(seed)
    counter, moved, samples, time = 5_000.0, 0.0, [], start
    restart = start + timedelta(hours=15, seconds=dice.randrange(3600))
    while time < start + timedelta(days=1):
        power = dice.choice([3.0, 120.0, 1500.0])
        step = power * 10 / 3600
        if restart <= time < restart + timedelta(seconds=10):
            counter, moved = step, moved + step
        else:
            counter, moved = counter + step, moved + step
        if not start + timedelta(hours=8) <= time < start + timedelta(hours=10):
            samples.append(sample(time, power, round(counter, 3)))
        time += timedelta(seconds=10)
    return samples, moved - (samples[0].energy_wh - 5_000.0)


@settings(max_examples=8, **DATABASE)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 8_000), max_size=4))
def test_a_day_in_any_order_and_cut_sums_to_the_counters_movement(seed: int, cuts: list[int]) -> None:
    forget()
    samples, moved = a_day(recent(30), seed)
    dice = random.Random(seed)
    arriving = samples + dice.sample(samples, 500)
    dice.shuffle(arriving)
    edges = [0, *sorted(cut for cut in cuts if cut < len(arriving)), len(arriving)]
    for low, high in itertools.pairwise(edges):
        store(arriving[low:high])
    assert total(FiveMinutes) == pytest.approx(moved, abs=0.1)
    assert total(Hour) == pytest.approx(moved, abs=0.1)
    assert sum(bucket.recovered_wh for bucket in five_minutes().values()) > 0


KINDS = ["none", "rise", "rise", "rise", "same", "dip", "half", "low", "high", "spike", "restart", "jump", "rounding", "fall"]
steps = st.tuples(
    st.sampled_from([1, 1, 5, 10, 10, 30, 59, 60, 61, 89, 90, 91, 179, 180, 181, 200, 299, 300, 301, 1000, 7200]),
    st.floats(-3000, 3000, width=32),
    st.sampled_from(KINDS),
    st.sampled_from(["rise", "rise", "rise", "dip", "restart", "rounding", "fall"]),
)


def counted(before: float, moved_wh: float, kind: str) -> tuple[float, float]:
    """Return what a counter says next, and what it goes on from."""
    said = {
        "dip": 0.0, "half": before / 2, "low": before - 40, "high": before + 40, "spike": before + 1e5, "restart": 1.5,
        "jump": before + 1e6, "rounding": before - 0.5, "fall": before - 20, "same": before,
    }.get(kind, before + moved_wh)  # fmt: skip
    said = max(round(said, 3), 0.0)
    return said, before if kind in ("dip", "half", "low", "high", "spike") else said


def a_stream(start: datetime, moves: list[tuple[int, float, str, str]], both: float = 2_000.0, back: float = 0.0) -> list[Sample]:
    """Return readings of a device that counts both directions in one counter and the returned energy in another."""
    samples, time = [], start
    for seconds, power, kind, other in moves:
        time += timedelta(seconds=seconds)
        said, both = counted(both, abs(power) * seconds / 3600, kind)
        gone, back = counted(back, max(-power, 0.0) * seconds / 3600, other if back else "rise")
        known = kind != "none"
        samples.append(sample(time, power, round(said - gone, 3) if known else None, gone if known else None))
    return samples


@settings(max_examples=75, **DATABASE)
@given(
    moves=st.lists(steps, min_size=1, max_size=40),
    order=st.randoms(use_true_random=False),
    cut=st.integers(0, 40),
    both=st.sampled_from([3.0, 300.0, 2_000.0, 5e6]),
    back=st.sampled_from([0.0, 0.0, 2.0, 1_000.0]),
)
def test_buckets_are_those_of_the_plain_loop_whatever_the_order(
    moves: list[tuple[int, float, str, str]], order: random.Random, cut: int, both: float, back: float
) -> None:
    forget()
    samples = a_stream(recent(80), moves, both + back, back)
    arriving = list(samples)
    order.shuffle(arriving)
    for part in (arriving[:cut], arriving[cut:]):
        if part:
            store(part)
    assert_as_the_plain_loop(samples)
    before = all_buckets()
    rollup_rebuild()
    assert all_buckets() == before


bursts = st.tuples(
    st.sampled_from(["rise", "same", "dip", "low", "high", "spike", "none"]),
    st.integers(1, 6),
    st.sampled_from([1, 10, 20, 29, 45, 89, 400]),
)


@settings(max_examples=75, **DATABASE)
@given(
    runs=st.lists(bursts, min_size=3, max_size=14),
    order=st.permutations(range(14)),
    both=st.sampled_from([0.0, 300.0, 5e6]),
)
def test_runs_of_a_wrong_value_are_judged_the_same_wherever_they_are_cut(
    runs: list[tuple[str, int, int]], order: list[int], both: float
) -> None:
    forget()
    moves = [(seconds, 500.0, kind, "rise") for kind, count, seconds in runs for _again in range(count)]
    samples = a_stream(recent(80), moves, both)
    edges = list(itertools.accumulate((count for _kind, count, _seconds in runs), initial=0))
    for place in order:
        if part := samples[edges[place] : edges[place + 1]] if place < len(runs) else []:
            store(part)
    assert_as_the_plain_loop(samples)
    before = all_buckets()
    rollup_rebuild()
    assert all_buckets() == before


def test_a_counter_across_a_gap_is_recovered_evenly() -> None:
    start = recent()
    store([sample(start, energy=1000.0), sample(start + timedelta(hours=2), energy=1240.0)])
    found = list(five_minutes().values())
    assert [bucket.recovered_wh for bucket in found] == pytest.approx([10.0] * 24 + [0.0])
    assert [bucket.covered_s for bucket in found] == [0.0] * 25
    assert total(Hour) == pytest.approx(240.0)


def test_power_without_a_counter_is_integrated_over_short_gaps_only() -> None:
    start = recent()
    store([sample(start, 3000.0), sample(start + timedelta(seconds=8), 3000.0), sample(start + timedelta(seconds=69), 3000.0)])
    assert total(FiveMinutes) == pytest.approx(3000 * 8 / 3600)


def test_a_bucket_has_the_least_mean_and_most_of_what_was_said() -> None:
    start = recent()
    store(
        [
            Sample(0, start, 100.0, None, None, None, None),
            Sample(0, start + timedelta(seconds=10), 300.0, 126.0, None, None, None),
            Sample(0, start + timedelta(seconds=40), -50.0, 128.0, None, None, None),
        ]
    )
    for model in (FiveMinutes, Hour):
        (bucket,) = model.objects.all()
        assert (bucket.power_min_w, bucket.power_max_w, bucket.voltage_v, bucket.current_a) == (-50.0, 300.0, 127.0, None)
        assert bucket.power_mean_w == pytest.approx((200 * 10 + 125 * 30) / 40)


def test_readings_of_two_days_are_taken_in_order() -> None:
    partitions_maintain(datetime.now(UTC))
    midnight = recent(48).replace(hour=0)
    samples = [sample(midnight + timedelta(seconds=10 * step), 360.0, 1000.0 + step) for step in range(-60, 60)]
    store(samples[::-1])
    assert_as_the_plain_loop(samples)
    assert total(Hour) == pytest.approx(119.0)


def test_export_counts_as_returned_and_never_as_used() -> None:
    start = recent()
    store([sample(start, -600.0), sample(start + timedelta(seconds=60), -600.0)])
    (bucket,) = five_minutes().values()
    assert (bucket.measured_wh, bucket.returned_wh) == pytest.approx((0.0, 10.0))
    assert bucket.power_mean_w == pytest.approx(-600.0)


def test_a_restart_counts_the_new_value_and_an_absurd_rise_counts_nothing() -> None:
    start = recent()
    counters = [5000.0, 5010.0, 4.0, 6.0, 9_000_000.0, 9_000_002.0]
    store([sample(start + timedelta(seconds=10 * step), energy=value) for step, value in enumerate(counters)])
    (bucket,) = five_minutes().values()
    assert bucket.measured_wh == pytest.approx(10 + 4 + 2 + 2)
    assert bucket.flags == Hour.objects.get().flags == Flag.REJECTED | Flag.RESTARTED


def test_one_high_misreading_of_a_low_counter_counts_nothing() -> None:
    start = recent()
    counters = [400.0, 9_000_000.0, 402.0, 403.0]
    store([sample(start + timedelta(seconds=10 * step), energy=value) for step, value in enumerate(counters)])
    assert total(FiveMinutes) == pytest.approx(3.0)


@pytest.mark.parametrize("wrong", [0.0, 17.5, 280.0, 320.0, 9_000_000.0])
@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_a_wrong_value_that_lasts_some_readings_and_is_back_within_90_s_counts_nothing(wrong: float, count: int) -> None:
    start = recent()
    counters = [300.0, 301.0, *[wrong] * count, 303.0, 304.0]
    store([sample(start + timedelta(seconds=10 * step), energy=value) for step, value in enumerate(counters)])
    assert total(FiveMinutes) == pytest.approx(4.0)
    assert FiveMinutes.objects.get().flags == 0


def test_a_zero_that_lasts_longer_is_a_restart() -> None:
    start = recent()
    counters = [300.0, *[0.0] * 10, 2.0, 3.0]
    store([sample(start + timedelta(seconds=10 * step), energy=value) for step, value in enumerate(counters)])
    assert total(FiveMinutes) == pytest.approx(3.0)
    assert FiveMinutes.objects.get().flags == Flag.RESTARTED


def test_a_counter_of_an_idle_device_that_begins_again_is_no_misreading() -> None:
    start = recent()
    counters = [300.0, 300.0, 0.0, 0.0, 1.0, 2.5]
    store([sample(start + timedelta(seconds=10 * step), energy=value) for step, value in enumerate(counters)])
    assert total(FiveMinutes) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("both", "returned"),
    [
        ([1500.0, 1510.0, 3.0, 13.0], [500.0, 505.0, 505.0, 510.0]),  # aenergy alone
        ([1500.0, 1510.0, 1513.0, 1523.0], [500.0, 505.0, 0.0, 5.0]),  # ret_aenergy alone
        ([1500.0, 1510.0, 3.0, 13.0], [500.0, 505.0, 0.0, 5.0]),  # both
    ],
)
def test_each_of_two_counters_begins_again_by_itself(both: list[float], returned: list[float]) -> None:
    start = recent()
    store(
        [
            sample(start + timedelta(seconds=20 * step), energy=total_wh - back, returned=back)
            for step, (total_wh, back) in enumerate(zip(both, returned, strict=True))
        ]
    )
    (bucket,) = five_minutes().values()
    assert (bucket.measured_wh, bucket.returned_wh, bucket.flags) == pytest.approx((23.0 - 10.0, 10.0, int(Flag.RESTARTED)))


def test_a_misread_counter_of_returned_energy_moves_nothing() -> None:
    start = recent()
    returned = [400.0, 401.0, 0.0, 0.0, 0.0, 405.0]
    store(
        [
            sample(start + timedelta(seconds=10 * step), energy=2_000.0 + 3 * step - back, returned=back)
            for step, back in enumerate(returned)
        ]
    )
    (bucket,) = five_minutes().values()
    assert (bucket.measured_wh, bucket.returned_wh, bucket.flags) == pytest.approx((10.0, 5.0, 0))


def test_a_counter_that_sinks_without_beginning_again_takes_nothing_back() -> None:
    start = recent()
    counters = [5e6 * 1.04, 5e6 * 1.04 + 1, 5e6, 5e6 + 1, 5e6 + 0.5, 5e6 + 2]
    store([sample(start + timedelta(minutes=4 * step), energy=value) for step, value in enumerate(counters)])
    assert total(Hour) == pytest.approx(1 + 1 - 0.5 + 1.5)
    assert any(bucket.flags & Flag.REJECTED for bucket in five_minutes().values())
    assert min(bucket.measured_wh + bucket.recovered_wh for bucket in five_minutes().values()) > -1


def test_counters_that_sink_in_small_steps_make_no_bucket_negative_by_more_than_rounding() -> None:
    start = recent()
    store([sample(start + timedelta(seconds=step), energy=5_000.0 - 4 * step, returned=4.0 * step) for step in range(200)])
    (bucket,) = five_minutes().values()
    assert bucket.measured_wh >= -5
    store([sample(start + timedelta(hours=1, seconds=step), energy=5_000.0 - 4 * step) for step in range(200)])
    assert min(one.measured_wh for one in five_minutes().values()) >= -5


def test_a_counter_too_small_for_arithmetic_stops_nothing() -> None:
    start = recent() + timedelta(seconds=295)
    store([sample(start + timedelta(seconds=10 * step), 1e-45, energy=step * 1e-322) for step in range(3)])
    assert total(Hour) == pytest.approx(0.0)


def test_a_rebuild_keeps_energy_of_a_gap_whose_first_counter_is_gone(settings: Settings) -> None:
    now = datetime.now(UTC)
    partitions_maintain(now)
    before = (now - timedelta(days=15)).replace(minute=0, second=0, microsecond=0)
    store([sample(before, energy=0.0), sample(before + timedelta(days=10), energy=2400.0), sample(now, energy=2500.0)])
    settings.TELEMETRY_RETENTION_DAYS = 12
    partitions_maintain(now)
    assert Reading.objects.count() == 2
    rollup_rebuild()
    assert (total(FiveMinutes), total(Hour)) == pytest.approx((2500.0, 2500.0))


def test_a_late_reading_reopens_its_buckets() -> None:
    start = recent()
    store([sample(start, energy=0.0), sample(start + timedelta(hours=1), energy=120.0)])
    store([sample(start + timedelta(minutes=30), energy=120.0)])
    found = list(five_minutes().values())
    assert [bucket.recovered_wh for bucket in found] == pytest.approx([20.0] * 6 + [0.0] * 7)


def test_readings_of_now_do_not_wait_for_late_ones_and_devices_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "LATE_BUDGET_S", 0.0)
    monkeypatch.setattr(rollups, "LATE_HOURS_A_TRANSACTION", 4)
    now, start = datetime.now(UTC), recent(100)
    late = [sample(start + timedelta(minutes=20 * step, seconds=step % 2 * 30), energy=float(step)) for step in range(240)]
    for _again in range(3):
        readings_store((DEVICE, one) for one in late)
    readings_store((8, one) for one in late[-2:])
    readings_store([(9, sample(now - timedelta(seconds=10), energy=5.0)), (9, sample(now, energy=6.5))])
    rollups.rollup()
    assert Hour.objects.get(device_id=9).measured_wh == pytest.approx(1.5)
    assert Hour.objects.filter(device_id=8).exists()
    assert LateSpan.objects.filter(device_id=DEVICE).exists()
    for _run in range(100):
        rollups.rollup()
    assert not LateSpan.objects.exists()
    assert_as_the_plain_loop(late)
    before = all_buckets()
    rollup_rebuild()
    assert all_buckets() == before


def test_two_readings_a_week_apart_touch_two_hours() -> None:
    start = recent(150)
    readings_store((DEVICE, sample(start + timedelta(hours=hours))) for hours in (0, 140))
    assert [span.to_time - span.from_time for span in LateSpan.objects.all()] == [timedelta(0), timedelta(0)]


def test_two_late_spans_of_one_hour_are_summed_together() -> None:
    start = recent()
    for minutes in (0, 30, 0, 30):
        readings_store([(DEVICE, sample(start + timedelta(minutes=minutes, seconds=step))) for step in (0, 10)])
        if minutes:
            rollups.rollup()
    assert Hour.objects.get().samples == 4


def test_an_hour_whose_buckets_have_all_gone_goes_too() -> None:
    start = recent()
    store([sample(start, energy=0.0), sample(start + timedelta(hours=2), energy=240.0)])
    assert Hour.objects.count() == 3
    Reading.objects.filter(time__gt=start).delete()
    rollup_rebuild()
    assert [bucket.start for bucket in Hour.objects.all()] == [*five_minutes()] == [start]
    Reading.objects.all().delete()
    for _again in range(2):
        rollup_rebuild()
        assert not Hour.objects.exists()
        assert not FiveMinutes.objects.exists()


def test_an_open_bucket_is_kept_fresh_by_later_readings() -> None:
    now = datetime.now(UTC)
    store([sample(now - timedelta(seconds=20), energy=10.0), sample(now - timedelta(seconds=10), energy=11.0)])
    assert LateSpan.objects.count() == 0
    assert total(Hour) == pytest.approx(1.0)
    store([sample(now, energy=12.5)])
    assert total(Hour) == pytest.approx(2.5)


def test_a_rollup_leaves_unchanged_buckets_untouched() -> None:
    start = recent()
    store([sample(start, energy=0.0), sample(start + timedelta(minutes=3), energy=5.0)])
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM telemetry_bucket_5m")
        before = cursor.fetchall()
        rollup_rebuild()
        cursor.execute("SELECT xmin::text FROM telemetry_bucket_5m")
        assert cursor.fetchall() == before


def test_buckets_older_than_the_readings_are_kept() -> None:
    now = datetime.now(UTC)
    partitions_maintain(now)
    old = (now - timedelta(days=60)).replace(minute=0, second=0, microsecond=0)
    Hour.objects.create(
        device_id=DEVICE, channel=0, start=old, measured_wh=5, recovered_wh=0, returned_wh=0, covered_s=3600, samples=9, flags=0
    )
    store([sample(recent(), energy=0.0), sample(recent() + timedelta(seconds=9), energy=5.0)])
    rollup_rebuild(start=old - timedelta(days=1))
    assert Hour.objects.filter(start=old).exists()
