import json
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Contract, Home
from tariffs.cfe.bill import Bill, Certainty, Doubt
from tariffs.cfe.cycles import Cycle
from tariffs.cfe.schemes import SchemeTerms, limits_rise
from tariffs.cfe.tariffs import Season, Summer, Tier
from tariffs.models import Scheme, SchemeTier
from tariffs.selectors.cycles import bill_for
from tariffs.selectors.outlook import outlook_of
from tariffs.tests.helpers import book_of

JULY = Cycle(date(2026, 5, 25), date(2026, 7, 25))
LIMITS: dict[Season, dict[Tier, int | None]] = {Season.SUMMER: {Tier.BASIC: 1200, Tier.LOW_MIDDLE: 2500, Tier.EXCESS: None}}


def _terms(**changes: Any) -> SchemeTerms:
    return SchemeTerms("1F", date(2025, 4, 1), None, Summer(4, 7), False, "prensa", LIMITS)._replace(**changes)


def test_a_scheme_s_tiers_join_and_leave_out_those_it_does_not_name() -> None:
    rates = book_of("1F").tiers(Season.SUMMER, date(2026, 6, 1))
    found = [(rate.tier, rate.lower_kwh_month, rate.upper_kwh_month) for rate in _terms().tiers(rates)]
    assert found == [(Tier.BASIC, 0, 1200), (Tier.LOW_MIDDLE, 1200, 2500), (Tier.EXCESS, 2500, None)]
    winter = book_of("1F").tiers(Season.NOT_SUMMER, date(2026, 1, 1))
    assert _terms().tiers(winter) == winter


def test_a_scheme_holds_from_its_start_until_before_its_end() -> None:
    scheme = _terms(end=date(2026, 4, 1))
    days = [date(2025, 3, 31), date(2025, 4, 1), date(2026, 3, 31), date(2026, 4, 1)]
    assert [scheme.holds_on(day) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("limits", "is_good"),
    [
        (LIMITS[Season.SUMMER], True),
        ({Tier.BASIC: None}, True),
        ({Tier.BASIC: 1200, Tier.LOW_MIDDLE: 2500}, False),
        ({Tier.BASIC: 1200, Tier.LOW_MIDDLE: 1200, Tier.EXCESS: None}, False),
        ({Tier.BASIC: None, Tier.EXCESS: None}, False),
        ({Tier.BASIC: 1200, Tier.LOW_MIDDLE: 900, Tier.EXCESS: None}, False),
        ({}, False),
    ],
)
def test_the_limits_of_a_scheme_rise_and_only_the_last_tier_has_no_end(limits: dict[Tier, int | None], is_good: bool) -> None:
    assert limits_rise(limits) == is_good


@pytest.fixture
def sonora(home: Home, prices: None) -> Contract:
    contract = home.contract_on(home.today)
    contract.tariff, contract.state, contract.billing_months, contract.last_reading = "1F", "SON", 2, date(2026, 7, 25)
    contract.save()
    return contract


def _bill(contract: Contract, kwh: int = 4000, cycle: Cycle = JULY) -> Bill:
    return bill_for(contract, cycle, kwh)


def test_a_home_of_the_state_is_billed_by_its_scheme_as_an_estimate(sonora: Contract) -> None:
    bill = _bill(sonora)
    assert [(line.tier, line.kwh) for line in bill.lines] == [(Tier.BASIC, 2400), (Tier.LOW_MIDDLE, 1600)]
    assert 3600 < bill.energy_subtotal < 3800
    assert (bill.certainty, bill.doubts[0]) == (Certainty.ESTIMATE, Doubt.STATE_SCHEME)
    elsewhere = _bill(Contract(tariff="1F", billing_months=2, last_reading=JULY.end, state="SIN"))
    assert 6300 < elsewhere.energy_subtotal < 6500
    assert elsewhere.certainty == Certainty.EXACT


def test_summer_begins_and_ends_when_the_scheme_says_whatever_the_contract_does(sonora: Contract) -> None:
    spring, autumn, winter = (
        _bill(sonora, cycle=Cycle(date(2026, *start), date(2026, *end)))
        for start, end in (((3, 31), (5, 31)), ((8, 31), (10, 31)), ((1, 5), (3, 5)))
    )
    assert [bill.season for bill in (spring, autumn, winter)] == [Season.SUMMER, Season.SUMMER, Season.NOT_SUMMER]
    assert Doubt.STATE_SCHEME not in winter.doubts  # nothing of it is another
    assert Doubt.STATE_SCHEME in spring.doubts


def test_a_scheme_counts_only_within_its_dates_and_tariff_and_is_exact_once_confirmed(sonora: Contract) -> None:
    before = Cycle(date(2024, 5, 25), date(2024, 7, 25))
    assert Doubt.STATE_SCHEME not in _bill(sonora, cycle=before).doubts
    Scheme.objects.update(is_confirmed=True)
    assert _bill(sonora).certainty == Certainty.EXACT
    Scheme.objects.update(end=date(2026, 7, 25))
    assert _bill(sonora).energy_subtotal > 6300
    sonora.tariff = "1E"
    assert _bill(sonora).lines[0].kwh == 600


