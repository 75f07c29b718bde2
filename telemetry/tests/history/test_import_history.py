"""What another installation measured, brought here: the same bytes come out again, and what is measured here stays."""

from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import Home, User
from conftest import make_user
from devices.models import Device
from telemetry.columns import Flag
from telemetry.history import imports
from telemetry.models import FiveMinutes, Hour, LateSpan, Reading, RollupState, Series
from telemetry.rollup import run as rollups
from telemetry.services import readings_store, rollup_rebuild
from telemetry.shelly.component_kinds import Kind
from telemetry.shelly.samples import Sample
from telemetry.tests.past import past_store, some_hours_ago

pytestmark = pytest.mark.django_db
IMPORTED = Flag.IMPORTED
MODELS = (Reading, FiveMinutes, Hour, LateSpan, RollupState, Series)
HEADER = (
    "resolution,hardware_id,channel,start,measured_wh,recovered_wh,returned_wh,covered_s,samples,power_min_w,power_mean_w,"
    "power_max_w,voltage_v,current_a,flags\r\n"
)


@pytest.fixture
def other(home: Home) -> Device:
    return Device.objects.create(home=home, hardware_id="casa,2", name="Sala")


@pytest.fixture
def start(meter: Device, other: Device) -> datetime:
    start = some_hours_ago()
    past_store(meter, other, start)
    return start


@pytest.fixture
def exported(owner: User, tmp_path: Path) -> Callable[[str], bytes]:
    def export(resolution: str) -> bytes:
        path = tmp_path / "export.csv"
        command("export_history", email=owner.email, resolution=resolution, output=str(path))
        return path.read_bytes()

    return export


def command(name: str, *args: str, **options: Any) -> str:
    out = StringIO()
    call_command(name, *args, **options, stdout=out)
    return out.getvalue()


def imported(tmp_path: Path, content: bytes | str, email: str = "dueno@example.com", **options: Any) -> str:
    path = tmp_path / "import.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return command("import_history", str(path), email=email, **options)


def forget() -> None:
    for model in MODELS:
        model.objects.all().delete()


def line(start: datetime, energy: float = 10.0, *, resolution: str = "5m", mac: str = "A8:03:24:12:C3:D4") -> str:
    return f"{resolution},{mac},0,{start.isoformat()},{energy},0,0,300,60,1,2,3,,,0\r\n"


def five(start: datetime) -> FiveMinutes:
    return FiveMinutes.objects.get(start=start)


def hour(start: datetime) -> Hour:
    return Hour.objects.get(start=start)


@pytest.mark.parametrize("resolution", ["5m", "1h", "raw"])
def test_export_import_export_gives_the_same_bytes(
    start: datetime, exported: Callable[[str], bytes], tmp_path: Path, resolution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "LINES_A_TRANSACTION", 50)
    before = exported(resolution)
    assert before.count(b"\r\n") > 15
    forget()
    imported(tmp_path, before)
    assert exported(resolution) == before


def test_the_kinds_of_components_move_with_the_readings(
    start: datetime, meter: Device, exported: Callable[[str], bytes], tmp_path: Path
) -> None:
    kinds = [(Kind.SWITCH, 7_000.0), (Kind.COVER, 5.0), (Kind.COVER, 6.0), (Kind.SWITCH, 7_001.0)]
    readings_store(
        (meter.pk, Sample(9, start + timedelta(seconds=second), 1.0, None, None, counter, None, kind))
        for second, (kind, counter) in enumerate(kinds)
    )
    before = exported("raw")
    assert (before.count(b",switch\r\n"), before.count(b",cover\r\n")) == (2, 2)
    forget()
    imported(tmp_path, before)
    assert exported("raw") == before
    rollup_rebuild()
    assert sum(bucket.measured_wh for bucket in FiveMinutes.objects.filter(channel=9)) == 2.0


