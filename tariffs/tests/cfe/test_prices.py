from datetime import date

import pytest

from tariffs.cfe.prices import NoPrices, PriceBook
from tariffs.cfe.tariffs import Season, Tier
from tariffs.tests.helpers import book_of


def test_tiers_come_in_the_order_they_are_used_up() -> None:
    tiers = book_of("1F").tiers(Season.SUMMER, date(2026, 7, 1))
    assert [rate.tier for rate in tiers] == [Tier.BASIC, Tier.LOW_MIDDLE, Tier.HIGH_MIDDLE, Tier.EXCESS]
    assert [rate.upper_kwh_month for rate in tiers] == [300, 1200, 2500, None]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (date(2026, 7, 1), date(2026, 7, 1)),
        (date(2026, 11, 1), date(2026, 10, 1)),  # summer prices end in October
        (date(2030, 1, 1), date(2026, 10, 1)),
        (date(2019, 1, 1), date(2024, 2, 1)),
    ],
)
def test_an_unknown_month_is_served_by_the_last_before_it_or_by_the_earliest(wanted: date, found: date) -> None:
    assert book_of("1B").known_month(Season.SUMMER, wanted) == found


def test_a_month_of_dac_without_its_fixed_charge_is_unknown() -> None:
    assert book_of("DAC", "central").known_month(Season.ALL_YEAR, date(2024, 1, 1)) == date(2025, 7, 1)
    assert book_of("DAC", "central").known_month(Season.ALL_YEAR, date(2025, 12, 1)) == date(2025, 7, 1)


def test_only_tariff_1_and_most_dac_regions_have_no_seasons() -> None:
    assert not book_of("1").has_seasons
    assert not book_of("DAC", "noroeste").has_seasons
    assert book_of("DAC", "baja_california").has_seasons
    assert book_of("1C").has_seasons


def test_an_empty_book_says_so() -> None:
    with pytest.raises(NoPrices):
        PriceBook([]).known_month(Season.SUMMER, date(2026, 7, 1))
