"""The home's total by the hour: of its mains where they are known, else of its circuits."""

import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Home
from devices.meter_roles import HOUR, Role
from devices.models import Device, RoleChange
from devices.selectors import roles_of
from devices.services import device_retire, device_update
from telemetry.history.completeness import known_share, mains_share, missing_wh
from telemetry.history.home_total import home_hours
from telemetry.history.window import Window
from telemetry.models import FiveMinutes, Hour
from telemetry.selectors import circuit_uses, energy_wh, history, home_energy_wh
from telemetry.tests.history.stored_hours import DAYS, GRAPH, store_hour, this_hour

pytestmark = pytest.mark.django_db
UTC_ZONE = ZoneInfo("UTC")
Known = dict[tuple[int, datetime], tuple[float, float]]


@pytest.fixture
def circuit(home: Home) -> Device:
    return Device.objects.create(home=home, hardware_id="b8032412c3d4", name="Sala", last_seen_at=timezone.now())


@pytest.fixture
def mains(home: Home) -> Device:
    return Device.objects.create(
        home=home, hardware_id="c8032412c3d4", name="Acometida", is_main=True, last_seen_at=timezone.now()
    )


def by_hour(home: Home, count: int) -> list[float | None]:
    """Return the Wh of the last hours, which all ways to ask must agree on."""
    start, end = this_hour() - (count - 1) * HOUR, this_hour() + HOUR
    roles = roles_of(home)
    steps = [step and step.drawn_wh for _at, step in history(roles, Window(start, end, "1h", UTC_ZONE))]
    assert energy_wh(roles, *(start + number * HOUR for number in range(count + 1))) == [wh or 0 for wh in steps]
    assert [hour.wh for hour in home_hours(roles, start, end, UTC_ZONE)] == [wh or 0 for wh in steps]
    assert sum(use.energy_wh for use in circuit_uses(roles, [start, end])[0]) == sum(wh or 0 for wh in steps)
    return steps


def test_a_mains_that_is_registered_later_leaves_the_past_as_it_was(home: Home, circuit: Device, mains: Device) -> None:
    for age in (2, 1, 0):
        store_hour(circuit, this_hour() - age * HOUR, 400)
    store_hour(mains, this_hour() - HOUR, 900, covered_s=1500)  # in the middle of the hour
    store_hour(mains, this_hour(), 1000)
    assert by_hour(home, 3) == [400, 400, 1000]


def test_a_circuit_that_is_made_the_mains_was_a_circuit_before(
    api: APIClient, home: Home, circuit: Device, meter: Device
) -> None:
    for device in (circuit, meter):
        store_hour(device, this_hour() - HOUR, 400)
        store_hour(device, this_hour(), 500)
    api.patch(f"/api/v1/devices/{circuit.pk}", {"is_main": True}, format="json")
    assert by_hour(home, 2) == [800, 500]


def test_a_dead_mains_does_not_stop_the_home(home: Home, circuit: Device, mains: Device) -> None:
    store_hour(mains, this_hour() - 2 * HOUR, 1000)
    store_hour(mains, this_hour() - HOUR, 10, covered_s=30)
    for age in (2, 1, 0):
        store_hour(circuit, this_hour() - age * HOUR, 400)
    assert by_hour(home, 3) == [1000, 400, 400]


@pytest.mark.parametrize("how", ["switched off", "deleted"])
def test_a_former_mains_never_adds_to_the_circuits(api: APIClient, home: Home, circuit: Device, mains: Device, how: str) -> None:
    for age in (2, 1):
        store_hour(circuit, this_hour() - age * HOUR, 400)
    store_hour(circuit, this_hour(), 400)
    store_hour(mains, this_hour() - 2 * HOUR, 1000)
    store_hour(mains, this_hour() - HOUR, 10, covered_s=30)
    if how == "deleted":
        api.delete(f"/api/v1/devices/{mains.pk}")
    else:
        api.patch(f"/api/v1/devices/{mains.pk}", {"is_main": False}, format="json")
    assert by_hour(home, 3) == [1000, 400, 400]
    assert [point["value"] for point in api.get(GRAPH).json()["data_points"]][-3:] == [1.0, 0.4, 0.4]
    assert api.get("/api/v1/dashboard/summary").status_code == 200


