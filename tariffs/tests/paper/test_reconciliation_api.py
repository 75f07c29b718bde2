"""Real paper bills beside what meters would have measured."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Contract, Home, Membership
from accounts.services import contract_change
from conftest import client_of, make_user
from devices.models import Device
from tariffs.cfe.cycles import Cycle
from tariffs.models import PaperBill, Price
from tariffs.selectors.cycles import cycle_bounds
from tariffs.services import paper_bill_add
from tariffs.tests.homes import used_evenly

URL = "/api/v1/bills"
HOUR = timedelta(hours=1)
PERIOD = Cycle(date(2026, 4, 18), date(2026, 6, 20))
B01: dict[str, Any] = {"period_start": "2026-04-18", "period_end": "2026-06-20", "kwh": 328, "total_mxn": 404}
PLAYA: dict[str, Any] = {"tariff": "1B", "billing_months": 2, "summer_start_month": 4, "dap_share": Decimal("0.025")}
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("prices")]


@pytest.fixture
def playa(home: Home) -> Home:
    """A home as the bill's, in a zone without daylight saving."""
    home.time_zone = "America/Cancun"
    home.save()
    Contract.objects.filter(home=home).update(**PLAYA)
    home.refresh_from_db()
    return home


def _post(api: APIClient) -> str:
    return f"{URL}/{api.post(URL, B01, format='json').json()['id']}/reconciliation"


def test_a_real_bill_is_explained_to_the_cent(api: APIClient, playa: Home, meter: Device) -> None:
    start, end = cycle_bounds(playa, PERIOD)
    hours = 63 * 24
    assert end - start == hours * HOUR
    used_evenly(meter, start, hours, 300, covered_s=0.9 * 3600)
    used_evenly(meter, end, 5, 99)  # of the next bill
    body = api.get(_post(api)).json()
    bill = body.pop("bill")
    assert bill == {"id": bill["id"], **B01, "days": 63, "average_kwh_day": 5.21}
    # 33 kWh are missing at the mean power of the known time, and 28 are to be explained. 300 kWh cost 251.00 + 58.15 pesos before
    # tax, 328 cost 251.00 + 90.71; tax is 54.67 and street lighting 8.54.
    assert list(body)[:3] == ["note", "certainty", "reasons"]
    assert body == {
        "note": None,
        "contract": {"tariff": "1b", "billing_months": 2, "summer_start_month": 4},
        "measured_by": "circuits",
        "known_share": 0.9,
        "measured_kwh": 300.0,
        "billed_kwh": 328,
        "difference_kwh": 28.0,
        "kwh_parts": {"no_data": 28.0, "circuits_not_measured": 0.0, "meter_difference": 0.0, "rounding": 0.0},
        "measured_cost_mxn": 309.15,
        "paid_mxn": 404.0,
        "difference_mxn": 94.85,
        "mxn_parts": {
            "no_data": 32.56,
            "circuits_not_measured": 0.0,
            "meter_difference": 0.0,
            "dap_and_tax": 63.21,
            "price_or_tariff": 0.0,
            "rounding": -0.92,
        },
        "calculated_mxn": 404.92,
        "certainty": "exact",
        "reasons": [],
        "suggestions": [],
    }


def test_what_full_coverage_leaves_was_not_measured(api: APIClient, playa: Home, meter: Device) -> None:
    start, _end = cycle_bounds(playa, PERIOD)
    used_evenly(meter, start, 63 * 24, 200.4)
    used_evenly(meter, start, 63 * 24, 100, channel=1)
    body = api.get(_post(api)).json()
    assert (body["known_share"], body["difference_kwh"]) == (1.0, 27.6)
    assert body["kwh_parts"] == {"no_data": 0.0, "circuits_not_measured": 28.0, "meter_difference": 0.0, "rounding": -0.4}


def test_a_main_meter_measures_the_home_alone(api: APIClient, playa: Home, meter: Device) -> None:
    main = Device.objects.create(home=playa, hardware_id="b8032412c3d4", name="Acometida", is_main=True)
    start, _end = cycle_bounds(playa, PERIOD)
    used_evenly(main, start, 63 * 24, 330)
    used_evenly(meter, start, 63 * 24, 300)
    body = api.get(_post(api)).json()
    assert (body["measured_by"], body["measured_kwh"]) == ("mains", 330.0)
    assert body["kwh_parts"] == {"no_data": 0.0, "circuits_not_measured": 0.0, "meter_difference": -2.0, "rounding": 0.0}
    assert body["mxn_parts"]["meter_difference"] == -2.33


