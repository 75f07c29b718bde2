from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounts.exceptions import NoContract
from accounts.models import Contract, Home, User
from accounts.services import contract_change
from devices.models import Device
from devices.selectors import roles_of
from tariffs.cfe.cycles import Cycle, cycle_containing
from tariffs.models import PaperBill
from tariffs.outlook.past_periods import Source, periods_before
from tariffs.selectors.cycles import cycle_bounds
from tariffs.selectors.outlook import past_periods
from tariffs.tests.homes import used_evenly, used_hourly

UNTIL = date(2026, 6, 20)
DAY = timedelta(days=1)
# The ends of seven bimonthly bills in a row, as real ones fall.
READINGS = [date(2025, 4, 24), date(2025, 6, 26), date(2025, 8, 26), date(2025, 10, 24), date(2025, 12, 26), date(2026, 2, 24)]
READINGS += [date(2026, 4, 18), UNTIL]
PAPERS = [Cycle(*pair) for pair in pairwise(READINGS)]
LAST = Cycle(date(2026, 4, 20), UNTIL)  # where there is no paper
bimonthly = partial(cycle_containing, billing_day=20, billing_months=2, first_month=6)


def _papers(gaps: Sequence[tuple[int, int]]) -> list[Cycle]:
    """Lay papers out backwards from a date: days without one, and the days of one."""
    papers, end = [], UNTIL
    for gap, days in gaps:
        papers.append(Cycle(end - (gap + days) * DAY, end - gap * DAY))
        end = papers[-1].start
    return papers


@given(
    st.lists(st.tuples(st.integers(0, 130), st.integers(1, 100)), max_size=14),
    st.integers(1, 31),
    st.sampled_from([1, 2]),
    st.integers(1, 12),
)
def test_periods_come_one_after_the_other_and_hold_every_paper_of_the_year(
    gaps: list[tuple[int, int]], day: int, months: int, first: int
) -> None:
    papers = _papers(gaps)
    periods = list(
        periods_before(UNTIL, papers, partial(cycle_containing, billing_day=day, billing_months=months, first_month=first))
    )
    assert all(0 <= (later.start - earlier.end).days <= 31 for later, earlier in pairwise(periods))
    assert all(period.day_count > 0 for period in periods)
    assert periods[0].end <= UNTIL
    assert {paper for paper in papers if paper.start >= UNTIL - 365 * DAY} <= set(periods)
    assert timedelta(265) < periods[0].end - periods[-1].start < timedelta(425)


@pytest.mark.parametrize(("months", "count"), [(1, 12), (2, 6)])
@pytest.mark.parametrize("days_later", [0, 25])
def test_a_year_without_paper_has_twelve_months(months: int, count: int, days_later: int) -> None:
    until = UNTIL + days_later * DAY
    cycles = list(periods_before(until, [], partial(cycle_containing, billing_day=20, billing_months=months, first_month=6)))
    assert (cycles[0].end, cycles[-1].start, len(cycles)) == (UNTIL, date(2025, 6, 20), count)


def test_a_cycle_that_still_runs_is_none() -> None:
    assert next(periods_before(UNTIL - DAY, [], bimonthly)) == (date(2026, 2, 20), date(2026, 4, 20))


def test_a_year_on_paper_is_six_bills() -> None:
    assert list(periods_before(UNTIL, PAPERS, bimonthly)) == PAPERS[:0:-1]


def test_a_cycle_between_papers_reaches_from_one_to_the_other() -> None:
    assert list(periods_before(UNTIL, [*PAPERS[:4], *PAPERS[5:]], bimonthly)) == PAPERS[:0:-1]


def test_a_cycle_before_a_paper_ends_where_that_starts() -> None:
    assert list(periods_before(UNTIL, PAPERS[-1:], bimonthly))[:3] == [
        PAPERS[-1],
        (date(2026, 2, 20), date(2026, 4, 18)),
        (date(2025, 12, 20), date(2026, 2, 20)),
    ]


@pytest.fixture
def playa(home: Home) -> Home:
    Contract.objects.filter(home=home).update(billing_day=20, billing_months=2, last_reading=UNTIL)
    home.refresh_from_db()
    return home


def _bill(home: Home, period: Cycle, kwh: int) -> None:
    PaperBill.objects.create(home=home, start=period.start, end=period.end, kwh=kwh, total_mxn=Decimal(1))


