"""What hangs on a device's channels."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Home, Membership, User
from conftest import client_of, make_user
from devices.circuits import CircuitChange
from devices.models import Channel, Device
from devices.services import device_register, device_update
from devices.tests.test_admin import form


@pytest.fixture
def device(home: Home) -> Device:
    return device_register(home=home, hardware_id="A8032412C3D4", name="Cocina")


def say(client: APIClient, device: Device, **circuit: Any) -> Any:
    return client.patch(f"/api/v1/devices/{device.pk}", {"channels": [{"number": 0} | circuit]}, format="json")


def said(client: APIClient, device: Device, **circuit: Any) -> tuple[str, bool]:
    """Say something of the circuit, and return its kind and whether it is essential."""
    answer = say(client, device, **circuit)
    assert answer.status_code == 200, answer.content
    [row] = answer.json()["channels"]
    return row["kind"], row["is_essential"]


def test_a_circuit_is_of_the_kind_that_the_user_says_until_it_is_taken_back(api: APIClient, device: Device) -> None:
    assert said(api, device, kind="pump") == ("pump", False)
    assert said(api, device, name="Bomba", kind=None) == ("pump", False)
    assert said(api, device, kind="") == ("", False)
    assert api.get(f"/api/v1/devices/{device.pk}").json()["channels"][0]["name"] == "Bomba"


@pytest.mark.parametrize("kind", ["refrigerator", "medical"])
def test_what_must_stay_on_is_essential_unless_the_user_says_no(api: APIClient, device: Device, kind: str) -> None:
    assert said(api, device, kind=kind) == (kind, True)
    assert said(api, device, is_essential=False) == (kind, False)
    assert said(api, device, kind=kind) == (kind, False)  # sent back as it is
    assert said(api, device, kind="lights") == ("lights", False)
    assert said(api, device, kind=kind, is_essential=False) == (kind, False)


def test_another_kind_takes_back_what_came_of_the_kind_and_never_what_the_user_said(api: APIClient, device: Device) -> None:
    assert said(api, device, kind="refrigerator") == ("refrigerator", True)
    assert said(api, device, kind="pump") == ("pump", False)
    assert said(api, device, is_essential=True) == ("pump", True)
    assert said(api, device, kind="electronics") == ("electronics", True)


def test_a_channel_without_a_row_gets_one_that_bears_the_devices_name(api: APIClient, meter: Device) -> None:
    assert api.get(f"/api/v1/devices/{meter.pk}").json()["channels"] == []
    answer = api.patch(f"/api/v1/devices/{meter.pk}", {"channels": [{"number": 2, "kind": "pump"}]}, format="json")
    assert answer.json()["channels"][-1] == {"number": 2, "name": "Cocina", "kind": "pump", "is_essential": False}


def test_naming_only_a_number_makes_no_circuit(api: APIClient, device: Device) -> None:
    api.patch(f"/api/v1/devices/{device.pk}", {"channels": [{"number": 7}]}, format="json")
    assert [row.number for row in Channel.objects.all()] == [0]


def test_a_circuit_of_which_something_was_said_outlasts_a_change_of_model(home: Home) -> None:
    device = device_register(
        home=home, hardware_id="shellypro2pm-a8032412c3d4", name="Tablero", circuits={1: CircuitChange(kind="medical")}
    )
    device_update(device=device, mqtt_prefix="shellyplus1pm")
    rows = Channel.objects.values_list("number", "name", "kind", "is_essential")
    assert list(rows) == [(0, "Tablero", "", False), (1, "Tablero 2", "medical", True)]


@pytest.mark.parametrize(
    ("circuit", "place", "sentence"),
    [
        ({"kind": "nevera"}, "kind", "Ese tipo de circuito no existe."),
        ({"kind": 5}, "kind", "Ese tipo de circuito no existe."),
        ({"is_essential": "tal vez"}, "is_essential", "Debe ser verdadero o falso (true o false)."),
    ],
)
def test_what_is_wrong_with_a_circuit_is_named(
    api: APIClient, device: Device, circuit: dict[str, Any], place: str, sentence: str
) -> None:
    answer = say(api, device, **circuit)
    assert answer.status_code == 422
    [item] = answer.json()["detail"]
    assert (item["loc"], item["msg"]) == (["body", "channels", 0, place], sentence)


def test_a_viewer_sees_the_kind_and_a_stranger_nothing(home: Home, stranger_api: APIClient, member: User, device: Device) -> None:
    viewer = client_of(make_user("invitado@example.com", home, Membership.Role.VIEWER))
    assert say(client_of(member), device, kind="pump").status_code == 200
    assert viewer.get(f"/api/v1/devices/{device.pk}").json()["channels"][0]["kind"] == "pump"
    assert (say(viewer, device, kind="lights").status_code, say(stranger_api, device, kind="lights").status_code) == (403, 404)
    assert Channel.objects.get().kind == "pump"


@pytest.mark.parametrize(("fields", "is_essential"), [({"kind": "medical"}, True), ({"kind": "pump"}, False)])
def test_staff_say_the_kind_and_it_says_what_is_essential(
    admin_client: Client, home: Home, device: Device, fields: dict[str, str], is_essential: bool
) -> None:
    channel = device.channels.get()
    management = {"channels-TOTAL_FORMS": "1", "channels-INITIAL_FORMS": "1"}
    row = {"id": str(channel.pk), "device": str(device.pk), "number": "0", "name": "Cocina", **fields}
    sent = form(home) | management | {f"channels-0-{name}": value for name, value in row.items()}
    assert admin_client.post(f"/admin/devices/device/{device.pk}/change/", sent).status_code == 302
    channel.refresh_from_db()
    assert (channel.kind, channel.is_essential) == (fields["kind"], is_essential)
