from datetime import UTC, datetime

import pytest
import redis
from django.conf import settings
from django.test import Client

from accounts.models import Home, User
from devices.models import Device
from devices.presence.redis_scripts import SEEN
from devices.services import device_register


@pytest.fixture
def staff(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    return client


@pytest.fixture
def device(home: Home) -> Device:
    return device_register(home=home, hardware_id="A8032412C3D4", name="Cocina")


def form(home: Home, **fields: str) -> dict[str, str]:
    management = {f"{of}-{field}": "0" for of in ("channels", "role_changes") for field in ("TOTAL_FORMS", "INITIAL_FORMS")}
    device = {"home": str(home.pk), "name": "Tablero", "mqtt_prefix": "shellypro4pm", "model": "shellypro4pm", "brand": "Shelly"}
    return management | device | {"hardware_id": "34:98:7A:E4:D3:53", "is_active": "on"} | fields


def test_every_page_answers(staff: Client, device: Device) -> None:
    for page in ("", "add/", f"{device.pk}/change/", f"{device.pk}/delete/", f"{device.pk}/history/"):
        assert staff.get(f"/admin/devices/device/{page}").status_code == 200


@pytest.mark.parametrize("words", ["cocina", "A8:03:24:12:C3:D4", "a80324", "dueno@example.com", "Casa de"])
def test_a_device_is_found_by_name_id_home_and_mail(staff: Client, device: Device, words: str) -> None:
    page = staff.get("/admin/devices/device/", {"q": words})
    assert list(page.context["cl"].queryset) == [device]


def test_a_search_for_something_else_finds_nothing(staff: Client, device: Device) -> None:
    assert not staff.get("/admin/devices/device/", {"q": "sala"}).context["cl"].queryset.exists()


def test_staff_add_a_device_and_its_channels_are_named(staff: Client, home: Home) -> None:
    assert staff.post("/admin/devices/device/add/", form(home)).status_code == 302
    device = Device.objects.get()
    assert device.hardware_id == "34987ae4d353"
    assert [channel.name for channel in device.channels.all()] == ["Tablero 1", "Tablero 2", "Tablero 3", "Tablero 4"]


def test_staff_can_not_add_a_device_twice(staff: Client, home: Home, device: Device) -> None:
    assert staff.post("/admin/devices/device/add/", form(home, hardware_id="A8:03:24:12:C3:D4")).status_code == 200
    assert Device.objects.count() == 1


def test_staff_delete_one_device_or_several(staff: Client, home: Home, device: Device) -> None:
    other = device_register(home=home, hardware_id="A80324120000", name="Sala")
    staff.post(f"/admin/devices/device/{device.pk}/delete/", {"post": "yes"})
    assert list(Device.objects.all()) == [other]
    chosen = {"action": "delete_selected", "_selected_action": [str(other.pk)], "post": "yes"}
    staff.post("/admin/devices/device/", chosen)
    assert not Device.objects.exists()


def test_the_hardware_id_of_a_device_stays(staff: Client, home: Home, device: Device) -> None:
    staff.post(f"/admin/devices/device/{device.pk}/change/", form(home, name="Comedor"))
    device.refresh_from_db()
    assert (device.name, device.hardware_id) == ("Comedor", "a8032412c3d4")


def test_staff_who_change_a_device_leave_its_online_state_alone(staff: Client, home: Home, device: Device) -> None:
    Device.objects.update(is_online=True)
    staff.post(f"/admin/devices/device/{device.pk}/change/", form(home, name="Comedor"))
    assert Device.objects.get().is_online is True
    page = staff.get(f"/admin/devices/device/{device.pk}/change/").content.decode()
    assert 'name="is_online"' not in page
    assert 'name="hardware_id"' not in page


def test_staff_name_a_channel_up_to_31(staff: Client, home: Home, device: Device) -> None:
    channel = {"channels-TOTAL_FORMS": "1", "channels-0-device": str(device.pk), "channels-0-name": "Bomba"}
    url = f"/admin/devices/device/{device.pk}/change/"
    page = staff.post(url, form(home) | channel | {"channels-0-number": "32"})
    assert "El número de canal va de 0 a 31." in page.content.decode()
    assert staff.post(url, form(home) | channel | {"channels-0-number": "31"}).status_code == 302
    assert device.channels.filter(number=31, name="Bomba").exists()


def test_staff_see_a_sign_of_life_as_soon_as_redis_knows_it(staff: Client, device: Device) -> None:
    Device.objects.update(is_online=True, last_seen_at="2026-11-01T00:00:00Z")
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.zadd(SEEN, {device.pk: datetime(2026, 11, 23, 18, 5, tzinfo=UTC).timestamp()})
    page = staff.get(f"/admin/devices/device/{device.pk}/change/").content.decode()
    assert "23 nov 2026, 12:05 CST" in page
    assert "31 de octubre" not in page.lower()
    assert "1 de noviembre" not in page.lower()
