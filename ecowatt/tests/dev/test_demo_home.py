import stat
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import Home, User
from accounts.services import contract_change
from devices.models import Channel, Device
from devices.services import device_register, device_retire
from devices.simulator.registered import meters_of, missing_register
from ecowatt.dev.demo_home import (
    ADMIN_EMAIL,
    DEMO_EMAIL,
    SEED,
    demo_home_furnish,
    demo_lacks_history,
    demo_macs,
    demo_meters,
    logins_make,
)
from tariffs.selectors.cycles import cycle_on
from tariffs.selectors.paper_bills import explained_bill, paper_bill_warnings
from telemetry.models import Hour

pytestmark = pytest.mark.django_db


def test_the_first_run_makes_both_logins_and_the_next_keeps_them(tmp_path: Path) -> None:
    first = logins_make(tmp_path)
    assert User.objects.get(email=ADMIN_EMAIL).is_superuser
    assert not User.objects.get(email=DEMO_EMAIL).is_staff
    assert len({*first}) == 2
    assert all(len(password) >= 12 for password in first)
    assert logins_make(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "logins.json").stat().st_mode) == 0o600


def test_a_password_that_was_changed_is_not_shown_as_the_old_one(tmp_path: Path) -> None:
    first = logins_make(tmp_path)
    demo = User.objects.get(email=DEMO_EMAIL)
    demo.set_password("otra-clave-larga")
    demo.save()
    assert logins_make(tmp_path) == (first.admin_password, None)


def test_logins_of_another_checkout_on_the_same_database_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    logins_make(tmp_path)
    assert logins_make(tmp_path / "other") == (None, None)


@pytest.fixture
def furnished(tmp_path: Path, prices: None) -> Home:
    logins_make(tmp_path)
    demo_home_furnish()
    return User.objects.get(email=DEMO_EMAIL).home


def test_the_demo_home_is_one_of_a_warm_place_with_four_circuits(furnished: Home) -> None:
    contract = furnished.contract
    assert (contract.tariff, contract.billing_months, furnished.time_zone) == ("1D", 2, "America/Cancun")
    assert (contract.summer_start_month, contract.dap_share, contract.dac_region) == (4, Decimal("0.05"), "sur_y_peninsular")
    devices = Device.objects.filter(home=furnished)
    assert {device.hardware_id for device in devices} == set(demo_macs())
    circuits = Channel.objects.filter(device__home=furnished).order_by("device", "number")
    assert [(circuit.name, circuit.kind, circuit.is_essential, circuit.device.model) for circuit in circuits] == [
        ("Refrigerador", "refrigerator", True, "shellyplus1pm"),
        ("Aire acondicionado", "air_conditioning", False, "shelly2pmg3"),
        ("Lavadora", "washing_machine", False, "shelly2pmg3"),
        ("Luces y contactos", "mixed", False, "shelly1pmg3"),
    ]
    meters, _ = meters_of(demo_macs(), seed=SEED, states={})
    assert [curve.kind for meter in meters for curve in meter.curves] == [circuit.kind for circuit in circuits]


@pytest.mark.parametrize("today", ["2026-11-24T18", "2027-03-01T03", "2026-08-31T00"])
def test_its_paper_bills_are_those_of_a_home_on_any_date(
    tmp_path: Path, prices: None, monkeypatch: pytest.MonkeyPatch, today: str
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromisoformat(f"{today}:00:00Z"))
    logins_make(tmp_path)
    demo_home_furnish()
    home = User.objects.get(email=DEMO_EMAIL).home
    before, last = home.paper_bills.order_by("end")
    assert before.end == last.start
    assert last.end == home.contract.last_reading == home.today - timedelta(days=24)
    assert cycle_on(home, home.today).start == last.end
    assert last.start < home.today - timedelta(days=60) < last.end
    for bill in (before, last):
        assert 240 <= bill.kwh <= 700
        assert paper_bill_warnings(bill) == {}
        explained = explained_bill(bill)
        assert abs(explained.reconciliation.bill.grand_total - bill.total_mxn) < 1
        assert bill.total_mxn % 1 == 0
        assert explained.suggestions == []


def test_a_demo_home_that_has_had_a_device_stays_as_it_is(tmp_path: Path, prices: None) -> None:
    logins_make(tmp_path)
    home = User.objects.get(email=DEMO_EMAIL).home
    contract_change(home=home, tariff="1C")
    device_retire(device=device_register(home=home, hardware_id="a8032412c3d4", name="Cocina"))
    demo_home_furnish()
    home.refresh_from_db()
    assert (home.contract.tariff, home.paper_bills.count(), Device.objects.filter(home=home).count()) == ("1C", 0, 0)
    assert not demo_lacks_history()


def test_a_meter_that_another_home_has_stays_there(tmp_path: Path, prices: None, home: Home) -> None:
    first, *others = demo_macs()
    device_register(home=home, hardware_id=first, name="Mío")
    logins_make(tmp_path)
    demo_home_furnish()
    demo = User.objects.get(email=DEMO_EMAIL).home
    assert set(Device.objects.filter(home=demo).values_list("hardware_id", flat=True)) == set(others)
    assert demo.paper_bills.count() == 2


def test_the_demo_homes_deleted_meters_stay_deleted_and_nobody_waits_for_them(furnished: Home) -> None:
    for device in Device.objects.filter(home=furnished):
        device_retire(device=device)
    demo_home_furnish()
    assert not demo_meters().exists()
    assert not demo_lacks_history()


def test_the_meters_of_an_older_demo_home_are_simulated_on(tmp_path: Path) -> None:
    """It has had three rooms under the same MACs."""
    logins_make(tmp_path)
    home = User.objects.get(email=DEMO_EMAIL).home
    missing_register(home=home, macs=demo_macs())
    demo_home_furnish()
    meters, devices = meters_of(demo_macs(), seed=SEED, states={})
    assert [devices[meter.mac].name for meter in meters] == ["Cocina", "Sala", "Lavado"]
    assert [curve.kind for meter in meters for curve in meter.curves] == ["kitchen", "living", "laundry"]
    assert demo_lacks_history()


def test_the_demo_home_lacks_history_until_a_bucket_is_there(furnished: Home) -> None:
    assert demo_lacks_history()
    values = {"measured_wh": 1, "recovered_wh": 0, "returned_wh": 0, "covered_s": 3600, "samples": 1}
    meter = Device.objects.filter(home=furnished).first()
    assert meter
    Hour.objects.create(device_id=meter.pk, channel=0, start=datetime(2026, 11, 1, tzinfo=UTC), **values)
    assert not demo_lacks_history()
