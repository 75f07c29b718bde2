"""Buckets anew from readings, at somebody's wish."""

import itertools
import os
import signal
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from common.progress import Progress
from devices.models import Device
from devices.services import device_retire
from telemetry.models import FiveMinutes, Hour, Reading
from telemetry.partitions import horizon
from telemetry.rollup import run as rollups
from telemetry.services import readings_store, rollup_changes
from telemetry.shelly.samples import Sample

pytestmark = pytest.mark.django_db


def days_ago(days: int) -> datetime:
    return (datetime.now(UTC) - timedelta(days=days)).replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def days(meter: Device) -> list[datetime]:
    """Five days with a minute of readings each, on two channels, and wrong figures in every bucket of them."""
    starts = [days_ago(day) for day in (6, 5, 4, 3, 2)]
    for channel in (0, 1):
        for day, start in enumerate(starts):
            counters = ((0, day * 10.0), (60, day * 10.0 + 6.0))
            readings_store(
                (meter.pk, Sample(channel, start + timedelta(seconds=at), 360.0, None, None, counter, None))
                for at, counter in counters
            )
    rollups.rollup()
    FiveMinutes.objects.update(measured_wh=-1)
    Hour.objects.update(measured_wh=-1)
    return starts


def rebuild(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command("rebuild_buckets", *args, **options, stdout=out)
    return out.getvalue()


def wrong(model: type[FiveMinutes] | type[Hour] = FiveMinutes) -> set[tuple[int, datetime]]:
    """The channels and days whose figures are still wrong."""
    return set(model.objects.filter(measured_wh=-1, samples__gt=0).values_list("channel", "start"))


def test_everything_is_computed_anew(days: list[datetime]) -> None:
    assert len(wrong()) == len(wrong(Hour)) == 10
    said = rebuild()
    assert wrong() == wrong(Hour) == set()
    assert [one.measured_wh for one in Hour.objects.filter(samples=2)] == [pytest.approx(6.0)] * 10
    assert "2 channels, from" in said
    assert "Done: computed" in said


def test_buckets_whose_readings_are_gone_stay_though_readings_are_kept_for_longer_by_now(days: list[datetime]) -> None:
    gone = Reading.objects.filter(time__lt=days[2])  # as a retention of four days took them
    gone.delete()
    rebuild()
    assert wrong() == wrong(Hour) == {(channel, start) for channel in (0, 1) for start in days[:3]}


def test_progress_is_told_by_lines_where_there_is_no_terminal(days: list[datetime]) -> None:
    told = [line for line in rebuild().splitlines() if "days of a channel" in line]
    assert 2 <= len(told) <= 10
    assert told[-1].startswith("100%")
    assert not any("\r" in line or "#" in line for line in told)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_with_the_time_that_is_left() -> None:
    out = Terminal()
    progress = Progress(4, "lines", out)
    for _ in range(4):
        progress(1)
    progress.close()
    bars = out.getvalue().split("\r")[1:]
    assert [bar.count("#") for bar in bars] == [7, 15, 22, 30]
    assert " 25% 1 of 4 lines, 0:00:00 left" in bars[0]
    assert bars[-1].endswith("\n")


def test_the_days_can_be_chosen(days: list[datetime]) -> None:
    rebuild("--from", f"{days[1]:%Y-%m-%d}", "--to", f"{days[2]:%Y-%m-%d}")
    assert {start for _channel, start in wrong()} <= {days[0], days[3], days[4]}
    assert (0, days[4]) in wrong()


def test_devices_can_be_chosen_by_id_or_mac(days: list[datetime], meter: Device) -> None:
    other = Device.objects.create(home=meter.home, hardware_id="b8032412c3d4", name="Sala")
    readings_store([(other.pk, Sample(0, days[0], 5.0, None, None, None, None))])
    rebuild(device=["B8:03:24:12:C3:D4"])
    assert len(wrong()) == 10
    rebuild("--device", str(other.pk), str(meter.pk))
    assert wrong() == set()


def test_a_device_that_was_deleted_has_its_readings_still(days: list[datetime], meter: Device) -> None:
    number = meter.pk
    meter.delete()
    rebuild("--device", str(number))
    assert wrong() == set()


def test_a_hardware_id_names_each_device_that_has_had_it(days: list[datetime], meter: Device, stranger: User) -> None:
    device_retire(device=meter)
    Device.objects.create(home=stranger.home, hardware_id=meter.hardware_id, name="Sala")
    rebuild("--device", meter.hardware_id)
    assert wrong() == set()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--device", "B8032412C3D4"], "no readings of such a device"),
        (["--device", "99999999999999999999"], "no readings of such a device"),
        (["--device", "²"], "no readings of such a device"),
        (["--from", "ayer"], "'ayer' is no date"),
        (["--from", "2026-02-30"], "'2026-02-30' is no date"),
        (["--from", "2099-01-01"], "before now"),
        (["--from", f"{days_ago(1):%Y-%m-%d}", "--to", f"{days_ago(2):%Y-%m-%d}"], "before --to"),
        (["--to", "2020-01-01"], "no longer there"),
    ],
)
def test_bad_input_is_named(meter: Device, arguments: list[str], problem: str) -> None:
    readings_store([(meter.pk, Sample(0, days_ago(1), 5.0, None, None, None, None))])
    with pytest.raises(CommandError, match=problem):
        rebuild(*arguments)
    assert not Hour.objects.exists()


def test_a_signal_ends_it_between_two_steps_and_what_is_done_stays(days: list[datetime], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "TIME_A_TRANSACTION", timedelta(hours=71))

    class Stopper(StringIO):
        def write(self, text: str) -> int:
            if "days of a channel" in text:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().write(text)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(CommandError, match=r"Stopped after 3 of 1\d; give the command again"):
        call_command("rebuild_buckets", "--from", f"{days[0]:%Y-%m-%d}", stdout=Stopper())
    still = wrong()
    assert not still & {(0, start) for start in days[:3]}
    assert still > {(1, start) for start in days}  # a day of channel 0, too: work reaches to the next two counters, no further
    assert signal.getsignal(signal.SIGTERM) == before


def test_without_readings_there_is_nothing_to_do(meter: Device) -> None:
    assert "There are no readings" in rebuild()


def test_the_work_is_cut_into_days_that_meet(days: list[datetime], meter: Device) -> None:
    start, end = days_ago(6) + timedelta(hours=1), days_ago(3)
    changes = rollup_changes(device_ids=[meter.pk], start=start, end=end)
    first = [change for change in changes if change.number == 0]
    assert first[0].from_time == start
    assert first[-1].to_time == end - timedelta(microseconds=1)
    gaps = {after.from_time - before.to_time for before, after in itertools.pairwise(first)}
    assert gaps == {timedelta(microseconds=1)}
    assert rollup_changes(start=days_ago(400))[0].from_time >= horizon(datetime.now(UTC)) - timedelta(days=1)
