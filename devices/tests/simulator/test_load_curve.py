import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.simulator.appliances import HOUSE, KINDS, ROOMS
from devices.simulator.household import invented_macs, kind_of_name
from devices.simulator.load_curve import CELL_S, Curve, voltage_v

MEXICO, TIJUANA, CANCUN = (ZoneInfo(f"America/{name}") for name in ("Mexico_City", "Tijuana", "Cancun"))
CIRCUITS = ("refrigerator", "air_conditioning", "washing_machine", "mixed")
# A Monday; with the zones of the border, which still change the clock, one strategy crosses such a change.
MONDAY = datetime(2026, 7, 6, tzinfo=MEXICO).timestamp()
times = st.floats(MONDAY, MONDAY + 30 * 86_400)
kinds = st.sampled_from(sorted(KINDS))


def used_kwh(kind: str, day: datetime) -> float:
    curve = Curve("1", kind, ZoneInfo(str(day.tzinfo)))
    return curve.energy_wh(day.timestamp(), (day + timedelta(days=1)).timestamp()) / 1000


@given(kinds, times, st.text(max_size=5))
@settings(deadline=None)
def test_the_same_seed_gives_the_same_curve_however_one_gets_there(kind: str, time: float, seed: str) -> None:
    walked, direct = Curve(seed, kind, MEXICO), Curve(seed, kind, MEXICO)
    for days in range(3):
        walked.at(time - days * 86_400)
    assert walked.at(time) == direct.at(time)


def test_another_seed_gives_another_curve() -> None:
    one, other = (
        [Curve(seed, "kitchen", MEXICO).at(time).power_w for time in range(int(MONDAY), int(MONDAY) + 86_400, 600)]
        for seed in "12"
    )
    assert one != other


@given(kinds, times, st.integers(1, 4000))
@settings(deadline=None)
def test_energy_is_the_integral_of_the_power(kind: str, start: float, cells: int) -> None:
    curve = Curve("1", kind, MEXICO)
    begin = int(start) // CELL_S * CELL_S
    plain_wh = sum(curve.at(begin + n * CELL_S).power_w for n in range(cells)) * CELL_S / 3600
    assert curve.energy_wh(begin, begin + cells * CELL_S) == pytest.approx(plain_wh, abs=1e-6, rel=1e-9)


@given(kinds, st.lists(times, min_size=3, max_size=3))
@settings(deadline=None)
def test_energy_adds_up_and_is_never_negative(kind: str, three: list[float]) -> None:
    a, b, c = sorted(three)
    curve = Curve("1", kind, MEXICO)
    parts = curve.energy_wh(a, b), curve.energy_wh(b, c)
    assert min(parts) >= 0
    assert sum(parts) == pytest.approx(curve.energy_wh(a, c), abs=1e-6)


@pytest.mark.parametrize("day", [datetime(2026, 3, 8, tzinfo=TIJUANA), datetime(2026, 11, 1, tzinfo=TIJUANA)])
def test_a_day_on_which_the_clock_changes_has_its_own_length(day: datetime) -> None:
    curve = Curve("1", "kitchen", TIJUANA)
    start, end = day.timestamp(), (day + timedelta(days=1)).timestamp()
    assert end - start in {23 * 3600, 25 * 3600}
    halves = [curve.energy_wh(time, time + 1800) for time in range(int(start), int(end), 1800)]
    assert sum(halves) == pytest.approx(curve.energy_wh(start, end), abs=1e-6)


@given(kinds, times)
@settings(deadline=None)
def test_the_supply_is_mexican(kind: str, time: float) -> None:
    moment = Curve("1", kind, MEXICO).at(time)
    assert 0 <= moment.power_w < 6000
    assert 0 <= moment.hour < 24
    assert 114 < voltage_v(7, time, moment.hour, moment.power_w) < 130


def test_each_circuit_uses_what_such_a_circuit_uses() -> None:
    days = [datetime(2026, 7, 6, tzinfo=MEXICO) + timedelta(days=n) for n in range(28)]
    mean = {kind: sum(used_kwh(kind, day) for day in days) / 28 for kind in ROOMS}
    assert 1 < mean["kitchen"] < 3
    assert 0.5 < mean["living"] < 2
    assert 0.1 < mean["laundry"] < 1
    assert 3 < mean["air_conditioning"] < 15


def mean_kwh(kind: str, month: int) -> float:
    return sum(used_kwh(kind, datetime(2026, month, day, tzinfo=CANCUN)) for day in range(1, 29)) / 28


