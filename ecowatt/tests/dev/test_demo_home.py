import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accounts.models import User
from devices.models import Device
from ecowatt.dev.demo_home import ADMIN_EMAIL, DEMO_EMAIL, demo_lacks_history, logins_make
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


def test_the_demo_home_lacks_history_until_a_bucket_is_there(tmp_path: Path) -> None:
    logins_make(tmp_path)
    meter = Device.objects.create(home=User.objects.get(email=DEMO_EMAIL).home, hardware_id="a8032412c3d4", name="Cocina")
    assert demo_lacks_history()
    values = {"measured_wh": 1, "recovered_wh": 0, "returned_wh": 0, "covered_s": 3600, "samples": 1}
    Hour.objects.create(device_id=meter.pk, channel=0, start=datetime(2026, 11, 1, tzinfo=UTC), **values)
    assert not demo_lacks_history()
