"""Other hardware takes a device's place: the circuit stays what it is, and the old hardware is free."""

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Home, Membership, User
from common.testing import together
from conftest import client_of, make_user
from devices.circuits import CircuitChange
from devices.exceptions import DeviceNotFound, DeviceOfAnotherHome, DeviceTaken
from devices.models import Command, Device, DeviceEvent
from devices.ownership.keys import digest_of
from devices.services import device_register, device_replace, device_retire
from devices.tests.test_retiring import registered

NEW = "34987ae4d353"


def replace(api: APIClient, device: Device, hardware_id: object = NEW.upper()) -> tuple[int, dict]:  # type: ignore[type-arg]
    answer = api.post(f"/api/v1/devices/{device.pk}/replace", {"dev_hardware_id": hardware_id}, format="json")
    return answer.status_code, answer.json()


def test_the_circuit_keeps_its_id_names_and_what_was_planned(api: APIClient, home: Home) -> None:
    device = device_register(
        home=home, hardware_id="shellypro2pm-a8032412c3d4", name="Tablero", circuits={1: CircuitChange("Bomba", "pump")}
    )
    kept = Command.objects.create(device=device, channel=1, method="Switch.Set", on=True, state="waiting")
    code, body = replace(api, device, "shellypro4pm-34987ae4d353")
    assert (code, body["dev_id"], body["dev_hardware_id"]) == (200, device.pk, NEW.upper())
    assert (body["dev_model"], body["dev_mqtt_prefix"], body["dev_proven"]) == ("shellypro4pm", "shellypro4pm", False)
    assert [(row["name"], row["kind"]) for row in body["channels"]] == [("Tablero 1", ""), ("Bomba", "pump")]
    kept.refresh_from_db()
    assert kept.state == "waiting"
    event = DeviceEvent.objects.get(device=device)
    details = {"old_hardware_id": "A8032412C3D4", "new_hardware_id": NEW.upper()}
    assert (event.kind, event.details) == ("replaced", details)


def test_the_ways_in_know_the_new_hardware_and_the_old_no_more(api: APIClient, meter: Device) -> None:
    assert replace(api, meter)[0] == 200
    new = registered(NEW)
    assert (registered("a8032412c3d4"), new and new.device_id) == (None, meter.pk)
    assert new is not None
    assert new.since == meter.replacements.get().at


def test_the_new_hardware_gets_a_key_of_its_own(api: APIClient, home: Home) -> None:
    device = device_register(home=home, hardware_id="a8032412c3d4", name="Cocina", key="el-de-antes")
    Device.objects.update(requires_key=True)
    _code, body = replace(api, device)
    new = registered(NEW)
    assert new is not None
    assert (new.key.digest, new.key.is_required) == (digest_of(body["dev_key"]), False)


def test_the_old_hardware_may_be_claimed_anew_by_anybody(
    api: APIClient, stranger_api: APIClient, home: Home, meter: Device
) -> None:
    replace(api, meter)
    again = device_register(home=home, hardware_id="a8032412c3d4", name="Sala")
    assert again.pk != meter.pk
    device_retire(device=again)
    body = {"dev_hardware_id": "A8032412C3D4", "dev_name": "Cocina"}
    assert stranger_api.post("/api/v1/devices/", body, format="json").status_code == 201


def test_hardware_that_the_home_had_before_takes_the_place_without_its_own_past(
    api: APIClient, home: Home, meter: Device
) -> None:
    other = device_register(home=home, hardware_id=NEW, name="Sala")
    assert replace(api, meter)[0] == 409
    device_retire(device=other)
    assert replace(api, meter)[0] == 200
    device_retire(device=meter)
    assert device_register(home=home, hardware_id=NEW, name="Cocina").pk == meter.pk  # where it was last


def test_what_can_not_take_the_place_is_refused(
    api: APIClient, stranger: User, stranger_api: APIClient, home: Home, meter: Device
) -> None:
    assert replace(api, meter, "A8:03:24:12:C3:D4") == (409, {"detail": str(DeviceTaken.sentence)})
    for wrong in ("xyz", None, "ñandú-ñandú-ñandú"):
        code, body = replace(api, meter, wrong)
        assert (code, body["detail"][0]["loc"]) == (422, ["body", "dev_hardware_id"])
    device_register(home=stranger.home, hardware_id=NEW, name="Sala")
    assert replace(api, meter) == (403, {"detail": str(DeviceOfAnotherHome.sentence)})
    assert replace(stranger_api, meter) == (404, {"detail": str(DeviceNotFound.sentence)})
    viewer = client_of(make_user("invitado@example.com", home, Membership.Role.VIEWER))
    assert (replace(viewer, meter)[0], replace(APIClient(), meter)[0]) == (403, 401)
    meter.refresh_from_db()
    assert (meter.hardware_id, meter.replacements.count()) == ("a8032412c3d4", 0)


@pytest.mark.django_db(transaction=True)
def test_of_several_that_want_the_hardware_at_once_one_gets_it(home: Home, stranger: User, meter: Device) -> None:
    other = device_register(home=stranger.home, hardware_id="a80324120000", name="Sala")

    def want(number: int) -> bool:
        try:
            if number % 3:
                device_replace(device=Device.objects.get(pk=(meter if number % 3 == 1 else other).pk), hardware_id=NEW)
            else:
                device_register(home=home, hardware_id=NEW, name="Nuevo")
        except (DeviceTaken, DeviceOfAnotherHome):
            return False
        return True

    assert sorted(together(want, 6)) == [False] * 5 + [True]
    assert Device.objects.filter(hardware_id=NEW).count() == 1
    connection.close()


def test_staff_replace_a_device_after_they_were_asked(client: Client, home: Home, meter: Device) -> None:
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    body = {"action": "replace", "_selected_action": [str(meter.pk)]}
    page = client.post("/admin/devices/device/", body)
    assert "Reemplazar" in page.content.decode()
    for wrong in ("corto", meter.hardware_id):
        assert client.post("/admin/devices/device/", body | {"confirmed": "1", "hardware_id": wrong}).context["form"].errors
    meter.refresh_from_db()
    assert meter.hardware_id == "a8032412c3d4"
    client.post("/admin/devices/device/", body | {"confirmed": "1", "hardware_id": NEW})
    meter.refresh_from_db()
    assert (meter.hardware_id, meter.proven_at is not None) == (NEW, True)