def _measure(home: Home, meter: Device, period: Cycle, kwh: float, known: float = 1.0) -> None:
    start, end = cycle_bounds(home, period)
    used_evenly(meter, start, int((end - start).total_seconds()) // 3600, kwh, covered_s=known * 3600)


@pytest.mark.django_db
def test_paper_counts_before_what_was_measured_and_that_where_half_of_it_is_known(playa: Home, meter: Device) -> None:
    _bill(playa, PAPERS[-1], 328)
    _bill(playa, PAPERS[-3], 14)
    _measure(playa, meter, PAPERS[-1], 300)
    _measure(playa, meter, PAPERS[-2], 80.4, known=0.996)
    older = [Cycle(date(2025, 10, 20), PAPERS[-3].start), Cycle(date(2025, 8, 20), date(2025, 10, 20))]
    _measure(playa, meter, older[0], 677, known=0.45)
    _measure(playa, meter, older[1], 590.5)
    assert [(use[:2], use.kwh.expected, use.source) for use in past_periods(playa, roles_of(playa), UNTIL)] == [
        (PAPERS[-1], 328, Source.PAPER),
        (PAPERS[-2], 80, Source.MEASURED),
        (PAPERS[-3], 14, Source.PAPER),
        (older[1], 591, Source.MEASURED),
    ]


def _uneven(hour: datetime) -> float:
    """Return about 12 kWh a day, by 2 more or less."""
    return 583.3 if hour.toordinal() // 3 % 2 else 416.7


@pytest.mark.django_db
@pytest.mark.parametrize("known", [0.9, 0.95, 0.6])
def test_what_is_missing_of_a_closed_cycle_is_estimated_with_its_interval(playa: Home, meter: Device, known: float) -> None:
    start, end = cycle_bounds(playa, LAST)
    lost = (end - start) * (1 - known)
    used_hourly(meter, start - 59 * DAY, start + 10 * DAY, _uneven)
    used_hourly(meter, start + 10 * DAY + timedelta(hours=lost // timedelta(hours=1)), end, _uneven)
    use = past_periods(playa, roles_of(playa), UNTIL)[0]
    assert use.source == Source.ESTIMATED
    assert use.known_share == pytest.approx(known, abs=0.002)
    assert use.kwh.expected == pytest.approx(61 * 12, rel=0.02)
    assert use.kwh.low < 61 * 12 < use.kwh.high < 61 * 12 * 1.1


@pytest.mark.django_db
def test_hours_of_a_closed_cycle_that_are_seen_in_part_count_as_whole_ones(playa: Home, meter: Device) -> None:
    _measure(playa, meter, LAST, 920, known=0.92)
    use = past_periods(playa, roles_of(playa), UNTIL)[0]
    assert use.source == Source.ESTIMATED
    assert use.kwh.expected == pytest.approx(1000, rel=0.01)


@pytest.mark.django_db
def test_a_bill_that_ends_later_is_of_another_year(playa: Home) -> None:
    _bill(playa, PAPERS[-1], 328)
    assert past_periods(playa, roles_of(playa), UNTIL - DAY) == []
    assert [use.kwh.expected for use in past_periods(playa, roles_of(playa), UNTIL)] == [328]
    assert past_periods(playa, roles_of(playa), UNTIL + 400 * DAY) == []


@pytest.mark.django_db
def test_another_home_s_bills_and_meters_say_nothing(playa: Home, meter: Device, stranger: User) -> None:
    other = stranger.home
    _bill(other, PAPERS[-1], 328)
    _measure(other, Device.objects.create(home=other, hardware_id="b8032412c3d4", name="Sala"), PAPERS[-2], 80)
    assert past_periods(playa, roles_of(playa), UNTIL) == []


@pytest.mark.django_db
def test_a_year_takes_a_constant_number_of_queries(
    playa: Home, meter: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for index, period in enumerate(PAPERS):
        if index % 2:
            _bill(playa, period, 100)
        else:
            _measure(playa, meter, period, 100)
    with django_assert_num_queries(4):  # bills, contract, meters, hours
        assert len(past_periods(playa, roles_of(playa), UNTIL)) == 6


@pytest.mark.django_db
def test_a_change_of_the_bills_length_forgets_no_month(home: Home, meter: Device) -> None:
    start = datetime(2025, 6, 1, 6, tzinfo=UTC)
    used_hourly(meter, start, datetime(2026, 7, 1, 6, tzinfo=UTC), lambda _hour: 500.0)
    contract_change(home=home, valid_from=date(2026, 5, 1), billing_months=2, last_reading=date(2026, 5, 1))
    uses = past_periods(home, roles_of(home), date(2026, 7, 1))
    assert (uses[0].start, uses[0].day_count, len(uses)) == (date(2026, 5, 1), 61, 11)
    assert (sum(use.day_count for use in uses), sum(use.kwh.expected for use in uses)) == (365, 365 * 12)
    contract_change(home=home, valid_from=date(2026, 7, 1), billing_months=1)
    assert past_periods(home, roles_of(home), date(2026, 7, 1)) == uses


@pytest.mark.django_db
def test_without_a_contract_there_are_no_cycles(home: Home) -> None:
    Contract.objects.all().delete()
    with pytest.raises(NoContract):
        past_periods(Home.objects.get(pk=home.pk), [], UNTIL)
