from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tariffs.models import Price

pytestmark = pytest.mark.django_db
GOOD: dict[str, Any] = {
    "tariff": "1B",
    "season": "verano",
    "tier": "basico",
    "month": date(2026, 5, 1),
    "price_mxn_per_kwh": Decimal("1.004"),
    "upper_kwh_month": 125,
    "provenance": "published",
}
MIDDLE = {"tier": "intermedio", "lower_kwh_month": 125, "upper_kwh_month": 225}
DAC = {"tariff": "DAC", "season": "todo_el_ano", "tier": "energia", "region": "central", "upper_kwh_month": None}


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({}, "tariffs_price_unique"),
        ({"month": date(2026, 5, 2)}, "tariffs_price_first_of_month"),
        ({"price_mxn_per_kwh": Decimal(0)}, "tariffs_price_positive"),
        ({"upper_kwh_month": 0}, "tariffs_price_limits"),
        ({"season": "otoño"}, "tariffs_price_words"),
        ({"tier": "medio"}, "tariffs_price_words"),
        ({"provenance": "invented"}, "tariffs_price_words"),
        ({"region": "central"}, "tariffs_price_dac"),
        ({"fixed_charge_mxn_month": Decimal(1)}, "tariffs_price_dac"),
        ({"tier": "energia"}, "tariffs_price_dac"),
        ({**DAC, "region": "nacional"}, "tariffs_price_dac"),
        ({**DAC, "fixed_charge_mxn_month": Decimal(-1)}, "tariffs_price_fixed_charge"),
        ({**MIDDLE, "lower_kwh_month": 124}, "tariffs_price_no_overlap"),
        ({**MIDDLE, "lower_kwh_month": 0, "upper_kwh_month": None}, "tariffs_price_no_overlap"),
        ({**MIDDLE, "lower_kwh_month": 300}, "tariffs_price_limits"),
    ],
)
def test_the_database_refuses_a_price_that_can_t_be(fields: dict[str, Any], constraint: str) -> None:
    Price.objects.create(**GOOD)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Price.objects.create(**GOOD | fields)


def test_the_form_says_in_spanish_what_the_database_would_refuse() -> None:
    with pytest.raises(ValidationError, match="El mes se escribe con su primer día"):
        Price(**GOOD | {"month": date(2026, 5, 2)}).full_clean()


def test_a_dac_price_has_a_region_and_a_fixed_charge() -> None:
    price = Price.objects.create(**GOOD | DAC | {"fixed_charge_mxn_month": Decimal("145.24")})
    assert str(price) == "DAC todo el año Energía 2026-05"


@pytest.mark.parametrize(
    "fields",
    [
        MIDDLE,
        {**MIDDLE, "upper_kwh_month": None},
        {**MIDDLE, "lower_kwh_month": 0, "tariff": "1A"},
        {**MIDDLE, "lower_kwh_month": 0, "season": "fuera_verano"},
        {**MIDDLE, "lower_kwh_month": 0, "month": date(2026, 6, 1)},
    ],
)
def test_tiers_that_share_no_kwh_of_a_month_stand_side_by_side(fields: dict[str, Any]) -> None:
    Price.objects.create(**GOOD)
    Price(**GOOD | fields).full_clean()
    Price.objects.create(**GOOD | fields)


def test_prices_of_two_regions_stand_side_by_side() -> None:
    Price.objects.create(**GOOD | DAC)
    Price.objects.create(**GOOD | DAC | {"region": "noroeste"})


def test_the_limit_between_two_tiers_moves_in_one_statement() -> None:
    basic, middle = Price.objects.create(**GOOD), Price.objects.create(**GOOD | MIDDLE)
    basic.upper_kwh_month = middle.lower_kwh_month = 150
    Price.objects.bulk_update([basic, middle], ["lower_kwh_month", "upper_kwh_month"])
    assert set(Price.objects.values_list("lower_kwh_month", "upper_kwh_month")) == {(0, 150), (150, 225)}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"lower_kwh_month": 100}, "Los kWh se traslapan con los de otro escalón"),
        ({"lower_kwh_month": 300}, "El límite superior debe ser mayor que el inferior"),
    ],
)
def test_limits_that_can_t_be_are_explained(fields: dict[str, Any], sentence: str) -> None:
    Price.objects.create(**GOOD)
    with pytest.raises(ValidationError, match=sentence):
        Price(**GOOD | MIDDLE | fields).full_clean()
