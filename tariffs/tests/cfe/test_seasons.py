from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.cfe.seasons import DAY, SeasonDays, season_on, seasons_of_bill
from tariffs.cfe.tariffs import Season, Summer

SUMMER, WINTER = Season.SUMMER, Season.NOT_SUMMER


@pytest.mark.parametrize(
    ("summer", "summer_months"),
    [
        (Summer(2), range(2, 8)),
        (Summer(3), range(3, 9)),
        (Summer(4), range(4, 10)),
        (Summer(5), range(5, 11)),
        (Summer(4, 7), range(4, 11)),
        (Summer(11, 3), (1, 11, 12)),
    ],
)
def test_summer_is_so_many_months_from_its_start(summer: Summer, summer_months: range) -> None:
    found = [month for month in range(1, 13) if season_on(date(2026, month, 15), summer) == SUMMER]
    assert found == list(summer_months)


@pytest.mark.parametrize(
    ("start", "end", "months", "expected"),
    [
        # a month with 15 days of May stays out of summer, with 16 it is in it; the date of the last reading counts, the first one does not
        ("2026-04-15", "2026-05-15", 1, [WINTER]),
        ("2026-04-16", "2026-05-16", 1, [SUMMER]),
        ("2026-10-16", "2026-11-15", 1, [SUMMER]),
        ("2026-10-17", "2026-11-16", 1, [WINTER]),
        # two months: up to 15 days old, above 45 new, between mixed
        ("2026-03-15", "2026-05-15", 2, [WINTER]),
        ("2026-03-16", "2026-05-16", 2, [WINTER, SUMMER]),
        ("2026-04-14", "2026-06-14", 2, [WINTER, SUMMER]),
        ("2026-04-15", "2026-06-15", 2, [SUMMER]),
        ("2026-12-05", "2027-02-05", 2, [WINTER]),
        # a period that is read on the last day of a season has no day in the next one
        ("2026-04-30", "2026-06-30", 2, [SUMMER]),
        ("2026-02-28", "2026-04-30", 2, [WINTER]),
    ],
)
def test_a_bill_across_the_edge_follows_the_days_in_the_new_season(
    start: str, end: str, months: int, expected: list[Season]
) -> None:
    dates = date.fromisoformat(start), date.fromisoformat(end)
    assert [x.season for x in seasons_of_bill(*dates, summer=Summer(5), billing_months=months)] == expected


@given(
    start=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    length=st.integers(1, 65),
    summer=st.builds(Summer, st.integers(1, 12), st.integers(4, 8)),
)
def test_the_days_of_the_new_season_are_counted_as_a_plain_loop_counts_them(start: date, length: int, summer: Summer) -> None:
    counted = [start + timedelta(days=n) for n in range(1, length + 1)]
    seasons = [season_on(day, summer) for day in counted]
    new_days = seasons.count(seasons[-1]) if seasons[0] != seasons[-1] else length
    expected = seasons[-1] if new_days > 15 or new_days == length else seasons[0]
    end = start + timedelta(days=length)
    assert seasons_of_bill(start, end, summer=summer, billing_months=1) == (SeasonDays(expected, start + DAY, end + DAY),)
    parts = seasons_of_bill(start, end, summer=summer, billing_months=2)
    assert (parts[0].start, parts[-1].end, sum(part.day_count for part in parts)) == (counted[0], counted[-1] + DAY, length)
    if 15 < new_days <= 45 and new_days < length:
        assert {part.season: part.day_count for part in parts} == {seasons[-1]: new_days, seasons[0]: length - new_days}


def test_a_mixed_bill_is_cut_where_the_season_changes() -> None:
    assert seasons_of_bill(date(2025, 8, 26), date(2025, 10, 24), summer=Summer(4), billing_months=2) == (
        SeasonDays(SUMMER, date(2025, 8, 27), date(2025, 10, 1)),
        SeasonDays(WINTER, date(2025, 10, 1), date(2025, 10, 25)),
    )
