import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import Contract, Home
from accounts.services import contract_change
from conftest import client_of
from devices.models import Device
from tariffs.cfe.bill import kwh_to_bill
from tariffs.cfe.cycles import Cycle
from tariffs.models import PaperBill
from tariffs.outlook.what_if import DeviceHours, WhatIf
from tariffs.selectors.cycles import bill_for
from tariffs.selectors.outlook import outlook_of
from tariffs.selectors.what_if import compare
from tariffs.tests.homes import used_hourly
from telemetry.history.window import hour_of

URL = "/api/v1/tariffs/what-if"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("prices")]
NOW = datetime(2026, 6, 11, 18, 30, tzinfo=UTC)  # noon in Mexico City, ten days into a cycle of June
DAY = timedelta(days=1)
NOTHING = WhatIf({})


@pytest.fixture
def boiler(home: Home, meter: Device) -> Device:
    """A meter that has used 1 kWh in each hour of the night, 22 to 6, and 100 W by day, for five weeks; tariff 1B from April."""
    contract_change(home=home, valid_from=date(2026, 1, 1), tariff="1B", summer_start_month=4)

    def wh(hour: datetime) -> float:
        local = (hour.hour - 6) % 24
        return 1000.0 if local >= 22 or local < 6 else 100.0

    used_hourly(meter, hour_of(NOW) - 35 * DAY, hour_of(NOW), wh)
    return meter


def test_without_a_change_both_sides_are_the_cycle_as_it_will_be(home: Home, boiler: Device) -> None:
    found = compare(home, NOW, NOTHING)
    assert found.base == found.other
    assert found.base.bill.kwh == pytest.approx(30 * (8 + 1.6), rel=0.02)
    assert found.saved_kwh is None


def test_another_tariff_is_billed_by_its_own_prices(home: Home, boiler: Device) -> None:
    found = compare(home, NOW, WhatIf({"tariff": "1C"}), base_kwh=288)
    assert (found.base.bill.kwh, found.other.bill.kwh, found.other.tariff) == (288, 288, "1C")
    assert found.other.bill.grand_total < found.base.bill.grand_total
    assert Contract.objects.filter(tariff="1C").count() == 0


def test_another_season_s_start_changes_the_season(home: Home, boiler: Device) -> None:
    found = compare(home, datetime(2026, 4, 20, tzinfo=UTC), WhatIf({"summer_start_month": 5}), base_kwh=300)
    assert (found.base.bill.season, found.other.bill.season) == ("verano", "fuera_verano")


def test_bimonthly_billing_has_the_same_use_a_day_and_is_compared_over_a_year(home: Home, boiler: Device) -> None:
    found = compare(home, NOW, WhatIf({"billing_months": 2}), base_kwh=300)
    assert (found.other.cycle.start, found.other.cycle.end) == (date(2026, 6, 1), date(2026, 8, 1))
    assert found.other.bill.kwh == 300 * 61 // 30
    assert found.base.year_mxn is not None
    assert found.other.year_mxn is not None
    assert found.other.mxn_per_month == found.other.year_mxn / 12
    # A month of June against a bimester with July would be no comparison; over a year the tiers are the same but for the seasons' edges.
    assert abs(found.other.year_mxn - found.base.year_mxn) < found.base.year_mxn / 20
    assert compare(home, NOW, WhatIf({"billing_months": 2}, kwh=500), base_kwh=300).other.bill.kwh == 500
    assert compare(home, NOW, NOTHING, base_kwh=300).base.year_mxn is None


