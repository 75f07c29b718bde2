"""What every body that the API takes has in common."""

import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from devices.models import Device, Schedule
from telemetry.models import Limit

PHONE = {"fcm_token": "x" * 120, "device_name": None, "platform": None}
# The bodies of the mobile app, which stays as it is.
APP_BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("post", "/api/v1/auth/login", {"user_email": "dueno@example.com", "user_password": "una-clave-larga-1"}),
    ("post", "/api/v1/auth/refresh", {"refresh_token": "x"}),
    ("post", "/api/v1/auth/logout", {"refresh_token": "x"}),
    ("post", "/api/v1/auth/forgot-password", {"user_email": "dueno@example.com"}),
    ("post", "/api/v1/auth/reset-password", {"token": "x", "new_password": "una-clave-larga-2"}),
    (
        "post",
        "/api/v1/users/",
        {
            "user_name": "Ana Torres",
            "user_email": "ana@example.com",
            "user_password": "una-clave-larga-1",
            "user_trf_rate": "1c",
            "user_billing_day": 5,
        },
    ),
    (
        "patch",
        "/api/v1/users/me",
        {"user_name": "Ana Torres", "user_email": "a@example.com", "user_trf_rate": "1", "user_billing_day": 3},
    ),
    ("post", "/api/v1/devices/", {"dev_hardware_id": "A8032412FFFF", "dev_name": "TV", "dev_mqtt_prefix": None}),
    ("patch", "/api/v1/devices/{device_id}", {"dev_name": "TV", "dev_mqtt_prefix": None}),
    ("patch", "/api/v1/devices/{device_id}/status", {}),
    ("post", "/api/v1/fcm/register", PHONE),
]


@pytest.mark.parametrize(("method", "path", "body"), APP_BODIES, ids=[path for _method, path, _body in APP_BODIES])
def test_a_body_of_the_app_is_taken(api: APIClient, meter: Device, method: str, path: str, body: dict[str, Any]) -> None:
    answer = getattr(api, method)(path.format(device_id=meter.pk), body, format="json")
    assert answer.status_code != 422, answer.json()


def test_every_body_refuses_a_key_that_it_does_not_know(api: APIClient, meter: Device) -> None:
    Schedule.objects.create(pk=meter.pk, device=meter, action="on", time="06:00", weekdays=[1])
    Limit.objects.create(pk=meter.pk, device=meter, channel=0, kwh_a_day=5)
    paths = api.get("/openapi.json", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()["paths"]
    asked = 0
    for path, operations in paths.items():
        for method, operation in operations.items():
            if "requestBody" not in operation or path.startswith("/api/v1/ingest/"):  # a device says what it likes
                continue
            (content,) = operation["requestBody"]["content"].values()
            example = next(iter(content["examples"].values()))["value"]
            url = re.sub(r"{\w+}", str(meter.pk), path)
            answer = getattr(api, method)(url, example | {"desconocido": "secreto"}, format="json")
            assert answer.status_code == 422, (method, path)
            assert _refused(answer, "desconocido"), (method, path, answer.json())
            asked += 1
    assert asked >= len({(method, path) for method, path, body in APP_BODIES if body})


def _refused(answer: Any, *place: str | int) -> bool:
    item = {"type": "extra_forbidden", "loc": ["body", *place], "msg": f"El campo «{place[-1]}» no existe.", "input": None}
    return item in answer.json()["detail"]


def test_a_mistyped_key_is_refused_with_all_else_that_is_wrong_and_not_repeated(api: APIClient) -> None:
    body = {"user_emial": "ana@example.com", "password": "geheim-geheim", "user_password": "kurz"}
    answer = api.post("/api/v1/auth/login", body, format="json")
    assert [item["loc"][1] for item in answer.json()["detail"]] == ["user_email", "user_password", "user_emial", "password"]
    assert b"geheim" not in answer.content


def test_a_key_inside_a_list_is_refused_at_its_place(api: APIClient, meter: Device) -> None:
    channels = [{"number": 0, "name": "Bomba"}, {"number": 1, "name": "Tinaco", "color": "azul"}]
    answer = api.patch(f"/api/v1/devices/{meter.pk}", {"channels": channels}, format="json")
    assert answer.status_code == 422
    assert _refused(answer, "channels", 1, "color")


def test_a_long_name_is_said_in_short(api: APIClient) -> None:
    (item,) = api.patch("/api/v1/users/me", {"x" * 5_000: 1}, format="json").json()["detail"]
    assert item["msg"] == f"El campo «{'x' * 50}» no existe."


@pytest.mark.parametrize("channels", [[None], [1], ["x"], [[]], [{"number": None, "name": None}], [{}], {}, [{}, None]])
def test_channels_of_any_shape_are_refused_and_never_crash(api: APIClient, meter: Device, channels: Any) -> None:
    answer = api.patch(f"/api/v1/devices/{meter.pk}", {"channels": channels}, format="json")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", "channels"]