def test_everything_can_be_moved_and_the_wider_ones_are_made_from_the_finer(
    start: datetime, exported: Callable[[str], bytes], tmp_path: Path
) -> None:
    before = {resolution: exported(resolution) for resolution in ("5m", "1h", "1d", "raw")}
    forget()
    imported(tmp_path, before["5m"])
    assert {resolution: exported(resolution) for resolution in ("5m", "1h", "1d")} == {
        resolution: before[resolution] for resolution in ("5m", "1h", "1d")
    }
    for resolution in ("1h", "raw", "5m"):
        imported(tmp_path, before[resolution])
        rollup_rebuild()
    assert {resolution: exported(resolution) for resolution in before} == before


def test_the_sums_of_a_day_and_an_hour_do_not_depend_on_the_order_in_which_their_parts_were_stored(
    start: datetime, exported: Callable[[str], bytes], tmp_path: Path
) -> None:
    before = {resolution: exported(resolution) for resolution in ("5m", "1h", "1d")}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_indexscan = off")  # so that rows are read as they lie
    for finest in ("5m", "1h"):
        forget()
        header, *lines = before[finest].splitlines(keepends=True)
        imported(tmp_path, b"".join([header, *reversed(lines)]))
        assert (exported("1h"), exported("1d")) == (before["1h"], before["1d"])


def test_the_same_file_again_changes_nothing(start: datetime, exported: Callable[[str], bytes], tmp_path: Path) -> None:
    before = exported("5m")
    forget()
    count = before.count(b"\r\n") - 1
    assert f"{count} added, 0 replaced" in imported(tmp_path, before)
    stored = [*FiveMinutes.objects.order_by("pk").values_list(), *Hour.objects.order_by("pk").values_list()]
    said = imported(tmp_path, before)
    assert "0 added, 0 replaced" in said
    assert f"{count} kept" in said
    assert [*FiveMinutes.objects.order_by("pk").values_list(), *Hour.objects.order_by("pk").values_list()] == stored


def test_imported_buckets_are_marked_and_a_new_value_replaces_them(meter: Device, tmp_path: Path) -> None:
    start = some_hours_ago()
    imported(tmp_path, HEADER + line(start, 10.0))
    assert "0 added, 1 replaced" in imported(tmp_path, HEADER + line(start, 11.0))
    assert (five(start).measured_wh, five(start).flags, hour(start).measured_wh, hour(start).flags) == (
        11.0,
        IMPORTED,
        11.0,
        IMPORTED,
    )


def test_a_measured_bucket_is_never_overwritten(start: datetime, tmp_path: Path, meter: Device) -> None:
    before = [*FiveMinutes.objects.order_by("pk").values_list(), *Hour.objects.order_by("pk").values_list()]
    for resolution in ("5m", "1h"):
        said = imported(tmp_path, HEADER + line(start, 9_999.0, resolution=resolution))
        assert "0 added, 0 replaced" in said
        assert "1 kept" in said
    assert [*FiveMinutes.objects.order_by("pk").values_list(), *Hour.objects.order_by("pk").values_list()] == before


def test_imported_five_minutes_beside_measured_ones_add_to_their_hour_which_stays_measured(meter: Device, tmp_path: Path) -> None:
    start = some_hours_ago()
    measure(meter, start, 6.0)
    imported(tmp_path, HEADER + line(start, 50.0) + line(start + timedelta(minutes=30), 4.0))
    assert (hour(start).measured_wh, hour(start).flags) == pytest.approx((10.0, 0))
    imported(tmp_path, HEADER + line(start, 99.0, resolution="1h"))
    assert hour(start).measured_wh == pytest.approx(10.0)


def measure(meter: Device, start: datetime, energy: float) -> None:
    counters = [(0, 100.0), (60, 100.0 + energy)]
    readings_store(
        (meter.pk, Sample(0, start + timedelta(seconds=second), 1.0, None, None, counter, None)) for second, counter in counters
    )
    rollups.rollup()