def test_a_home_of_the_warm_south_uses_what_such_homes_use_in_each_season() -> None:
    """Surveys of Mexican homes: a refrigerator 1 to 1.5 kWh a day, a minisplit most of a summer's bill, 250 to 650 kWh in two months."""
    cold, hot = ({kind: mean_kwh(kind, month) for kind in CIRCUITS} for month in (1, 7))
    assert 1 < cold["refrigerator"] < hot["refrigerator"] < 1.6
    assert 1.5 < cold["mixed"] < 3
    assert 0.05 < cold["washing_machine"] < 0.4
    assert cold["air_conditioning"] < 1.5
    assert 4 < hot["air_conditioning"] < 8
    assert 250 < 61 * sum(cold.values()) < 350
    assert 500 < 61 * sum(hot.values()) < 650


def test_what_is_never_switched_off_draws_tens_of_watts() -> None:
    curve = Curve("1", "mixed", CANCUN)
    assert 35 < curve.at(datetime(2026, 11, 18, 4, tzinfo=CANCUN).timestamp()).power_w < 60


def test_on_a_warm_night_the_thermostat_lets_the_compressor_run_by_turns() -> None:
    curve = Curve("1", "air_conditioning", CANCUN)
    night = datetime(2026, 7, 16, 1, tzinfo=CANCUN).timestamp()
    powers = [curve.at(night + 30 * n).power_w for n in range(4 * 120)]
    starts = sum(before < 100 and now > 800 for before, now in pairwise(powers))
    assert 12 <= starts <= 20
    assert max(powers) < 1200
    assert curve.at(night + 16 * 3600).power_w < 5  # at 17:00 nobody is in the bedroom


def test_ice_is_melted_twice_a_day_while_the_compressor_waits() -> None:
    curve, day = Curve("1", "refrigerator", CANCUN), datetime(2026, 7, 16, tzinfo=CANCUN).timestamp()
    powers = [curve.at(day + 30 * n).power_w for n in range(2880)]
    melting = [power > 170 for power in powers]
    spells = [place for place, (before, now) in enumerate(pairwise(melting)) if now and not before]
    long = [place for place in spells if all(melting[place + 1 : place + 30])]
    assert len(long) == 2
    assert max(powers) < 200


def test_weekends_differ_and_winter_needs_no_cooling() -> None:
    days = [datetime(2026, 7, 6, tzinfo=MEXICO) + timedelta(days=n) for n in range(28)]
    for kind in ("living", "laundry"):
        weekend = sum(used_kwh(kind, day) for day in days if day.weekday() >= 5) / 8
        assert weekend > 1.2 * sum(used_kwh(kind, day) for day in days if day.weekday() < 5) / 20
    assert used_kwh("air_conditioning", datetime(2026, 1, 12, tzinfo=MEXICO)) < 1


def test_the_refrigerator_cycles_through_the_night() -> None:
    night = datetime(2026, 7, 6, 2, tzinfo=MEXICO).timestamp()
    curve = Curve("1", "kitchen", MEXICO)
    runs = [curve.at(night + minute * 60).power_w > 60 for minute in range(180)]
    assert 3 <= sum(now and not before for before, now in pairwise(runs)) <= 6


def test_the_last_moment_of_a_day_belongs_to_it() -> None:
    curve = Curve("1", "air_conditioning", MEXICO)
    assert curve.at(math.nextafter(MONDAY, 0)).hour == pytest.approx(24)
    assert curve.energy_wh(MONDAY - 1, MONDAY + 1) < 1


def test_light_goes_on_in_the_local_evening() -> None:
    tijuana = Curve("1", "living", TIJUANA)
    assert tijuana.at(datetime(2026, 7, 7, 4, tzinfo=UTC).timestamp()).power_w > 30  # 21:00 there
    assert tijuana.at(datetime(2026, 7, 6, 20, tzinfo=UTC).timestamp()).power_w < 20  # 13:00


@pytest.mark.parametrize(
    ("name", "number", "kind"),
    [
        ("Refrigerador", 3, "refrigerator"),
        ("Luces sala", 0, "living"),
        ("Lavadora", 0, "washing_machine"),
        ("Luces y contactos", 1, "mixed"),
        ("MINISPLIT", 0, "air_conditioning"),
        ("X", 5, "living"),
    ],
)
def test_a_name_tells_the_load(name: str, number: int, kind: str) -> None:
    assert kind_of_name(name, number) == kind
    assert kind_of_name(name, number, is_main=True) == HOUSE


def test_invented_macs_are_nobodys_and_always_the_same() -> None:
    macs = invented_macs(500, "1")
    assert macs == invented_macs(500, "1")
    assert macs[:3] == invented_macs(3, "1")
    assert macs != invented_macs(500, "2")
    assert len(set(macs)) == 500
    assert all(len(mac) == 12 and int(mac, 16) and mac.startswith("02") for mac in macs)
