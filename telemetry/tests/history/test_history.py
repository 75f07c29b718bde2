"""History by the API: whole homes, local days, gaps apart from zero."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Home
from devices.models import Device
from telemetry.history.window import Window
from telemetry.models import FiveMinutes
from telemetry.tests.history.stored_hours import DAYS, GRAPH, add, this_hour

pytestmark = pytest.mark.django_db
CITY = ZoneInfo("America/Mexico_City")


def today() -> datetime:
    return datetime.now(CITY).replace(hour=0, minute=0, second=0, microsecond=0)


def last_dates(days: int) -> list[str]:
    return [f"{today() - timedelta(days=day):%Y-%m-%d}" for day in range(days - 1, -1, -1)]


def test_the_daily_graph_has_24_hours_and_sums_the_circuits(api: APIClient, meter: Device, home: Home) -> None:
    other = Device.objects.create(home=home, hardware_id="b8032412c3d4", name="Sala")
    add(meter, this_hour(), 400)
    add(meter, this_hour(), 100, channel=1)
    add(other, this_hour(), 500)
    body = api.get(GRAPH, {"period": "daily"}).json()
    assert (body["period"], body["unit"], len(body["data_points"])) == ("daily", "kWh", 24)
    assert body["data_points"][-1]["value"] == 1.0
    assert datetime.fromisoformat(body["data_points"][-1]["timestamp"]) == this_hour()
    assert [point["value"] for point in body["data_points"][:-1]] == [None] * 23


@pytest.mark.parametrize(("period", "days"), [("weekly", 7), ("monthly", 30)])
def test_longer_graphs_go_by_local_day(api: APIClient, meter: Device, period: str, days: int) -> None:
    add(meter, today() - timedelta(hours=1), 250)
    add(meter, today(), 700)
    points = api.get(GRAPH, {"period": period}).json()["data_points"]
    assert [point["value"] for point in points[-3:]] == [None, 0.25, 0.7]
    assert len(points) == days
    assert points[-1]["timestamp"].endswith("T12:00:00-06:00")
    assert [point["timestamp"][:10] for point in points] == [point["date"] for point in points] == last_dates(days)


def test_an_hour_is_labelled_by_its_start_and_says_its_local_day(api: APIClient, home: Home) -> None:
    query = {"from": "2026-11-22T23:00:00-06:00", "to": "2026-11-23T01:00:00-06:00", "resolution": "1h"}
    points = api.get(GRAPH, query).json()["data_points"]
    assert [(point["timestamp"], point["date"]) for point in points] == [
        ("2026-11-22T23:00:00-06:00", "2026-11-22"),
        ("2026-11-23T00:00:00-06:00", "2026-11-23"),
    ]


def test_days_are_those_of_the_homes_zone(api: APIClient, meter: Device, home: Home) -> None:
    Home.objects.filter(pk=home.pk).update(time_zone="America/Tijuana")
    midnight = datetime.now(ZoneInfo("America/Tijuana")).replace(hour=0, minute=0, second=0, microsecond=0)
    add(meter, midnight, 700)
    add(meter, midnight - timedelta(hours=1), 300)
    points = api.get(GRAPH, {"period": "weekly"}).json()["data_points"]
    assert [point["value"] for point in points[-2:]] == [0.3, 0.7]


def test_a_day_of_daylight_saving_is_25_hours_long(api: APIClient, meter: Device, home: Home) -> None:
    Home.objects.filter(pk=home.pk).update(time_zone="America/Tijuana")
    start = datetime(2026, 11, 1, 7, tzinfo=UTC)
    for hour in range(26):
        add(meter, start + timedelta(hours=hour), 100)
    points = api.get(GRAPH, {"from": "2026-11-01", "to": "2026-11-02", "resolution": "1d"}).json()["data_points"]
    assert [point["value"] for point in points] == [2.5, 0.1]
    assert [point["timestamp"] for point in points] == ["2026-11-01T12:00:00-08:00", "2026-11-02T12:00:00-08:00"]


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        (("2026-10-31", "2026-11-02"), ["10-31T12:00:00-07:00", "11-01T12:00:00-08:00", "11-02T12:00:00-08:00"]),
        (("2026-03-07", "2026-03-09"), ["03-07T12:00:00-08:00", "03-08T12:00:00-07:00", "03-09T12:00:00-07:00"]),
    ],
)
def test_days_at_the_border_are_labelled_by_noon_with_the_offset_of_that_day(
    api: APIClient, home: Home, query: tuple[str, str], labels: list[str]
) -> None:
    Home.objects.filter(pk=home.pk).update(time_zone="America/Tijuana")
    body = api.get(DAYS, {"from": query[0], "to": query[1], "resolution": "1d"}).json()
    assert body["labels"] == [f"2026-{label}" for label in labels]
    assert body["dates"] == [label[:10] for label in body["labels"]]


@pytest.mark.parametrize("start", ["2026-11-01T00:00:00-07:00", "2026-11-01"])
def test_the_hour_that_comes_twice_in_autumn_has_two_steps(api: APIClient, meter: Device, home: Home, start: str) -> None:
    Home.objects.filter(pk=home.pk).update(time_zone="America/Tijuana")
    for hour in range(4):
        add(meter, datetime(2026, 11, 1, 7 + hour, tzinfo=UTC), 100 * (hour + 1))
    query = {"from": start, "to": "2026-11-01T03:00:00-08:00", "resolution": "1h"}
    points = api.get(GRAPH, query).json()["data_points"]
    assert [(point["timestamp"][11:], point["value"]) for point in points] == [
        ("00:00:00-07:00", 0.1),
        ("01:00:00-07:00", 0.2),
        ("01:00:00-08:00", 0.3),
        ("02:00:00-08:00", 0.4),
    ]


def test_steps_are_by_real_time_where_the_window_is_given_in_the_zone() -> None:
    zone = ZoneInfo("America/Tijuana")
    start, end = datetime(2026, 11, 1, tzinfo=zone), datetime(2026, 11, 1, 3, tzinfo=zone)
    assert [step.utcoffset() for step in Window(start, end, "1h", zone).steps()] == [timedelta(hours=-7)] * 2 + [
        timedelta(hours=-8)
    ] * 2


def test_zero_is_told_apart_from_no_data(api: APIClient, meter: Device) -> None:
    add(meter, today() - timedelta(days=2), 0)
    values = [point["value"] for point in api.get(GRAPH, {"period": "weekly"}).json()["data_points"]]
    assert values == [None] * 4 + [0.0, None, None]


def test_the_mains_alone_make_the_homes_total(api: APIClient, meter: Device, home: Home) -> None:
    mains = Device.objects.create(home=home, hardware_id="c8032412c3d4", name="Acometida", is_main=True)
    add(meter, this_hour(), 400)
    add(mains, this_hour(), 900)
    assert api.get(GRAPH).json()["data_points"][-1]["value"] == 0.9
    assert api.get(GRAPH, {"device_id": meter.pk}).json()["data_points"][-1]["value"] == 0.4


def test_one_circuit_can_be_asked_for(api: APIClient, meter: Device) -> None:
    add(meter, this_hour(), 400)
    add(meter, this_hour(), 100, channel=1)
    assert api.get(GRAPH, {"device_id": meter.pk, "channel": 1}).json()["data_points"][-1]["value"] == 0.1


def test_five_minutes_between_two_times(api: APIClient, meter: Device) -> None:
    add(meter, this_hour(), 12, model=FiveMinutes)
    start, end = this_hour() - timedelta(minutes=10), this_hour() + timedelta(minutes=10)
    body = api.get(GRAPH, {"from": start.isoformat(), "to": end.isoformat(), "resolution": "5m"}).json()
    assert (body["period"], body["resolution"]) == ("custom", "5m")
    assert [point["value"] for point in body["data_points"]] == [None, None, 0.012, None]


def test_the_last_seven_days_are_means_of_power_and_voltage_and_sums_of_circuits(
    api: APIClient, meter: Device, home: Home
) -> None:
    other = Device.objects.create(home=home, hardware_id="b8032412c3d4", name="Sala")
    add(meter, today(), 300)
    add(meter, today() + timedelta(hours=1), 500)
    add(other, today(), 127)
    body = api.get(DAYS).json()
    assert body["dates"] == [label[:10] for label in body["labels"]] == last_dates(7)
    assert {label[10:] for label in body["labels"]} == {"T12:00:00-06:00"}
    assert body["watts"] == [None] * 6 + [527.0]
    assert body["volts"] == [None] * 6 + [127.0]
    assert body["amps"] == [None] * 6 + [pytest.approx(400 / 127 + 1, abs=1e-3)]


@pytest.mark.parametrize("path", [GRAPH, DAYS, f"{GRAPH}/"])
def test_a_home_without_devices_gets_gaps(api: APIClient, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", [GRAPH, DAYS])
def test_history_needs_login_and_hides_other_homes(
    anonymous_api: APIClient, stranger_api: APIClient, meter: Device, path: str
) -> None:
    assert anonymous_api.get(path).status_code == 401
    add(meter, this_hour(), 400)
    assert set(values(stranger_api.get(path).json())) == {None}
    answer = stranger_api.get(path, {"device_id": meter.pk})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Dispositivo no encontrado o no pertenece al usuario."})


def values(body: dict[str, list[object]]) -> list[object]:
    points: list[object] = body["watts"] if "watts" in body else [point["value"] for point in body["data_points"]]  # type: ignore[index]
    return points


@pytest.mark.parametrize(
    "query",
    [
        {"period": "yearly"},
        {"resolution": "1w"},
        {"from": "ayer"},
        {"from": "2026-02-30"},
        {"from": "1999-01-01"},
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2020-01-01", "resolution": "5m"},
        {"device_id": "x"},
        {"device_id": "99999999999999999999"},
        {"channel": "-1"},
        {"from": "0001-01-01T00:00:00+23:59"},
    ],
)
def test_a_question_that_makes_no_sense_is_422(api: APIClient, query: dict[str, str]) -> None:
    answer = api.get(GRAPH, query)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "query"
    assert isinstance(answer.json()["detail"][0]["msg"], str)


@pytest.mark.parametrize("path", [GRAPH, DAYS])
def test_history_takes_a_constant_number_of_queries(
    api: APIClient, home: Home, django_assert_num_queries: DjangoAssertNumQueries, path: str
) -> None:
    for number in range(5):
        add(Device.objects.create(home=home, hardware_id=f"d{number}", name="Circuito"), this_hour(), 1)
    with django_assert_num_queries(4):  # the caller, the home, has it mains, its devices, the buckets
        api.get(path)


def test_the_five_minutes_of_twelve_days_add_up_to_the_wh(api: APIClient, meter: Device) -> None:
    start, wh = this_hour() - timedelta(days=12), 13.6137
    FiveMinutes.objects.bulk_create(
        FiveMinutes(
            device_id=meter.pk,
            channel=0,
            start=start + number * timedelta(minutes=5),
            measured_wh=wh,
            recovered_wh=0,
            returned_wh=0,
            covered_s=300,
            samples=60,
        )
        for number in range(12 * 288)
    )
    query = {"from": start.isoformat(), "to": this_hour().isoformat(), "resolution": "5m"}
    points = [point["value"] for point in api.get(GRAPH, query).json()["data_points"]]
    assert sum(points) * 1000 == pytest.approx(12 * 288 * wh, abs=0.5)
    add(meter, this_hour(), 244.61)
    assert round(api.get(GRAPH).json()["data_points"][-1]["value"], 3) == 0.245
    assert api.get(DAYS).json()["kwh"][-1] == 0.24461
