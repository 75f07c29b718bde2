"""A deleted device is retired: its hardware is free, and its home keeps what it measured."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Home, User
from devices import selectors
from devices.circuits import CircuitChange
from devices.events import event_record
from devices.exceptions import DeviceNotFound, DeviceOfAnotherHome, DeviceTaken
from devices.models import Command, Device, EventKind
from devices.ownership.keys import digest_of
from devices.registry import BY_MAC, RegisteredDevice, by_mac
from devices.services import device_register, device_retire, device_update

BODY = {"dev_hardware_id": "A8032412C3D4", "dev_name": "Cocina"}


def registered(mac: str) -> RegisteredDevice | None:
    """Return the device that the ways in know by the MAC."""
    with connection.cursor() as cursor:
        cursor.execute(BY_MAC, [[mac]])
        return by_mac(cursor.fetchall()).get(mac)


def delete(api: APIClient, device: Device) -> None:
    assert api.delete(f"/api/v1/devices/{device.pk}").status_code == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/devices/{}"),
        ("patch", "/api/v1/devices/{}"),
        ("delete", "/api/v1/devices/{}"),
        ("patch", "/api/v1/devices/{}/status"),
        ("get", "/api/v1/history/graph?device_id={}"),
        ("get", "/api/v1/history/last7days?device_id={}"),
        ("get", "/api/v1/history/export?device_id={}"),
    ],
)
def test_a_deleted_device_is_not_found(api: APIClient, meter: Device, method: str, path: str) -> None:
    delete(api, meter)
    assert getattr(api, method)(path.format(meter.pk)).status_code == 404
    assert api.get("/api/v1/devices/").json() == []


def test_ingest_presence_and_questions_know_a_deleted_device_no_more(api: APIClient, meter: Device) -> None:
    Device.objects.update(is_online=True)
    delete(api, meter)
    assert registered(meter.hardware_id) is None
    assert selectors.registered_among([meter.hardware_id]) == set()
    assert selectors.addresses_of(device_ids=[meter.pk]) == {}
    assert selectors.online_devices() == {}


def test_the_same_home_gets_its_device_back_with_its_id(api: APIClient, home: Home) -> None:
    first = device_register(
        home=home, hardware_id="shellypro2pm-a8032412c3d4", name="Tablero", circuits={1: CircuitChange("Bomba")}
    )
    device_update(device=first, is_main=True)
    delete(api, first)
    body = api.post("/api/v1/devices/", BODY | {"dev_mqtt_prefix": "shellyplus1pm"}, format="json").json()
    assert (body["dev_id"], body["dev_name"], body["dev_status"]) == (first.pk, "Cocina", True)
    assert (body["dev_model"], body["dev_mqtt_prefix"], body["is_main"]) == ("shellypro2pm", "shellypro2pm", True)
    assert [row["name"] for row in body["channels"]] == ["Cocina 1", "Bomba"]


def test_a_revived_device_takes_what_is_said_of_it(api: APIClient, meter: Device) -> None:
    delete(api, meter)
    body = api.post("/api/v1/devices/", BODY | {"dev_mqtt_prefix": "shellypro4pm", "is_main": True}, format="json").json()
    assert (body["dev_id"], body["dev_model"], body["is_main"], len(body["channels"])) == (meter.pk, "shellypro4pm", True, 4)


def test_another_home_starts_with_a_device_of_its_own(api: APIClient, stranger_api: APIClient, meter: Device) -> None:
    delete(api, meter)
    theirs = stranger_api.post("/api/v1/devices/", BODY, format="json").json()
    assert theirs["dev_id"] != meter.pk
    assert api.post("/api/v1/devices/", BODY, format="json").status_code == 403
    assert api.get(f"/api/v1/devices/{theirs['dev_id']}").status_code == 404
    assert getattr(registered(meter.hardware_id), "device_id", None) == theirs["dev_id"]
    stranger_api.delete(f"/api/v1/devices/{theirs['dev_id']}")
    assert api.post("/api/v1/devices/", BODY, format="json").json()["dev_id"] == meter.pk


def test_a_device_in_use_is_still_taken(home: Home, stranger: User, meter: Device) -> None:
    with pytest.raises(DeviceTaken):
        device_register(home=home, hardware_id=meter.hardware_id, name="Cocina")
    with pytest.raises(DeviceOfAnotherHome):
        device_register(home=stranger.home, hardware_id=meter.hardware_id, name="Cocina")


def test_a_device_can_be_retired_once(meter: Device) -> None:
    device_retire(device=meter)
    with pytest.raises(DeviceNotFound):
        device_retire(device=meter)


def test_the_database_itself_lets_one_device_in_use_have_a_hardware_id(stranger: User, meter: Device) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Device.objects.create(home=stranger.home, hardware_id=meter.hardware_id, name="Cocina")
    device_retire(device=meter)
    Device.objects.create(home=stranger.home, hardware_id=meter.hardware_id, name="Cocina")


@pytest.mark.django_db(transaction=True)
def test_of_homes_that_claim_a_released_device_at_once_one_gets_it() -> None:
    homes = [Home.objects.create(name=f"Casa {number}") for number in range(6)]
    for home in homes:  # each has had it
        device_retire(device=device_register(home=home, hardware_id="a8032412c3d4", name="Cocina"))

    def claim(home: Home) -> bool:
        try:
            device_register(home=home, hardware_id="a8032412c3d4", name="Cocina")
        except DeviceOfAnotherHome:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(claim, homes)) == [False] * 5 + [True]
    assert Device.objects.count() == 1


def test_a_home_that_is_deleted_takes_its_retired_devices_along(home: Home, meter: Device) -> None:
    device_retire(device=meter)
    home.delete()
    assert not Device.with_retired.exists()


@pytest.fixture
def staff(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    return client


def test_staff_see_retired_devices_and_filter_by_it(staff: Client, home: Home, meter: Device) -> None:
    device_retire(device=meter)
    other = device_register(home=home, hardware_id="A80324120000", name="Sala")

    def listed(**query: str) -> set[Device]:
        return set(staff.get("/admin/devices/device/", query).context["cl"].queryset)

    assert (listed(), listed(retired="no"), listed(retired="yes")) == ({meter, other}, {other}, {meter})
    assert listed(q="A8:03:24:12:C3:D4") == {meter}
    assert staff.get(f"/admin/devices/device/{meter.pk}/change/").status_code == 200


def test_staff_retire_a_device(staff: Client, meter: Device) -> None:
    staff.post("/admin/devices/device/", {"action": "retire", "_selected_action": [str(meter.pk)]})
    assert not Device.objects.exists()
    assert Device.with_retired.get() == meter


def test_staff_who_add_a_device_that_the_home_has_had_get_it_with_its_past(staff: Client, home: Home, meter: Device) -> None:
    device_retire(device=meter)
    body = {"home": str(home.pk), "name": "Tablero", "mqtt_prefix": "shellyplus1pm", "model": "shellyplus1pm", "brand": "Shelly"}
    forms = {"channels-TOTAL_FORMS": "0", "channels-INITIAL_FORMS": "0"}
    answer = staff.post("/admin/devices/device/add/", forms | body | {"hardware_id": "A8032412C3D4", "is_active": "on"})
    assert answer.status_code == 302
    assert (Device.objects.get().pk, Device.objects.get().name) == (meter.pk, "Tablero")


def test_the_next_home_sees_nothing_of_what_the_first_one_did(
    api: APIClient, stranger_api: APIClient, owner: User, meter: Device
) -> None:
    key = api.post(f"/api/v1/devices/{meter.pk}/key").json()["dev_key"]
    schedule = {"action": "off", "time": "22:00", "weekdays": [1]}
    assert api.post(f"/api/v1/devices/{meter.pk}/schedules", schedule, format="json").status_code == 201
    event_record(device=meter, kind=EventKind.OVERPOWER, channel=0)
    for state in ("done", "waiting"):
        expires_at = timezone.now() + timedelta(hours=1)
        Command.objects.create(
            device=meter, channel=0, method="Switch.Set", on=state == "done", user=owner, state=state, expires_at=expires_at
        )
    paths = ("control/{}/history", "control/{}/waiting", "devices/{}/events", "devices/{}/schedules", "devices/{}/limits")
    before = {path: api.get(f"/api/v1/{path.format(meter.pk)}").content for path in paths}
    delete(api, meter)
    theirs = stranger_api.post("/api/v1/devices/", BODY, format="json").json()
    for path in paths:
        found = stranger_api.get(f"/api/v1/{path.format(theirs['dev_id'])}")
        assert found.status_code == 200
        assert not any(str(one) in found.content.decode() for one in ("overpower", "22:00", "Switch.Set"))
        assert stranger_api.get(f"/api/v1/{path.format(meter.pk)}").status_code == 404
    new = registered(meter.hardware_id)
    assert new is not None
    assert not new.key.admits(digest_of(key))
    assert not Command.objects.filter(state="waiting").exists()  # nothing is sent to what is another home's now
    stranger_api.delete(f"/api/v1/devices/{theirs['dev_id']}")
    assert api.post("/api/v1/devices/", BODY, format="json").json()["dev_id"] == meter.pk
    kept = [path for path in paths if "waiting" not in path and "history" not in path]
    assert all(api.get(f"/api/v1/{path.format(meter.pk)}").content == before[path] for path in kept)
    assert len(api.get(f"/api/v1/control/{meter.pk}/history").json()["commands"]) == 2
