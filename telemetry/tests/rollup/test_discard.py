"""An owner discards a span of a device's readings, and its counter's movement with them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Home, Membership, User
from conftest import client_of, make_user
from devices.models import Device
from telemetry.models import DiscardedSpan, FiveMinutes, Hour, Reading
from telemetry.rollup import run as rollups
from telemetry.rollup.stale_buckets import Counters, NeededReadings, without_gaps
from telemetry.services import readings_store
from telemetry.shelly.samples import Sample
from telemetry.tests.past import some_hours_ago

pytestmark = pytest.mark.django_db
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def store(meter: Device, start: datetime, minutes: int, *, counter: float, watts: float = 600.0, channel: int = 0) -> float:
    """Store a reading each minute; return the counter after them."""
    per_minute = watts / 60
    readings_store(
        (meter.pk, Sample(channel, start + number * MINUTE, watts, 127, 1, counter + number * per_minute, None))
        for number in range(minutes)
    )
    return counter + minutes * per_minute


def total(model: type[Hour] | type[FiveMinutes] = Hour) -> float:
    return sum(bucket.measured_wh + bucket.recovered_wh for bucket in model.objects.all())


def discard(client: APIClient, device: Device, start: Any, end: Any) -> Any:
    query = {"from": getattr(start, "isoformat", lambda: start)(), "to": getattr(end, "isoformat", lambda: end)()}
    return client.delete(f"/api/v1/devices/{device.pk}/readings", QUERY_STRING="&".join(f"{k}={v}" for k, v in _quoted(query)))


def _quoted(query: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, value.replace("+", "%2B")) for name, value in query.items()]


@pytest.fixture
def start(meter: Device) -> datetime:
    """Six hours at 600 W, of which the fourth and the half of the fifth are at 12 kW."""
    start = some_hours_ago(20)
    counter = store(meter, start, 180, counter=1_000)
    counter = store(meter, start + 3 * HOUR, 90, counter=counter, watts=12_000)
    store(meter, start + 4.5 * HOUR, 90, counter=counter)
    rollups.rollup()
    assert total() == pytest.approx(1_800 + 18_000 + 890, abs=1)
    return start


def test_the_energy_of_the_span_is_unknown_and_does_not_come_back(api: APIClient, meter: Device, start: datetime) -> None:
    answer = discard(api, meter, start + 3 * HOUR, start + 4.5 * HOUR)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["readings"], body["five_minutes"], body["hours"]) == (90, 18, 1)
    assert body["kwh"] == pytest.approx(18, abs=0.02)
    assert datetime.fromisoformat(body["from"]) == start + 3 * HOUR
    assert total() == pytest.approx(1_800 + 890, abs=12)
    rollups.rollup()
    assert total() == total(FiveMinutes) == pytest.approx(1_790 + 890, abs=1)
    store(meter, start + 6 * HOUR, 1, counter=1_000 + 1_800 + 18_000 + 900)
    rollups.rollup()  # and what comes later does not bring it back
    assert total() == pytest.approx(1_790 + 900, abs=1)
    assert not FiveMinutes.objects.filter(start__gte=start + 3 * HOUR, start__lt=start + 4.5 * HOUR).exists()


def test_a_rebuild_and_late_readings_do_not_bring_it_back(api: APIClient, meter: Device, start: datetime) -> None:
    discard(api, meter, start + 3 * HOUR, start + 4.5 * HOUR)
    store(meter, start + 3 * HOUR, 90, counter=2_800, watts=12_000)  # what a broker had kept
    rollups.rollup()
    assert total() == pytest.approx(1_790 + 890, abs=1)


def test_the_span_is_widened_to_whole_five_minutes(api: APIClient, meter: Device, start: datetime) -> None:
    body = discard(api, meter, start + 3 * HOUR + 2 * MINUTE, start + 3 * HOUR + 11 * MINUTE).json()
    assert (body["readings"], body["five_minutes"], body["hours"]) == (15, 3, 0)
    rollups.rollup()
    assert total() == pytest.approx(1_790 + 75 * 200 + 890, abs=1)


def test_where_readings_are_gone_buckets_go(api: APIClient, meter: Device, start: datetime) -> None:
    Reading.objects.all().delete()
    body = discard(api, meter, start + 3 * HOUR, start + 4.5 * HOUR).json()
    assert (body["readings"], body["five_minutes"], body["hours"]) == (0, 18, 1)
    assert total() == total(FiveMinutes) == pytest.approx(1_800 + 890, abs=12)


def test_where_hours_alone_are_left_they_go_whole(api: APIClient, meter: Device, start: datetime) -> None:
    Reading.objects.all().delete()
    FiveMinutes.objects.all().delete()
    body = discard(api, meter, start + 3 * HOUR, start + 4.5 * HOUR).json()
    assert (body["five_minutes"], body["hours"]) == (0, 2)
    assert total() == pytest.approx(1_800 + 600, abs=12)


def test_other_devices_keep_theirs(api: APIClient, meter: Device, home: Home, start: datetime) -> None:
    other = Device.objects.create(home=home, hardware_id="b8032412c3d4", name="Sala")
    assert discard(api, other, start, start + 6 * HOUR).json()["readings"] == 0
    assert Reading.objects.count() == 360


def test_it_is_the_owners_alone(
    api: APIClient, stranger_api: APIClient, anonymous_api: APIClient, member: User, home: Home, meter: Device, start: datetime
) -> None:
    viewer = make_user("invitado@example.com", home, Membership.Role.VIEWER)
    for client, status in (
        (client_of(member), 403),
        (client_of(viewer), 403),
        (stranger_api, 404),
        (anonymous_api, 401),
    ):
        answer = discard(client, meter, start, start + HOUR)
        assert (answer.status_code, isinstance(answer.json()["detail"], str)) == (status, True)
    assert discard(client_of(member), meter, start, start + HOUR).json() == {
        "detail": "Solo el dueño del hogar puede hacer esto."
    }
    assert api.delete("/api/v1/devices/999999/readings").status_code == 404
    assert Reading.objects.count() == 360


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("", "from", "Indica el inicio y el fin (from y to)."),
        ("from=2026-11-01", "to", "Indica el inicio y el fin (from y to)."),
        ("from=ayer&to=2026-11-02", "from", "Usa una fecha (2026-11-23) o una fecha y hora ISO 8601."),
        ("from=2026-11-02&to=2026-11-01", "to", "El fin debe ser posterior al inicio."),
        ("from=2099-11-02&to=2099-11-03", "from", "El inicio debe ser anterior al momento actual."),
        ("from=2026-01-02&to=2099-11-03", "to", "El fin no puede estar en el futuro."),
    ],
)
def test_a_bad_span_is_named(api: APIClient, meter: Device, start: datetime, query: str, field: str, message: str) -> None:
    answer = api.delete(f"/api/v1/devices/{meter.pk}/readings", QUERY_STRING=query)
    assert answer.status_code == 422
    first = answer.json()["detail"][0]
    assert (first["loc"], first["msg"]) == (["query", field], message)
    assert Reading.objects.count() == 360


def test_staff_read_who_did_it(api: APIClient, client: Client, owner: User, meter: Device, start: datetime) -> None:
    discard(api, meter, start, start + HOUR)
    kept = DiscardedSpan.objects.get()
    assert (kept.discarded_by, kept.device, kept.readings) == (owner, meter, 60)
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    page = client.get("/admin/telemetry/discardedspan/").content.decode()
    assert "dueno@example.com" in page
    assert client.get(f"/admin/telemetry/discardedspan/{kept.pk}/change/").status_code == 200
    assert client.get("/admin/telemetry/discardedspan/add/").status_code == 403


def test_readings_are_cut_at_what_was_discarded() -> None:
    at = [some_hours_ago() + number * HOUR for number in range(10)]
    whole, just = NeededReadings(7, 0, at[1], at[9], 3, Counters(at[0], None, None)), timedelta(microseconds=1)
    assert without_gaps([whole], {8: [(at[3], at[4])]}) == [whole]
    assert without_gaps([whole], {7: [(at[3], at[4]), (at[7], at[9])]}) == [
        whole._replace(to_time=at[3] - just),
        whole._replace(from_time=at[4], to_time=at[7] - just),
        whole._replace(from_time=at[9]),
    ]
    assert without_gaps([whole], {7: [(at[0], at[2])]}) == [whole._replace(from_time=at[2])]
    assert without_gaps([whole], {7: [(at[0], at[9] + HOUR)]}) == []