def test_a_meter_that_is_moved_from_the_mains_to_a_circuit_adds_from_then_on(home: Home, circuit: Device, mains: Device) -> None:
    device_update(device=mains, is_main=False)
    RoleChange.objects.update(at=this_hour() - HOUR - timedelta(minutes=20))
    for age in (2, 1, 0):
        store_hour(circuit, this_hour() - age * HOUR, 400)
        store_hour(mains, this_hour() - age * HOUR, 1000)
    assert by_hour(home, 3) == [1000, 1400, 1400]


def test_a_gap_that_the_counter_of_the_mains_tells_of_is_known(home: Home, circuit: Device, mains: Device) -> None:
    store_hour(mains, this_hour(), 0, covered_s=0, recovered_wh=800)
    store_hour(circuit, this_hour(), 400)
    assert by_hour(home, 1) == [800]


@pytest.mark.parametrize(
    ("mains_s", "circuit_s", "expected"),
    [(5, 10, 1000), (400, 480, 1000), (20, 600, 400), (3250, 3600, 1000), (3100, 3600, 400), (0, 3600, 400)],
)
def test_the_mains_count_where_they_know_nearly_as_much_of_the_hour_as_circuits(
    home: Home, circuit: Device, mains: Device, mains_s: float, circuit_s: float, expected: float
) -> None:
    store_hour(mains, this_hour(), 1000, covered_s=mains_s)
    store_hour(circuit, this_hour(), 400, covered_s=circuit_s)
    assert by_hour(home, 1) == [expected]


def test_a_mains_alone_counts_for_what_it_knows(home: Home, mains: Device) -> None:
    store_hour(mains, this_hour(), 300, covered_s=700)
    assert by_hour(home, 1) == [300]


def test_several_mains_add_up_where_all_that_were_there_are_known(home: Home, circuit: Device, mains: Device) -> None:
    second = Device.objects.create(home=home, hardware_id="d8032412c3d4", name="Fase 2", is_main=True)
    for age in range(6):
        store_hour(circuit, this_hour() - age * HOUR, 400)
    store_hour(mains, this_hour() - 5 * HOUR, 1000)  # before the second one is there
    store_hour(mains, this_hour() - 4 * HOUR, 1000)
    store_hour(second, this_hour() - 4 * HOUR, 600)
    store_hour(mains, this_hour() - 3 * HOUR, 1000)
    store_hour(mains, this_hour() - 2 * HOUR, 1000)
    store_hour(second, this_hour() - 2 * HOUR, 600, covered_s=900)
    store_hour(second, this_hour() - HOUR, 600)
    store_hour(mains, this_hour(), 1000)
    assert by_hour(home, 6) == [1000, 1600, 400, 400, 400, 400]
    device_retire(device=second)
    Device.with_retired.filter(pk=second.pk).update(retired_at=this_hour())
    assert by_hour(home, 6) == [1000, 1600, 400, 400, 400, 1000]  # nobody waits for it any more
    Hour.objects.filter(device_id=circuit.pk).delete()
    assert by_hour(home, 6) == [1000, 1600, 1000, 1600, 600, 1000]


def test_five_minutes_go_as_their_hour_goes(api: APIClient, home: Home, circuit: Device, mains: Device) -> None:
    start = this_hour() - HOUR
    store_hour(mains, start, 480, covered_s=1200)
    store_hour(circuit, start, 1200)
    store_hour(mains, this_hour(), 1200)
    for number in range(12):
        for device in (circuit, mains):
            five = {"device_id": device.pk, "channel": 0, "measured_wh": 100 if device == circuit else 120, "recovered_wh": 0}
            FiveMinutes.objects.bulk_create(
                FiveMinutes(start=hour + number * timedelta(minutes=5), returned_wh=0, covered_s=300, samples=1, **five)
                for hour in (start, this_hour())
            )
    query = {"from": (start + timedelta(minutes=30)).isoformat(), "to": (this_hour() + HOUR).isoformat(), "resolution": "5m"}
    assert [point["value"] for point in api.get(GRAPH, query).json()["data_points"]] == [0.1] * 6 + [0.12] * 12