def test_a_year_is_billed_by_what_the_home_used_in_each_of_its_cycles(home: Home, boiler: Device) -> None:
    def year(**past: int) -> Decimal:
        home.paper_bills.all().delete()
        for month, kwh in past.items():
            start = date(2026, int(month[1:]), 1)
            end = start.replace(month=start.month + 1)
            PaperBill.objects.create(home=home, start=start, end=end, kwh=kwh, total_mxn=kwh)
        found = compare(home, NOW, WhatIf({"billing_months": 2}), base_kwh=300).base.year_mxn
        assert found is not None
        return found

    contract, (february, march) = (
        home.contract_on(date(2026, 6, 1)),
        (Cycle(date(2026, n, 1), date(2026, n + 1, 1)) for n in (2, 3)),
    )
    saved = sum(bill_for(contract, cycle, 300 * cycle.day_count // 30).grand_total for cycle in (february, march))
    spent = sum(bill_for(contract, cycle, kwh).grand_total for cycle, kwh in ((february, 0), (march, 900)))
    assert abs(year(m2=0, m3=900) - year() - (spent - saved)) < 10


def test_a_budget_changes_the_whole_year_of_the_other_side(home: Home, boiler: Device) -> None:
    all_of_it = compare(home, NOW, WhatIf({"billing_months": 2}, kwh=610), base_kwh=300).other.year_mxn
    half = compare(home, NOW, WhatIf({"billing_months": 2}, kwh=305), base_kwh=300).other.year_mxn
    assert all_of_it is not None
    assert half is not None
    assert half < all_of_it / 2


def test_cutting_a_device_s_hours_saves_what_it_would_use_in_them_until_the_cycle_ends(home: Home, boiler: Device) -> None:
    night = DeviceHours(boiler.pk, None, 22, 6, Decimal("0.5"))
    found = compare(home, NOW, WhatIf({}, device=night))
    hours = 20 * 2 + 19 * 6  # of the nights after noon of 11 June
    assert found.saved_kwh == pytest.approx(hours * 0.5, rel=0.01)
    assert found.base.bill.kwh - found.other.bill.kwh == pytest.approx(hours * 0.5, abs=1.5)
    by_day = compare(home, NOW, WhatIf({}, device=night._replace(start_hour=6, end_hour=22, cut=Decimal(1))))
    assert by_day.saved_kwh == pytest.approx((10 + 19 * 16) * 0.1, rel=0.01)


def test_what_has_been_used_stays_used_whatever_is_cut(home: Home, boiler: Device) -> None:
    found = compare(home, NOW, WhatIf({}, device=DeviceHours(boiler.pk, None, 0, 0, Decimal(1))))
    used = 10 * 9.6 + 6 + 0.6  # ten days, the night of the eleventh and its morning
    assert found.other.bill.kwh == pytest.approx(used, abs=1.5)
    late = compare(
        home, datetime(2026, 7, 1, 5, 10, tzinfo=UTC), WhatIf({}, device=DeviceHours(boiler.pk, None, 0, 0, Decimal(1)))
    )
    assert late.saved_kwh == pytest.approx(1.0, abs=0.1)  # the last hour of June


def test_without_a_forecast_nobody_knows_what_a_cut_saves(api: APIClient, meter: Device) -> None:
    body = api.post(URL, {"device": {"device_id": meter.pk}}, format="json").json()
    assert body["saved_kwh"] is None
    assert "Aún no hay pronóstico" in body["note"]


def test_a_version_of_the_contract_that_begins_inside_the_cycle_counts(home: Home, boiler: Device) -> None:
    contract_change(home=home, valid_from=date(2026, 6, 20), tariff="1C")
    assert compare(home, NOW, NOTHING).base.tariff == "1C"
    contract_change(home=home, valid_from=date(2026, 7, 1), tariff="1D")
    assert compare(home, NOW, NOTHING).base.tariff == "1C"
    assert outlook_of(home, NOW).now.position.kwh_left == 150 - kwh_to_bill(outlook_of(home, NOW).now.kwh)
    contract_change(home=home, valid_from=date(2026, 6, 20), tariff="1C", billing_months=2)
    assert (compare(home, NOW, NOTHING).base.months, compare(home, NOW, NOTHING).base.cycle.day_count) == (1, 30)


def test_moving_a_device_s_hours_saves_nothing(home: Home, boiler: Device) -> None:
    found = compare(home, NOW, WhatIf({}, device=DeviceHours(boiler.pk, None, 22, 6, Decimal(0))))
    assert found.saved_kwh == 0
    assert found.other.bill == found.base.bill


def test_a_budget_buys_the_most_kwh_whose_bill_is_within_it(home: Home, boiler: Device) -> None:
    found = compare(home, NOW, WhatIf({}, budget_mxn=Decimal(500)), base_kwh=300)
    assert found.other.bill.grand_total <= 500
    more = compare(home, NOW, WhatIf({}, kwh=found.other.bill.kwh + 1), base_kwh=300)
    assert more.other.bill.grand_total > 500
    assert compare(home, NOW, WhatIf({}, budget_mxn=Decimal(1)), base_kwh=300).other.bill.kwh == 0


def test_a_device_without_data_saves_nothing(home: Home, boiler: Device) -> None:
    idle = Device.objects.create(home=home, hardware_id="a8032412c3d9", name="Nuevo")
    assert compare(home, NOW, WhatIf({}, device=DeviceHours(idle.pk, None, 0, 0, Decimal(1)))).saved_kwh == 0.0


def test_the_api_puts_both_bills_side_by_side(api: APIClient, home: Home, meter: Device) -> None:
    now = timezone.now()
    used_hourly(meter, hour_of(now) - 20 * DAY, hour_of(now), lambda _hour: 400.0)
    body = api.post(URL, {"base_kwh": 300, "tariff": "1c", "device": {"device_id": meter.pk, "cut": 0.25}}, format="json").json()
    assert (body["base"]["tariff"], body["other"]["tariff"], body["note"]) == ("1f", "1c", None)
    assert body["saved_kwh"] > 0
    for side in (body["base"], body["other"]):
        assert side["bill"]["grand_total"] == pytest.approx(side["mxn_per_month"])
        assert side["bill"]["lines"]
    difference = body["other"]["mxn_per_month"] - body["base"]["mxn_per_month"]
    assert body["difference_mxn_per_month"] == pytest.approx(difference)


def test_the_api_says_that_moving_changes_nothing(api: APIClient, meter: Device) -> None:
    body = api.post(URL, {"device": {"device_id": meter.pk, "move": True}}, format="json").json()
    assert (body["difference_mxn_per_month"], body["saved_kwh"]) == (0, 0)
    assert "cuestan igual a cualquier hora" in body["note"]


def test_another_home_s_device_is_a_404_like_one_that_is_not_there(stranger_api: APIClient, meter: Device) -> None:
    answers = [stranger_api.post(URL, {"device": {"device_id": number}}, format="json") for number in (meter.pk, 2**31 - 1)]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (404, "Dispositivo no encontrado o no pertenece al usuario.")
    }


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"kwh": -1}, ["kwh"]),
        ({"kwh": 2_000_000}, ["kwh"]),
        ({"base_kwh": "muchos"}, ["base_kwh"]),
        ({"tariff": "9"}, ["tariff"]),
        ({"billing_months": 3}, ["billing_months"]),
        ({"device": {"device_id": 1, "start_hour": 24}}, ["device", "start_hour"]),
        ({"device": {"device_id": 1, "cut": 2}}, ["device", "cut"]),
        ({"device": {}}, ["device", "device_id"]),
        ({"device": 7}, ["device"]),
        ({"kwh": 5, "device": {"device_id": 1}}, ["kwh"]),
        ({"kwh": 5, "budget_mxn": 100}, ["kwh"]),
        ({"budget_mxn": "mucho"}, ["budget_mxn"]),
        ({"budget_mxn": 1.001}, ["budget_mxn"]),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(api: APIClient, body: dict[str, Any], place: list[str]) -> None:
    answer = api.post(URL, body, format="json")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:3] == ["body", *place]


def test_what_if_needs_a_login(anonymous_api: APIClient) -> None:
    assert anonymous_api.post(URL, {}, format="json").status_code == 401


FIELDS = [
    "base_kwh",
    "kwh",
    "budget_mxn",
    "device",
    "tariff",
    "billing_months",
    "summer_start_month",
    "dac_region",
    "dap_share",
    "dap_mxn",
]
plausible = st.sampled_from([0, 1, 2, 300, 0.5, "1c", "DAC", "central", 4, {"device_id": 1}, {"device_id": 1, "cut": 0.1}])
json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers(), max_size=3)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.dictionaries(st.sampled_from(FIELDS), plausible | json_values) | json_values)
def test_no_body_crashes_it(owner: Any, body: Any) -> None:
    answer = client_of(owner).post(URL, json.dumps(body), content_type="application/json")
    assert answer.status_code in {200, 400, 404, 422}