def test_the_outlook_stands_in_the_scheme_s_tiers_and_dac_keeps_its_limit(sonora: Contract) -> None:
    outlook = outlook_of(sonora.home, datetime(2026, 7, 10, 12, tzinfo=UTC))
    assert outlook.now.position.kwh_left == 2400
    assert outlook.dac is None or outlook.dac.projection.limit_kwh_month == 2500


def test_a_state_costs_one_query_more(sonora: Contract, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(2):
        _bill(sonora)
    sonora.state = ""
    with django_assert_num_queries(1):
        _bill(sonora)


def test_the_command_takes_the_state_by_any_of_its_names(prices: None) -> None:
    def bill(*more: str) -> dict[str, Any]:
        output = StringIO()
        period = ["--from", "2026-05-25", "--to", "2026-07-25", "--billing-months", "2"]
        call_command("cfe_bill", "--tariff", "1F", "--kwh", "4000", *period, *more, "--json", stdout=output)
        return dict(json.loads(output.getvalue()))

    assert 3600 < bill("--state", "SON")["energy_subtotal"] < 3800
    assert bill("--state", "sonora") == bill("--state", "Son.") == bill("--state", "SON")
    assert bill()["energy_subtotal"] > 6300
    assert "fuentes secundarias" in bill("--state", "SON")["reasons"][0]


def test_a_price_month_with_a_state_has_the_scheme_s_tiers(prices: None) -> None:
    output = StringIO()
    month = ["--price-month", "2026-07", "--season", "verano", "--state", "SON"]
    call_command("cfe_bill", "--tariff", "1F", "--kwh", "1300", *month, "--json", stdout=output)
    assert [line["kwh"] for line in json.loads(output.getvalue())["lines"]] == [1200, 100]


def test_the_price_list_has_the_tiers_of_a_state(anonymous_api: APIClient, prices: None) -> None:
    def summer(**query: str) -> dict[str, Any]:
        tariffs = anonymous_api.get("/api/v1/tariffs", {"date": "2026-07-10", "tariff": "1f", **query}).json()["tariffs"]
        return next(dict(tariff) for tariff in tariffs if tariff["season"] == "verano")

    there = summer(state="Sonora")
    assert [tier["upper_kwh_month"] for tier in there["tiers"]] == [1200, 2500, None]
    assert (there["scheme"]["summer_start_month"], there["scheme"]["summer_months"]) == (4, 7)
    assert there["scheme"]["is_confirmed"] is False
    assert summer()["scheme"] is summer(state="SIN")["scheme"] is None
    assert [tier["upper_kwh_month"] for tier in summer()["tiers"]] == [300, 1200, 2500, None]
    answer = anonymous_api.get("/api/v1/tariffs", {"state": "Arizona"})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "state"])


def test_loading_the_prices_brings_the_schemes_and_leaves_those_that_staff_changed(db: None) -> None:
    call_command("load_cfe_prices", stdout=StringIO())
    scheme = Scheme.objects.get(state="SON")
    assert (scheme.tariff, scheme.is_confirmed, scheme.tiers.count()) == ("1F", False, 3)
    Scheme.objects.update(is_confirmed=True)
    scheme.tiers.get(tier="excedente").delete()
    call_command("load_cfe_prices", stdout=StringIO())
    scheme.refresh_from_db()
    assert (scheme.is_confirmed, SchemeTier.objects.count()) == (True, 2)


def _posted(*tiers: tuple[str, str], **changes: str) -> dict[str, str]:
    form = {"state": "SIN", "tariff": "1F", "start": "2026-04-01", "summer_start_month": "4", "summer_months": "7"}
    form |= {"source": "Periódico Oficial", "tiers-TOTAL_FORMS": str(len(tiers)), "tiers-INITIAL_FORMS": "0"} | changes
    for number, (tier, upper) in enumerate(tiers):
        row = {"season": "verano", "tier": tier, "upper_kwh_month": upper}
        form |= {f"tiers-{number}-{name}": value for name, value in row.items()}
    return form


def test_staff_write_a_scheme_whose_tiers_leave_no_gap(staff: Client, prices: None) -> None:
    page, good = reverse("admin:tariffs_scheme_add"), [("basico", "900"), ("intermedio_bajo", "2000"), ("excedente", "")]
    assert staff.get(page).status_code == 200
    for bad in (good[:2], [("basico", "900"), ("intermedio_bajo", "800"), ("excedente", "")], [("intermedio", "9"), good[2]]):
        assert staff.post(page, _posted(*bad)).status_code == 200
    overlap = staff.post(page, _posted(*good, state="SON"))
    assert "Otro esquema del estado y la tarifa" in overlap.content.decode()
    assert staff.post(page, _posted(*good)).status_code == 302
    assert _bill(Contract(tariff="1F", billing_months=2, state="SIN"), 1801).lines[1].kwh == 1