def test_a_day_of_both_has_the_mean_power_of_its_hours(
    api: APIClient, home: Home, circuit: Device, meter: Device, mains: Device
) -> None:
    midnight = timezone.now().astimezone(ZoneInfo(home.time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = midnight - timedelta(days=1)
    for hour in range(24):
        store_hour(circuit, yesterday + hour * HOUR, 300)
        store_hour(meter, yesterday + hour * HOUR, 400)
        if hour < 6:
            store_hour(mains, yesterday + hour * HOUR, 1100)
    body = api.get(DAYS).json()
    assert (body["watts"][-2], body["volts"][-2], body["kwh"][-2]) == ((6 * 1100 + 18 * 700) / 24, 127, 19.2)


def test_the_completeness_of_both_is_that_of_the_hours(home: Home, circuit: Device, meter: Device, mains: Device) -> None:
    start = this_hour() - 24 * HOUR
    for hour in range(12):
        store_hour(mains, start + hour * HOUR, 1000)
    for hour in range(12, 18):
        store_hour(circuit, start + hour * HOUR, 300, covered_s=1800)
        store_hour(meter, start + hour * HOUR, 400, covered_s=1800)
    (uses,) = circuit_uses(roles_of(home), [start, this_hour()])
    assert sum(use.weight for use in uses) == pytest.approx(1)
    assert mains_share(uses) == pytest.approx(2 / 3)
    assert known_share(uses) == pytest.approx(15 / 24)
    # A third of the hours that nobody knows is the circuits': 2 h at 1,400 W in all with the halves of 6 h, and 4 h of the mains at 1 kW.
    assert missing_wh(uses) == pytest.approx(2 * 1400 + 3 * 1400 + 4 * 1000)


def _plainly(home: Home, known: Known, start: datetime, hours: int, first: dict[int, datetime]) -> list[float]:
    """Return the Wh of each hour by a loop over the rule as it is written down."""
    totals = []
    for number in range(hours):
        at = start + number * HOUR
        roles = [role for role in roles_of(home) if role.since <= at < role.until]
        mains, circuits = ([role.device_id for role in roles if role.is_main is side] for side in (True, False))
        told = {side: [known[one, at] for one in ids if (one, at) in known] for side, ids in ((True, mains), (False, circuits))}
        expected = [one for one in mains if first.get(one, at + HOUR) <= at]
        complete = len(expected) == len(told[True]) and all(
            seconds + 90 >= 0.9 * max((s for _wh, s in told[False]), default=0) for _wh, seconds in told[True]
        )
        side = bool(told[True]) and (complete or not told[False])
        totals.append(sum(wh for wh, _seconds in told[side]))
    return totals


@pytest.mark.parametrize("seed", range(6))
def test_it_is_what_a_plain_loop_says(home: Home, seed: int) -> None:
    dice, hours = random.Random(seed), 40
    start = this_hour() - (hours - 1) * HOUR
    known: Known = {}
    first: dict[int, datetime] = {}
    for number in range(5):
        device = Device.objects.create(home=home, hardware_id=f"{number:012x}", name="Uno", is_main=dice.random() < 0.5)
        for _ in range(dice.choice([0, 0, 1, 2])):
            RoleChange.objects.create(device=device, at=start + timedelta(minutes=dice.randrange(hours * 60)))
        for hour in range(dice.randrange(20), hours):
            if dice.random() < 0.7:
                at, covered_s = start + hour * HOUR, dice.choice([3600, 3600, 3600, 3300, 1800, 30])
                known[device.pk, at] = (dice.randrange(1000), covered_s)
                store_hour(device, at, *known[device.pk, at])
                first[device.pk] = min(at, first.get(device.pk, at))
    assert [wh or 0 for wh in by_hour(home, hours)] == _plainly(home, known, start, hours, first)


def test_asking_takes_two_queries_whatever_the_roles(
    home: Home, circuit: Device, mains: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for age in range(3):
        RoleChange.objects.create(device=mains, at=this_hour() - age * HOUR)
    with django_assert_num_queries(2):
        home_energy_wh(home, this_hour() - HOUR, this_hour())


def test_one_device_is_asked_for_as_it_is(circuit: Device, mains: Device) -> None:
    store_hour(circuit, this_hour(), 400)
    store_hour(mains, this_hour(), 1000)
    assert energy_wh([Role(circuit.pk)], this_hour(), this_hour() + HOUR) == [400]