@pytest.mark.parametrize("resolution", ["5m", "1h"])
def test_a_rollup_with_readings_overwrites_and_one_without_leaves_imported_buckets_alone(
    meter: Device, tmp_path: Path, resolution: str
) -> None:
    start = some_hours_ago()
    imported(
        tmp_path,
        HEADER + line(start, 70.0, resolution=resolution) + line(start + timedelta(hours=1), 80.0, resolution=resolution),
    )
    rollup_rebuild()
    assert [one.measured_wh for one in Hour.objects.order_by("start")] == [70.0, 80.0]
    measure(meter, start, 6.0)
    rollup_rebuild()
    assert [(one.measured_wh, one.flags) for one in Hour.objects.order_by("start")] == [(pytest.approx(6.0), 0), (80.0, IMPORTED)]


def test_a_measured_hour_outlives_its_five_minutes(meter: Device, tmp_path: Path) -> None:
    start = some_hours_ago()
    measure(meter, start, 6.0)
    FiveMinutes.objects.all().delete()
    imported(tmp_path, HEADER + line(start, 70.0))
    assert (hour(start).measured_wh, hour(start).flags) == pytest.approx((6.0, 0))


def test_an_unknown_device_is_named_and_nothing_is_imported(meter: Device, tmp_path: Path) -> None:
    text = HEADER + line(some_hours_ago()) + line(some_hours_ago(), mac="B8:03:24:12:C3:D4")
    with pytest.raises(CommandError, match=r"no device B8032412C3D4\. Register it"):
        imported(tmp_path, text)
    assert FiveMinutes.objects.count() == 0


def test_an_unknown_device_can_be_registered_on_the_way(owner: User, tmp_path: Path) -> None:
    said = imported(tmp_path, HEADER + line(some_hours_ago()), register=True)
    assert "A8032412C3D4 registered in Casa de Dueno" in said
    assert Device.objects.get().home == owner.home
    assert FiveMinutes.objects.get().device_id == Device.objects.get().pk


def test_a_device_of_another_home_is_left_there(meter: Device, stranger: User, tmp_path: Path) -> None:
    text = HEADER + line(some_hours_ago(), mac="B8032412C3D4") + line(some_hours_ago())
    with pytest.raises(CommandError, match="A8032412C3D4 is registered in another home"):
        imported(tmp_path, text, stranger.email, register=True)
    assert Device.objects.count() == 1
    assert FiveMinutes.objects.count() == 0


def test_a_dry_run_counts_and_changes_nothing(owner: User, tmp_path: Path) -> None:
    said = imported(tmp_path, HEADER + line(some_hours_ago()), register=True, dry_run=True)
    assert "would be registered" in said
    assert "1 would be added" in said
    assert not Device.objects.exists()
    assert not any(model.objects.exists() for model in MODELS)


def test_readings_older_than_readings_are_kept_are_left_out(meter: Device, tmp_path: Path, settings: Settings) -> None:
    header = "resolution,hardware_id,channel,time,power_w,voltage_v,current_a,energy_wh,returned_wh\r\n"
    times = [some_hours_ago(), some_hours_ago(24 * 40)]
    text = header + "".join(f"raw,A8032412C3D4,0,{time.isoformat()},5,,,1.5,\r\n" for time in times)
    said = imported(tmp_path, text)
    assert "1 added" in said
    assert "1 readings left out" in said
    assert "0 added" in imported(tmp_path, text)
    assert FiveMinutes.objects.get().flags == 0


