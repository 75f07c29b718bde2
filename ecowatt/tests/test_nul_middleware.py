"""A NUL, which PostgreSQL's texts can't hold, in every parameter of every call: it is refused and crashes nothing."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from devices.models import Device


def parameters() -> list[tuple[str, str]]:
    described: dict[str, Any] = Client().get("/openapi.json").json()
    found = [
        (path, one["name"]) for path, calls in described["paths"].items() for one in calls.get("get", {}).get("parameters", [])
    ]
    return [(path, name) for path, name in found if path.startswith("/api/")]


@pytest.mark.parametrize("value", ["\0", "a\0b", "2026-11-24\0", "1\0"])
def test_no_parameter_of_the_api_crashes_on_it(api: APIClient, meter: Device, prices: None, value: str) -> None:
    asked = parameters()
    assert len(asked) > 5
    for path, name in asked:
        plain = path.replace("{device_id}", str(meter.pk)).replace("{bill_id}", "1")
        answer = api.get(plain, {name: value})
        assert answer.status_code < 500, (path, name)


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/login/"])
def test_no_cookie_of_a_stranger_crashes_the_admin(db: None, path: str) -> None:
    answer = Client(raise_request_exception=False, headers={"cookie": r'sessionid="\000\000longer-than-a-key"'}).get(path)
    assert answer.status_code == 400
    assert answer.json()["detail"]
