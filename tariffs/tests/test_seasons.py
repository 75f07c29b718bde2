from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.constants import Season
from tariffs.seasons import Stretch, season_on, stretches

SUMMER, WINTER = Season.SUMMER, Season.NOT_SUMMER


@pytest.mark.parametrize(
    ("start_month", "summer_months"), [(2, range(2, 8)), (3, range(3, 9)), (4, range(4, 10)), (5, range(5, 11))]
)
def test_summer_is_six_months_from_its_start(start_month: int, summer_months: range) -> None:
    found = [month for month in range(1, 13) if season_on(date(2026, month, 15), start_month) == SUMMER]
    assert found == list(summer_months)


@pytest.mark.parametrize(
    ("start", "end", "months", "expected"),
    [
        # a month with 15 days of May stays out of summer, with 16 it is in it
        ("2026-04-16", "2026-05-16", 1, [WINTER]),
        ("2026-04-17", "2026-05-17", 1, [SUMMER]),
        ("2026-10-17", "2026-11-16", 1, [SUMMER]),
        ("2026-10-18", "2026-11-17", 1, [WINTER]),
        # two months: up to 15 days old, above 45 new, between mixed
        ("2026-03-16", "2026-05-16", 2, [WINTER]),
        ("2026-03-17", "2026-05-17", 2, [WINTER, SUMMER]),
        ("2026-04-15", "2026-06-15", 2, [WINTER, SUMMER]),
        ("2026-04-16", "2026-06-16", 2, [SUMMER]),
        ("2026-12-05", "2027-02-05", 2, [WINTER]),
    ],
)
def test_a_bill_across_the_edge_follows_the_days_in_the_new_season(
    start: str, end: str, months: int, expected: list[Season]
) -> None:
    dates = date.fromisoformat(start), date.fromisoformat(end)
    assert [x.season for x in stretches(*dates, summer_start_month=5, billing_months=months)] == expected


@given(start=st.dates(date(2020, 1, 1), date(2030, 1, 1)), length=st.integers(1, 65), first=st.integers(2, 5))
def test_the_days_of_the_new_season_are_counted_as_a_plain_loop_counts_them(start: date, length: int, first: int) -> None:
    seasons = [season_on(start + timedelta(days=n), first) for n in range(length)]
    new_days = seasons.count(seasons[-1]) if seasons[0] != seasons[-1] else length
    expected = seasons[-1] if new_days > 15 or new_days == length else seasons[0]
    end = start + timedelta(days=length)
    assert stretches(start, end, summer_start_month=first, billing_months=1) == (Stretch(expected, start, end),)
    for part in stretches(start, end, summer_start_month=first, billing_months=2):
        if 15 < new_days <= 45 and new_days < length:
            days = [season_on(part.start + timedelta(days=n), first) for n in range(part.day_count)]
            assert set(days) == {part.season}


def test_a_mixed_bill_is_cut_where_the_season_changes() -> None:
    assert stretches(date(2025, 8, 26), date(2025, 10, 24), summer_start_month=4, billing_months=2) == (
        Stretch(SUMMER, date(2025, 8, 26), date(2025, 10, 1)),
        Stretch(WINTER, date(2025, 10, 1), date(2025, 10, 24)),
    )