GOOD = line(some_hours_ago())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 0: the header"),
        ("a,b\r\n1,2\r\n", "line 1: the header"),
        (HEADER.replace("start", "date"), "line 1: days can't be imported"),
        (HEADER + GOOD + GOOD.replace("5m", "1h"), "line 3: the resolution is '1h', but that of the first line is '5m'"),
        (HEADER + GOOD.replace("5m", "raw"), "line 2: the resolution is 'raw'"),
        (HEADER + "\r\n" + GOOD + GOOD, "line 4: there is a line for this device"),
        (HEADER + GOOD + GOOD.replace("A8:03:24:12:C3:D4", "a8032412c3d4"), "line 3: there is a line for this device"),
        (HEADER + GOOD.replace(",10.0,", ",mucho,"), "line 2: measured_wh is 'mucho', but it takes a number"),
        (HEADER + GOOD.replace(",10.0,", ",nan,"), "line 2: measured_wh is 'nan'"),
        (HEADER + GOOD.replace(",10.0,", ",,"), "line 2: measured_wh is ''"),
        (HEADER + GOOD.replace(",1,2,3,", ",1,1e39,3,"), "line 2: power_mean_w is '1e39', but it takes a number that single"),
        (HEADER + GOOD.replace(",1,2,3,", ",1,1e-60,3,"), "line 2: power_mean_w is '1e-60'"),
        (HEADER + GOOD.replace(",300,60,", ",301,60,"), "line 2: covered_s is 301.0"),
        (HEADER + GOOD.replace(",300,60,", ",300,-1,"), "line 2: samples is '-1', but it takes a whole number"),
        (HEADER + GOOD.replace(",,0\r", ",,8\r"), "line 2: flags is '8'"),
        (HEADER + GOOD.replace(",0,20", ",256,20"), "line 2: channel is '256'"),
        (HEADER + GOOD.replace("A8:03:24:12:C3:D4", ""), "line 2: hardware_id is ''"),
        (HEADER + GOOD.replace("+00:00", ""), "line 2: start is '.*', but it takes an ISO 8601 time with an offset"),
        (HEADER + GOOD.replace(":00:00+", ":01:00+"), "line 2: start is .*, where no bucket of 5m begins"),
        (HEADER + line(some_hours_ago(-5)), "line 2: start is .*, which is yet to come"),
        (HEADER + GOOD.replace(",0\r\n", "\r\n"), "line 2: it has 14 values, but the header names 15"),
        (HEADER + GOOD + '5m,"A8', "line 3: unexpected end of data"),
        ((HEADER + GOOD).encode() + b"\xff", "the file is not UTF-8 text"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line_and_nothing_is_imported(
    meter: Device, tmp_path: Path, text: str | bytes, problem: str
) -> None:
    with pytest.raises(CommandError, match=problem):
        imported(tmp_path, text)
    assert not FiveMinutes.objects.exists()


def test_who_and_what_is_missing_is_said(owner: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nadie@example\.com"):
        imported(tmp_path, HEADER, "nadie@example.com")
    User.objects.create_user("sola@example.com", "una-clave-larga-1", name="Sola")
    with pytest.raises(CommandError, match="has no home"):
        imported(tmp_path, HEADER, "sola@example.com")
    with pytest.raises(CommandError, match="No such file"):
        command("import_history", str(tmp_path / "nada.csv"), email=owner.email)
    with pytest.raises(CommandError, match="Is a directory"):
        command("import_history", str(tmp_path), email=owner.email)


def test_an_empty_export_is_imported_as_nothing(owner: User, tmp_path: Path) -> None:
    assert "0 lines" in imported(tmp_path, HEADER)


def test_a_spreadsheets_mark_and_line_ends_are_no_hindrance(meter: Device, tmp_path: Path) -> None:
    imported(tmp_path, b"\xef\xbb\xbf" + (HEADER + GOOD).replace("\r\n", "\n").encode())
    assert FiveMinutes.objects.count() == 1


def test_the_home_of_the_importing_user_gets_it_though_another_home_has_it_too(tmp_path: Path, meter: Device) -> None:
    neighbour = make_user("vecino@example.com")
    Device.objects.create(home=neighbour.home, hardware_id="b8032412c3d4", name="Cocina")
    imported(tmp_path, HEADER + line(some_hours_ago(), mac="B8032412C3D4"), neighbour.email)
    assert not FiveMinutes.objects.filter(device_id=meter.pk).exists()
