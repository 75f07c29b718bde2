from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Contract, Home, User
from analysis.models import Recommendation
from conftest import client_of
from devices.models import Device
from tariffs.cfe.bill import kwh_to_bill
from tariffs.selectors.cycles import bill_for, cycle_bounds, cycle_on, local_date
from tariffs.tests.homes import used_hourly
from telemetry.history.window import HOUR, hour_of
from telemetry.rollup.run import rollup
from telemetry.services import readings_store
from telemetry.shelly.samples import Sample

URL = "/api/v1/dashboard/summary"


@pytest.mark.parametrize("path", [URL, URL + "/"])
def test_a_home_without_meters_gets_zeros(api: APIClient, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 200
    body = answer.json()
    dates = [body.pop(name) for name in ("billing_cycle_start", "billing_cycle_end")]
    assert [len(day) for day in dates] == [10, 10]
    assert [isinstance(body.pop(name), int) for name in ("days_in_cycle", "hours_passed")] == [True, True]
    assert body == {
        "kwh_consumed_cycle": 0.0,
        "estimated_cost_mxn": 0.0,
        "current_tariff": "1f",
        "carbon_footprint": {"co2_emitted_kg": 0.0, "equivalent_trees_absorption_per_year": 0.0},
        "latest_recommendation": None,
        "cost_certainty": None,
        "price_month": None,
        "kwh_measured_cycle": 0.0,
        "hours_known": 0.0,
        "outlook": None,
    }


def test_numbers_are_json_numbers(api: APIClient) -> None:
    assert b'"kwh_consumed_cycle":0.0,"estimated_cost_mxn":0.0,' in api.get(URL).content


def test_the_dashboard_needs_a_login(anonymous_api: APIClient, db: None) -> None:
    answer = anonymous_api.get(URL)
    assert (answer.status_code, answer.json(), answer["WWW-Authenticate"]) == (401, {"detail": "No autenticado"}, "Bearer")


def test_each_sees_the_home_they_belong_to(api: APIClient, stranger_api: APIClient, member: User, home: Home) -> None:
    Contract.objects.filter(home=home).update(tariff="DAC")
    Recommendation.objects.create(home=home, text="Apaga el boiler.")
    shown = [
        (body["current_tariff"], body["latest_recommendation"])
        for body in (client.get(URL).json() for client in (api, client_of(member), stranger_api))
    ]
    assert shown == [("DAC", "Apaga el boiler."), ("DAC", "Apaga el boiler."), ("1f", None)]


def test_the_dashboard_is_only_read(api: APIClient) -> None:
    answer = api.post(URL, {}, format="json")
    assert answer.status_code == 405
    assert isinstance(answer.json()["detail"], str)


def test_a_dashboard_is_a_constant_number_of_queries(
    api: APIClient, home: Home, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Recommendation.objects.bulk_create(Recommendation(home=home, text="Apaga el boiler.") for _ in range(20))
    with django_assert_num_queries(5):  # user, home, contract, meters, recommendation
        assert api.get(URL).status_code == 200


def test_readings_of_every_circuit_become_kwh_and_pesos(
    api: APIClient, home: Home, prices: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    now = timezone.now()
    Contract.objects.filter(home=home).update(billing_day=local_date(home, now - timedelta(days=6)).day)
    home.refresh_from_db()
    first = cycle_bounds(home, cycle_on(home, local_date(home, now)))[0]
    assert now - first < timedelta(days=7)
    meters = [Device.objects.create(home=home, hardware_id=f"a8032412c3d{number}", name="Circuito") for number in range(3)]
    used = [(first, 1_000.0), (now - timedelta(seconds=1), 51_900.0)]
    readings_store((meter.pk, Sample(0, at, 100.0, 127.0, 1.0, counter, None)) for meter in meters for at, counter in used)
    rollup()
    with django_assert_num_queries(11):  # and prices, what bills there are, the habits' hours and the year's two
        body = api.get(URL).json()
    assert body["kwh_consumed_cycle"] == pytest.approx(3 * 50.9, abs=0.01)
    bill = bill_for(home.contract, cycle_on(home, local_date(home, now)), 153)
    assert body["estimated_cost_mxn"] == float(bill.period_total) > 0
    assert body["cost_certainty"] == bill.certainty
    assert (body["kwh_measured_cycle"], body["hours_known"]) == (body["kwh_consumed_cycle"], body["hours_passed"])


def test_hours_that_nobody_measured_are_in_the_kwh_and_the_pesos(api: APIClient, home: Home, meter: Device, prices: None) -> None:
    hour = hour_of(timezone.now())
    used_hourly(meter, hour - timedelta(days=80), hour - timedelta(days=40), lambda _hour: 1_000.0)
    used_hourly(meter, hour - HOUR, hour, lambda _hour: 1_000.0)
    Contract.objects.filter(home=home).update(
        tariff="1", billing_months=2, last_reading=local_date(home, hour - timedelta(days=40))
    )
    Contract.objects.filter(home=home).update(billing_day=local_date(home, hour - timedelta(days=40)).day)
    body = api.get(URL).json()
    assert body["kwh_consumed_cycle"] == pytest.approx(body["hours_passed"], rel=0.05)
    assert body["kwh_measured_cycle"] < 50
    assert body["estimated_cost_mxn"] == float(
        bill_for(home.contract, cycle_on(home, local_date(home, hour)), kwh_to_bill(body["kwh_consumed_cycle"])).grand_total
    )
    assert body["cost_certainty"] == "estimate"
    assert body["outlook"]["now"]["reasons"][0].startswith("Faltan mediciones")


def test_the_home_screen_stands_without_prices(api: APIClient, meter: Device) -> None:
    hour = hour_of(timezone.now())
    used_hourly(meter, hour, hour + HOUR, lambda _hour: 1_500.0)
    answer = api.get(URL)
    assert answer.status_code == 200
    body = answer.json()
    assert body["kwh_consumed_cycle"] == 1.5
    assert [body[name] for name in ("estimated_cost_mxn", "cost_certainty", "price_month", "outlook")] == [None] * 4
    for refused in (
        api.get("/api/v1/tariffs/outlook"),
        api.post("/api/v1/tariffs/what-if", {"base_kwh": 50, "kwh": 100}, format="json"),
    ):
        assert (refused.status_code, refused.json()) == (503, {"detail": "Los precios de CFE de esta tarifa no están cargados."})


def test_the_schema_describes_the_dashboard(anonymous_api: APIClient) -> None:
    paths = anonymous_api.get("/openapi.json", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()["paths"]
    operation = next(operations["get"] for path, operations in paths.items() if path.rstrip("/") == URL)
    assert set(operation["responses"]) == {"200", "401", "404"}
    assert operation["responses"]["200"]["content"]["application/json"]["examples"]


def test_an_unchanged_dashboard_is_304_and_a_changed_one_comes_whole(api: APIClient, home: Home) -> None:
    tag = api.get(URL)["ETag"]
    again = api.get(URL, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert "private" in again["Cache-Control"]
    Recommendation.objects.create(home=home, text="Apaga la bomba de noche.")
    assert api.get(URL, headers={"If-None-Match": tag}).json()["latest_recommendation"] == "Apaga la bomba de noche."
