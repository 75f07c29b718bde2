"""How many devices a home may have."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from common.testing import together
from conftest import client_of
from devices.models import Device

SENTENCE = "Tu hogar ya tiene todos los dispositivos que caben (2). Elimina uno para agregar otro."


def register(client: APIClient, number: int) -> Any:
    body = {"dev_hardware_id": f"A8032412C4{number:02X}", "dev_name": "Cocina"}
    return client.post("/api/v1/devices/", body, format="json")


@pytest.fixture(autouse=True)
def _two(settings: Any) -> None:
    settings.DEVICES_PER_HOME = 2


def test_a_home_has_so_many_devices_and_is_told_so(api: APIClient, stranger_api: APIClient) -> None:
    assert [register(api, number).status_code for number in range(3)] == [201, 201, 422]
    (item,) = register(api, 2).json()["detail"]
    assert item == {"type": "value_error", "loc": ["body", "dev_hardware_id"], "msg": SENTENCE, "input": None}
    assert register(api, 1).status_code == 409
    assert register(stranger_api, 2).status_code == 201


def test_one_that_is_deleted_makes_room_but_not_for_ever(api: APIClient) -> None:
    codes = []
    for number in range(9):
        answer = register(api, number)
        codes.append(answer.status_code)
        if answer.status_code == 201:
            assert api.delete(f"/api/v1/devices/{answer.json()['dev_id']}").status_code == 204
    assert codes == [201] * 8 + [422]
    assert register(api, 3).status_code == 201  # it comes back


@pytest.mark.django_db(transaction=True)
def test_parallel_registrations_count_each_other(owner: Any) -> None:
    codes = together(lambda number: register(client_of(owner), number).status_code, 6)
    assert sorted(codes) == [201, 201, 422, 422, 422, 422]
    assert Device.objects.count() == 2