def test_a_home_without_meters_learns_what_its_bill_should_have_been(api: APIClient, playa: Home) -> None:
    body = api.get(_post(api)).json()
    assert (body["measured_by"], body["known_share"], body["kwh_parts"]["circuits_not_measured"]) == ("nothing", 0.0, 328.0)
    assert (body["calculated_mxn"], body["mxn_parts"]["price_or_tariff"]) == (404.92, 0.0)


def test_a_wrong_tariff_is_found(api: APIClient, playa: Home) -> None:
    Contract.objects.filter(home=playa).update(tariff="1F", summer_start_month=5, billing_months=1)
    body = api.get(_post(api)).json()
    assert body["contract"] == {"tariff": "1f", "billing_months": 2, "summer_start_month": 5}  # 63 days are two months
    assert body["mxn_parts"]["price_or_tariff"] > 1
    assert body["suggestions"][0] == {"tariff": "1b", "billing_months": 2, "summer_start_month": 5, "total_mxn": 404.92}


def test_the_contract_of_the_bill_s_last_day_counts(api: APIClient, playa: Home) -> None:
    contract_change(home=playa, valid_from=PERIOD.end, tariff="1F")
    assert api.get(_post(api)).json()["contract"]["tariff"] == "1b"


def test_a_mixed_season_is_an_estimate(api: APIClient, playa: Home) -> None:
    bill = paper_bill_add(home=playa, start=date(2025, 8, 26), end=date(2025, 10, 24), kwh=590, total_mxn=Decimal(1500))
    body = api.get(f"{URL}/{bill.pk}/reconciliation").json()
    assert body["certainty"] == "estimate"
    assert "cruza el cambio de temporada" in body["reasons"][0]
    assert body["note"].startswith("El recibo calculado es una estimación")


def test_only_the_home_sees_it_and_its_guests_too(
    api: APIClient, anonymous_api: APIClient, stranger_api: APIClient, playa: Home
) -> None:
    url = _post(api)
    viewer = client_of(make_user("invitado@example.com", playa, Membership.Role.VIEWER))
    answers = [client.get(path) for client, path in ((viewer, url), (api, url + "/"), (anonymous_api, url))]
    assert [answer.status_code for answer in answers] == [200, 200, 401]
    for client, path in ((stranger_api, url), (api, f"{URL}/x/reconciliation"), (api, f"{URL}/{10**18}/reconciliation")):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Recibo no encontrado o no pertenece a tu hogar."})


def test_a_home_without_a_contract_or_without_prices_is_told_so(api: APIClient, playa: Home) -> None:
    bill = PaperBill.objects.create(home=playa, start=PERIOD.start, end=PERIOD.end, kwh=1, total_mxn=1)
    Contract.objects.filter(home=playa).update(tariff="1F")
    Price.objects.filter(tariff="1F").delete()
    answer = api.get(f"{URL}/{bill.pk}/reconciliation")
    assert (answer.status_code, answer.json()) == (503, {"detail": "Los precios de CFE de esta tarifa no están cargados."})
    Contract.objects.all().delete()
    answer = api.get(f"{URL}/{bill.pk}/reconciliation")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Tu hogar no tiene un contrato de suministro."})


@pytest.mark.parametrize(("tariff", "queries"), [("1B", 7), ("1F", 8)])
def test_it_takes_a_constant_number_of_queries(
    api: APIClient, playa: Home, meter: Device, tariff: str, queries: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Contract.objects.filter(home=playa).update(tariff=tariff)
    url = _post(api)
    start, _end = cycle_bounds(playa, PERIOD)
    for channel in range(6):
        used_evenly(meter, start, 100, 10, channel)
    with django_assert_num_queries(
        queries
    ):  # user, home, bill; contract, prices, mains, meters, hours; where it fits ill, all prices
        assert api.get(url).status_code == 200
