"""What was measured with a device that its home has deleted."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Home, User
from devices.models import Device
from devices.services import device_register, device_retire
from telemetry.models import Hour, Series
from telemetry.selectors import home_energy_wh
from telemetry.tests.history.stored_hours import GRAPH, add, this_hour

pytestmark = pytest.mark.django_db


def exported(client: APIClient) -> list[str]:
    return b"".join(client.get("/api/v1/history/export")).decode().splitlines()[1:]


def graph(client: APIClient) -> float | None:
    value: float | None = client.get(GRAPH).json()["data_points"][-1]["value"]
    return value


@pytest.fixture
def start(meter: Device, home: Home) -> datetime:
    other = Device.objects.create(home=home, hardware_id="b8032412c3d4", name="Sala")
    for device, wh in ((meter, 400), (other, 500)):
        Series.objects.create(device_id=device.pk, channel=0)
        add(device, this_hour(), wh)
    device_retire(device=meter)
    return this_hour()


def test_its_home_keeps_the_energy(api: APIClient, home: Home, start: datetime) -> None:
    assert graph(api) == 0.9
    assert home_energy_wh(home, start, start + timedelta(hours=1)) == [900]
    assert api.get("/api/v1/dashboard/summary").json()["kwh_consumed_cycle"] == 0.9
    assert [line.split(",")[1] for line in exported(api)] == ["A8032412C3D4", "B8032412C3D4"]


def test_another_home_that_claims_it_starts_empty(stranger: User, stranger_api: APIClient, start: datetime) -> None:
    theirs = device_register(home=stranger.home, hardware_id="a8032412c3d4", name="Sala")
    assert graph(stranger_api) is None
    assert exported(stranger_api) == []
    assert stranger_api.get(GRAPH, {"device_id": theirs.pk}).status_code == 200


def test_claimed_again_its_history_continues(api: APIClient, home: Home, meter: Device, start: datetime) -> None:
    assert device_register(home=home, hardware_id="a8032412c3d4", name="Cocina").pk == meter.pk
    assert api.get(GRAPH, {"device_id": meter.pk}).json()["data_points"][-1]["value"] == 0.4


def test_staff_are_told_what_a_home_loses_with_a_device(client: Client, meter: Device, start: datetime) -> None:
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    page = f"/admin/devices/device/{meter.pk}/delete/"
    assert "pierde lo que midió Cocina: 0,4 kWh" in client.get(page).content.decode().replace("0.4", "0,4")
    Hour.objects.all().delete()
    assert "no ha medido nada" in client.get(page).content.decode()
    client.post(page, {"post": "yes"})
    assert not Device.with_retired.filter(pk=meter.pk).exists()
