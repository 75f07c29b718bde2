"""What happened to a device: told once, shown page by page, and only to its home."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import User
from common.testing import together
from devices.events import event_end, event_record
from devices.models import Command, Device, DeviceEvent, EventKind

AT = datetime(2026, 11, 24, 7, 12, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_what_lasts_is_told_once_until_it_ends(meter: Device) -> None:
    first, is_new = event_record(device=meter, kind=EventKind.OVERPOWER, channel=0, at=AT, details={"power_w": 4120.0})
    assert is_new
    again, is_new = event_record(device=meter, kind=EventKind.OVERPOWER, channel=0, at=AT + MINUTE)
    assert (again, again.details, is_new) == (first, {"power_w": 4120.0}, False)
    assert event_record(device=meter, kind=EventKind.OVERPOWER, channel=1, at=AT)[1]
    assert event_end(device=meter, kind=EventKind.OVERPOWER, channel=0, at=AT + MINUTE)
    assert not event_end(device=meter, kind=EventKind.OVERPOWER, channel=0, at=AT + 2 * MINUTE)
    first.refresh_from_db()
    assert first.ended_at == AT + MINUTE
    assert event_record(device=meter, kind=EventKind.OVERPOWER, channel=0, at=AT)[1]  # by a clock of whole seconds


def test_what_happens_at_one_moment_is_told_once_for_it(meter: Device) -> None:
    for at, is_new in ((AT, True), (AT, False), (AT + MINUTE, True)):
        event, was_new = event_record(device=meter, kind=EventKind.SCHEDULE_SKIPPED, at=at, details={"due": AT})
        assert (event.ended_at, was_new) == (at, is_new)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [EventKind.OVERVOLTAGE, EventKind.LIMIT_PASSED])
def test_of_several_that_tell_the_same_at_once_one_is_the_first(meter: Device, kind: EventKind) -> None:
    told = together(lambda number: event_record(device=meter, kind=kind, at=AT)[1], 6)
    assert sorted(told) == [False] * 5 + [True]
    assert DeviceEvent.objects.count() == 1


def test_the_app_reads_events_page_by_page(
    api: APIClient, meter: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for minutes in range(3):
        event_record(device=meter, kind=EventKind.LIMIT_PASSED, channel=0, at=AT + minutes * MINUTE, details={"power_w": 2000})
    event_record(device=meter, kind=EventKind.OVERTEMPERATURE, at=AT)
    with django_assert_num_queries(4):
        first = api.get(f"/api/v1/devices/{meter.pk}/events?limit=2").json()
    assert first["events"][0] == {
        "event_id": DeviceEvent.objects.latest("pk").pk,
        "kind": "overtemperature",
        "title": "temperatura excesiva",
        "channel": None,
        "at": "2026-11-24T07:12:05Z",
        "ended_at": None,
        "details": {},
    }
    rest = api.get(f"/api/v1/devices/{meter.pk}/events?limit=2&before={first['next']}").json()
    assert [one["at"] for one in rest["events"]] == ["2026-11-24T07:13:05Z", "2026-11-24T07:12:05Z"]
    assert rest["next"] is None
    refused = api.get(f"/api/v1/devices/{meter.pk}/events?limit=0")
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["query", "limit"])


def test_events_are_closed_to_others(api: APIClient, stranger_api: APIClient, meter: Device) -> None:
    path = f"/api/v1/devices/{meter.pk}/events"
    assert APIClient().get(path).status_code == 401
    assert stranger_api.get(path).status_code == 404
    assert stranger_api.get(path).json() == api.get("/api/v1/devices/x/events").json()


def test_staff_read_events_and_commands_and_change_none(client: Client, meter: Device, owner: User) -> None:
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    event, _new = event_record(device=meter, kind=EventKind.OVERPOWER, channel=0, details={"power_w": 4120.0})
    command = Command.objects.create(device=meter, channel=0, method=Command.Method.SET, on=True, user=owner, state="done")
    for model, row, query in (("deviceevent", event, "kind=overpower"), ("command", command, "state=done")):
        page = client.get(f"/admin/devices/{model}/?{query}&q=cocina")
        assert list(page.context["cl"].queryset) == [row]
        assert client.get(f"/admin/devices/{model}/{row.pk}/change/").status_code == 200
        assert client.post(f"/admin/devices/{model}/{row.pk}/change/", {"channel": "3"}).status_code == 403
        assert client.get(f"/admin/devices/{model}/add/").status_code == 403
