from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.cfe.cycles import Cycle, cycle_containing

days = st.dates(date(1990, 1, 1), date(2120, 12, 31))
billing_days = st.integers(1, 31)


@pytest.mark.parametrize(
    ("day", "billing_day", "start", "end"),
    [
        ("2026-11-23", 1, "2026-11-01", "2026-12-01"),
        ("2026-11-23", 23, "2026-11-23", "2026-12-23"),
        ("2026-11-22", 23, "2026-10-23", "2026-11-23"),
        ("2026-01-05", 12, "2025-12-12", "2026-01-12"),
        # 31 falls on the last day of every month, 29 and 30 only of February
        ("2026-04-30", 31, "2026-04-30", "2026-05-31"),
        ("2026-04-29", 31, "2026-03-31", "2026-04-30"),
        ("2026-02-28", 30, "2026-02-28", "2026-03-30"),
        ("2026-03-29", 30, "2026-02-28", "2026-03-30"),
        ("2028-02-28", 29, "2028-01-29", "2028-02-29"),
        ("2028-02-29", 31, "2028-02-29", "2028-03-31"),
    ],
)
def test_a_cycle_starts_on_the_billing_day_or_on_the_last_of_a_short_month(
    day: str, billing_day: int, start: str, end: str
) -> None:
    cycle = cycle_containing(date.fromisoformat(day), billing_day)
    assert cycle == Cycle(date.fromisoformat(start), date.fromisoformat(end))


def test_a_bimonthly_cycle_keeps_its_own_months() -> None:
    assert cycle_containing(date(2026, 5, 1), 20, 2, first_month=4) == (date(2026, 4, 20), date(2026, 6, 20))
    assert cycle_containing(date(2026, 5, 1), 20, 2, first_month=3) == (date(2026, 3, 20), date(2026, 5, 20))


def test_elapsed_days_start_at_zero_and_end_with_the_cycle() -> None:
    cycle = cycle_containing(date(2026, 11, 23), 12)
    assert [cycle.days_elapsed(cycle.start + timedelta(days=n)) for n in (-3, 0, 1, 11, 30, 90)] == [0, 0, 1, 11, 30, 30]
    assert cycle.last_day == date(2026, 12, 11)


@given(day=days, billing_day=billing_days, months=st.sampled_from([1, 2]), first=st.integers(1, 12))
def test_cycles_tile_the_calendar(day: date, billing_day: int, months: int, first: int) -> None:
    cycle = cycle_containing(day, billing_day, months, first)
    assert cycle.start <= day < cycle.end
    assert cycle_containing(cycle.last_day, billing_day, months, first) == cycle
    assert cycle_containing(cycle.end, billing_day, months, first).start == cycle.end
    assert cycle_containing(cycle.start - timedelta(days=1), billing_day, months, first).end == cycle.start
    assert 28 * months <= cycle.day_count <= 31 * months


@pytest.mark.parametrize("numbers", [(0,), (32,), (1, 3), (1, 2, 13)])
def test_an_impossible_billing_day_is_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no such cycle"):
        cycle_containing(date(2026, 11, 23), *numbers)
