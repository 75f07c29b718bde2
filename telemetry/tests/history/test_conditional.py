"""An answer that has not changed is not sent again."""

from datetime import UTC, datetime

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from devices.models import Device
from telemetry.models import Hour

pytestmark = pytest.mark.django_db
PATHS = ["/api/v1/history/graph?period=monthly", "/api/v1/history/last7days"]


@pytest.fixture
def bucket(meter: Device) -> Hour:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    energy = {"measured_wh": 400, "recovered_wh": 0, "returned_wh": 0}
    return Hour.objects.create(device_id=meter.pk, channel=0, start=start, covered_s=60, samples=1, power_mean_w=5, **energy)


@pytest.mark.parametrize("path", PATHS)
def test_an_unchanged_answer_is_304_without_a_body(api: APIClient, bucket: Hour, path: str) -> None:
    first = api.get(path)
    again = api.get(path, headers={"If-None-Match": first["ETag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert again["ETag"] == first["ETag"]
    assert not first["ETag"].startswith("W/")
    for answer in (first, again):
        assert set(answer["Cache-Control"].split(", ")) == {"private", "no-cache"}
        assert {"Authorization", "Accept-Language"} <= set(answer["Vary"].split(", "))


@pytest.mark.parametrize("path", PATHS)
def test_a_changed_answer_comes_whole(api: APIClient, bucket: Hour, path: str) -> None:
    tag = api.get(path)["ETag"]
    Hour.objects.update(measured_wh=500, power_mean_w=6)
    again = api.get(path, headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert again["ETag"] != tag
    assert again.json()


@pytest.mark.parametrize("path", PATHS)
def test_a_tag_of_somebody_elses_answer_shows_nothing(
    api: APIClient, stranger_api: APIClient, anonymous_api: APIClient, bucket: Hour, path: str
) -> None:
    headers = {"If-None-Match": api.get(path)["ETag"]}
    assert stranger_api.get(path, headers=headers).status_code == 200
    assert anonymous_api.get(path, headers=headers).status_code == 401
    assert api.get(f"{path.split('?')[0]}?device_id=x", headers={"If-None-Match": "*"}).status_code == 422


@pytest.mark.parametrize("path", PATHS)
def test_asking_again_takes_the_same_queries(
    api: APIClient, bucket: Hour, django_assert_num_queries: DjangoAssertNumQueries, path: str
) -> None:
    tag = api.get(path)["ETag"]
    with django_assert_num_queries(4):
        api.get(path, headers={"If-None-Match": tag})
