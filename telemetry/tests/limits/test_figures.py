"""What limits are held against: the SQL beside a plain loop."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from telemetry.columns import Flag
from telemetry.limits.figures import EnergyQuestion, PowerQuestion, Stretch, Use, current_stretches, every_stretch, uses
from telemetry.models import FiveMinutes
from telemetry.rollup.run import rollup
from telemetry.services import readings_store
from telemetry.shelly.component_kinds import Kind
from telemetry.shelly.samples import Sample
from telemetry.tests.past import forget

pytestmark = pytest.mark.django_db
DATABASE = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DEVICE, CHANNEL, LIMIT_W = 7, 1, 100.0
POWERS = st.sampled_from([0.0, 100.0, 100.5, 250.0])
Step = tuple[int, float]


def some_hours_ago() -> datetime:
    return timezone.now().replace(microsecond=0) - timedelta(hours=8)


def readings(steps: Sequence[Step]) -> list[tuple[datetime, float]]:
    """Return times and powers: each step is the seconds since the reading before, and the power."""
    start = some_hours_ago()
    seconds = accumulate(after_s for after_s, _power in steps)
    return [(start + timedelta(seconds=at), power) for at, (_after_s, power) in zip(seconds, steps, strict=True)]


def stored(measured: Sequence[tuple[datetime, float]], *, counted: bool = True) -> None:
    """Store readings of a channel, which has a counter or none."""
    forget()
    readings_store((DEVICE, Sample(CHANNEL, time, power, 127.0, 1.0, None, None, Kind.SWITCH)) for time, power in measured)
    readings_store([(DEVICE, Sample(0, some_hours_ago(), 5_000.0, 127.0, 1.0, None, None))])  # another channel
    if counted:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE telemetry_series SET counter_first = now(), counter_last = now()")


def plain(measured: Sequence[tuple[datetime, float]], lasting: timedelta, gap: timedelta) -> list[Stretch]:
    found: list[Stretch] = []
    powers: list[float] = []
    is_armed, since, until, is_open = True, None, None, False
    for time, power in measured:
        if power <= LIMIT_W:
            is_armed, since, is_open = True, None, False
            continue
        if since is None or time - until > gap:
            since, powers, is_open = time, [], False
        until = time
        powers.append(power)
        if is_open:
            found[-1] = found[-1]._replace(until=time)
        elif is_armed and time - since >= lasting:
            found.append(Stretch(since, time, time, sum(powers) / len(powers), False))
            is_armed, is_open = False, True
    return [one._replace(is_newest=one.until == measured[-1][0]) for one in found]


@DATABASE
@given(
    steps=st.lists(st.tuples(st.sampled_from([1, 5, 20, 59, 60, 61, 89, 90, 91, 300]), POWERS), min_size=1, max_size=40),
    minutes=st.integers(1, 4),
    counted=st.booleans(),
)
@example(steps=[(1, 250.0), *[(60, 250.0)] * 3, (91, 250.0), *[(60, 250.0)] * 4], minutes=2, counted=True)
def test_stretches_are_those_of_a_plain_loop(steps: list[Step], minutes: int, counted: bool) -> None:
    measured, lasting = readings(steps), timedelta(minutes=minutes)
    stored(measured, counted=counted)
    question = PowerQuestion(DEVICE, CHANNEL, LIMIT_W, lasting, measured[0][0] - timedelta(seconds=1))
    found = every_stretch(question, timezone.now())
    expected = plain(measured, lasting, timedelta(seconds=90 if counted else 60))
    assert [one._replace(mean_w=pytest.approx(one.mean_w)) for one in expected] == found


@DATABASE
@given(
    steps=st.lists(st.tuples(st.sampled_from([5, 20, 60, 91]), POWERS), min_size=1, max_size=40),
    late_s=st.sampled_from([0, 90, 91]),
    passed_s=st.none() | st.integers(0, 600),
)
def test_a_stretch_that_lasts_is_the_plain_loop_s_last_one(steps: list[Step], late_s: int, passed_s: int | None) -> None:
    measured, lasting = readings(steps), timedelta(minutes=2)
    stored(measured)
    rollup()
    now = measured[-1][0] + timedelta(seconds=late_s)
    passed_at = None if passed_s is None else now - timedelta(seconds=passed_s)
    question = PowerQuestion(DEVICE, CHANNEL, LIMIT_W, lasting, now - lasting - timedelta(seconds=180), passed_at)
    last: list[datetime] = []
    for time, power in measured:
        goes_on = bool(last) and time - last[-1] <= timedelta(seconds=90)
        last = ([*last, time] if goes_on else [time]) if power > LIMIT_W else []
    known = [time for time in last if time > question.start]
    is_long = bool(known) and known[-1] - known[0] >= lasting
    is_armed = passed_at is None or any(time > passed_at and power <= LIMIT_W for time, power in measured)
    found = current_stretches([question], now)
    assert (0 in found) is (is_long and is_armed and late_s <= 90)
    if found:
        assert (found[0].since, found[0].until) == (known[0], known[-1])


def test_a_channel_that_another_kind_of_component_measures_is_one_circuit() -> None:
    measured = readings([(10, 250.0)] * 20)
    stored(measured[:10])
    readings_store((DEVICE, Sample(CHANNEL, time, power, 127.0, 1.0, None, None, Kind.COVER)) for time, power in measured[10:])
    question = PowerQuestion(DEVICE, CHANNEL, LIMIT_W, timedelta(minutes=3), measured[0][0] - timedelta(seconds=1))
    [found] = every_stretch(question, timezone.now())
    assert (found.since, found.until) == (measured[0][0], measured[-1][0])


def test_many_questions_are_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    measured = readings([(10, 250.0)] * 60)
    stored(measured)
    now = measured[-1][0]
    asked = [
        PowerQuestion(DEVICE, channel, watts, timedelta(minutes=5), now - timedelta(minutes=8))
        for channel in (0, 1)
        for watts in (90.0, 300.0)
    ]
    with django_assert_num_queries(1):
        assert list(current_stretches(asked, now)) == [2]
    with django_assert_num_queries(0):
        assert current_stretches([], now) == {}
        assert uses([]) == []


WH = st.sampled_from([-0.5, 0.0, 3.25, 10.0])


@DATABASE
@given(
    rows=st.dictionaries(st.integers(0, 30), st.tuples(WH, WH, st.sampled_from([0.0, 120.0, 300.0]), st.booleans()), max_size=20),
    limit_wh=st.sampled_from([5.0, 20.0, 100.0]),
)
def test_what_was_used_is_the_sum_of_what_is_known(rows: dict[int, tuple[float, float, float, bool]], limit_wh: float) -> None:
    FiveMinutes.objects.all().delete()
    start = (datetime.now(UTC) - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    width = timedelta(minutes=5)
    FiveMinutes.objects.bulk_create(
        FiveMinutes(
            device_id=DEVICE,
            channel=CHANNEL,
            start=start + place * width,
            measured_wh=measured,
            recovered_wh=recovered,
            returned_wh=0,
            covered_s=covered,
            samples=1,
            flags=Flag.RECOVERED if flagged else 0,
        )
        for place, (measured, recovered, covered, flagged) in rows.items()
    )
    expected, total = Use(), 0.0
    for place, (measured, recovered, covered, flagged) in sorted(rows.items()):
        if place < 24:
            total += measured + recovered
            known = 300.0 if flagged or recovered else covered
            expected = expected._replace(wh=total, known_s=expected.known_s + known, covered_s=expected.covered_s + covered)
            if total >= limit_wh and expected.passed_at is None:
                expected = expected._replace(passed_at=start + (place + 1) * width, passed_wh=total)
    asked = [
        EnergyQuestion(DEVICE, CHANNEL, start, start + 24 * width, limit_wh),
        EnergyQuestion(DEVICE, 5, start, start + width, limit_wh),
    ]
    assert uses(asked) == [expected, Use()]
