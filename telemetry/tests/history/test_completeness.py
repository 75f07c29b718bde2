from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Home
from devices.meter_roles import Role
from devices.models import Device
from telemetry.columns import Flag
from telemetry.history.completeness import CircuitUse, known_share, missing_wh
from telemetry.rollup.run import rollup
from telemetry.selectors import circuit_uses, home_energy_wh
from telemetry.services import readings_store
from telemetry.shelly.samples import Sample
from telemetry.tests.history.stored_hours import store_hour

MIDNIGHT = datetime(2026, 5, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _add(device: Device, hour: int, wh: float, covered_s: float = 3600, **values: Any) -> None:
    store_hour(device, MIDNIGHT + hour * HOUR, wh, covered_s, **values)


def test_nothing_is_known_of_no_circuits() -> None:
    assert (known_share([]), missing_wh([])) == (0, 0)


def test_each_circuit_is_taken_at_its_own_mean_power() -> None:
    circuits = [CircuitUse(9_000, 0.9), CircuitUse(100, 0.5), CircuitUse(50, 1), CircuitUse(0, 0)]
    assert known_share(circuits) == pytest.approx(0.6)
    assert missing_wh(circuits) == pytest.approx(1_000 + 100)


def test_rounding_below_zero_is_not_missing() -> None:
    assert missing_wh([CircuitUse(-0.4, 0.5)]) == 0


@pytest.mark.django_db
def test_the_uses_of_circuits_are_cut_at_the_edges(meter: Device, home: Home) -> None:
    other = Device.objects.create(home=home, hardware_id="b8032412c3d4", name="Sala")
    for hour in range(-1, 5):
        _add(meter, hour, 100, covered_s=1800)
    _add(meter, 1, 7, channel=1)
    _add(other, 4, 40)
    edges = [MIDNIGHT, MIDNIGHT + 2 * HOUR, MIDNIGHT + 4 * HOUR]
    assert [[use[:2] for use in span] for span in circuit_uses([Role(meter.pk), Role(other.pk)], edges)] == [
        [(200, 0.5), (7, 0.5)],
        [(200, 0.5)],
    ]
    assert sum(home_energy_wh(home, edges[0], edges[1], edges[-1])) == 407


@pytest.mark.django_db
def test_an_hour_whose_energy_the_counter_told_is_known(meter: Device) -> None:
    _add(meter, 0, 10, covered_s=600, recovered_wh=50, flags=Flag.RECOVERED)
    _add(meter, 1, 0, covered_s=0, flags=Flag.RECOVERED)  # a gap in which nothing was used
    _add(meter, 2, 10, covered_s=1800, flags=Flag.REJECTED)
    ((use,),) = circuit_uses([Role(meter.pk)], [MIDNIGHT, MIDNIGHT + 4 * HOUR])
    assert use[:2] == (70, 2.5 / 4)


@pytest.mark.django_db
@pytest.mark.parametrize(("counted", "known"), [(True, 3.0), (False, 0.0)])
def test_a_gap_is_known_with_a_counter_and_unknown_without(meter: Device, counted: bool, known: float) -> None:
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 5 * HOUR
    counters = [(first, 1_000.0), (first + 3 * HOUR, 4_000.0)]
    readings_store((meter.pk, Sample(0, at, 100.0, None, None, wh if counted else None, None)) for at, wh in counters)
    rollup()
    ((use,),) = circuit_uses([Role(meter.pk)], [first, first + 3 * HOUR])
    assert use.known_share * 3 == known
    assert use.energy_wh == pytest.approx(3_000 if counted else 0)


@pytest.mark.django_db
def test_the_uses_take_one_query(meter: Device, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    edges = [MIDNIGHT + days * 24 * HOUR for days in range(13)]
    with django_assert_num_queries(1):
        assert circuit_uses([Role(meter.pk)], edges) == [[]] * 12
