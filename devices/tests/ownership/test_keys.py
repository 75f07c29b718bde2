"""Devices' own keys: shown once, kept as digests, and required where the home says so."""

from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Home
from conftest import client_of, make_user
from devices.models import Device
from devices.ownership.keys import NO_KEY, KeyRule, device_of_key, digest_of, key_make
from devices.services import device_key_rotate, device_key_used, device_retire

BODY = {"dev_hardware_id": "A8032412C3D4", "dev_name": "Cocina"}
KEY = key_make()


def key_path(device: Device) -> str:
    return f"/api/v1/devices/{device.pk}/key"


def require(client: APIClient, device: Device, required: Any = True) -> Any:
    return client.patch(key_path(device), {"required": required}, format="json")


@pytest.mark.parametrize(
    ("rule", "admitted"),
    [
        (KeyRule(), {None, NO_KEY}),
        (KeyRule(digest_of(KEY)), {None, NO_KEY, digest_of(KEY)}),
        (KeyRule(digest_of(KEY), is_required=True), {None, digest_of(KEY)}),
        (KeyRule(None, is_required=True), {None}),
    ],
)
def test_a_wrong_key_is_refused_always_and_none_where_one_is_required(rule: KeyRule, admitted: set[bytes | None]) -> None:
    presented = {None, NO_KEY, digest_of(KEY), digest_of("another"), KEY.encode()}
    assert {one for one in presented if rule.admits(one)} == admitted


def test_the_key_is_shown_at_registration_and_never_again(api: APIClient) -> None:
    body = api.post("/api/v1/devices/", BODY, format="json").json()
    device = Device.objects.get()
    assert device_of_key(body["dev_key"]) == device
    assert len(body["dev_key"]) == 43
    assert bytes(device.key_digest or b"") == digest_of(body["dev_key"])
    shown = [api.get("/api/v1/devices/").text, api.get(f"/api/v1/devices/{device.pk}").text]
    assert not any('dev_key"' in text or body["dev_key"] in text for text in shown)


def test_rotating_gives_a_new_key_in_place_of_the_old_one(api: APIClient, meter: Device) -> None:
    first, second = (api.post(key_path(meter)).json()["dev_key"] for _ in range(2))
    assert device_of_key(second) == meter
    assert device_of_key(first) is None


def test_a_key_is_required_once_the_device_has_used_it_and_no_more_when_told(api: APIClient, meter: Device) -> None:
    key = device_key_rotate(device=meter)
    refused = require(api, meter)
    assert (refused.status_code, "todavía no ha usado su clave" in refused.json()["detail"]) == (409, True)
    device_key_used(device_id=meter.pk, digest=digest_of("another"))
    assert require(api, meter).status_code == 409
    device_key_used(device_id=meter.pk, digest=digest_of(key))
    answer = require(api, meter).json()
    assert (answer["dev_key_required"], answer["dev_key_used"] is not None) == (True, True)
    assert require(api, meter, False).json()["dev_key_required"] is False


def test_after_a_rotation_the_new_key_has_to_be_used_before_it_can_be_required(api: APIClient, meter: Device) -> None:
    device_key_used(device_id=meter.pk, digest=digest_of(device_key_rotate(device=meter)))
    assert api.post(key_path(meter)).json()["dev_key_used"] is None
    assert require(api, meter).status_code == 409


def test_a_released_device_has_no_key_and_gets_another_when_it_comes_back(api: APIClient, meter: Device) -> None:
    key = device_key_rotate(device=meter)
    device_key_used(device_id=meter.pk, digest=digest_of(key))
    require(api, meter)
    device_retire(device=meter)
    assert device_of_key(key) is None
    back = api.post("/api/v1/devices/", BODY, format="json").json()
    assert (back["dev_id"], back["dev_key_required"], back["dev_key_used"]) == (meter.pk, False, None)
    assert device_of_key(back["dev_key"]) == meter


def test_keys_are_for_owners_and_members(stranger_api: APIClient, anonymous_api: APIClient, meter: Device, home: Home) -> None:
    viewer, member = (client_of(make_user(f"{role}@example.com", home, role)) for role in ("viewer", "member"))
    for client, status in ((stranger_api, 404), (anonymous_api, 401), (viewer, 403)):
        assert (client.post(key_path(meter)).status_code, require(client, meter).status_code) == (status, status)
    assert member.post(key_path(meter)).status_code == 200
    assert require(member, meter, "quizás").status_code == 422


def test_an_installation_that_requires_keys_says_so_of_each_device(api: APIClient, meter: Device, settings: Settings) -> None:
    settings.DEVICE_KEYS_REQUIRED = True
    assert api.get(f"/api/v1/devices/{meter.pk}").json()["dev_key_required"] is True
