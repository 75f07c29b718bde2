"""The export as a command."""

import csv
import os
import signal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Home, User
from devices.models import Device
from telemetry.history.export import csv_pages
from telemetry.management.commands import export_history
from telemetry.models import Hour
from telemetry.tests.past import HOURS, past_store, some_hours_ago

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def past(meter: Device, home: Home) -> None:
    other = Device.objects.create(home=home, hardware_id="b8032412c3d4", name="Sala")
    past_store(meter, other, some_hours_ago())


def export(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command("export_history", *args, **options, stdout=out)
    return out.getvalue()


def test_a_file_holds_everything_and_says_how_much(owner: User, home: Home, tmp_path: Path) -> None:
    path = tmp_path / "casa.csv"
    said = export("--email", owner.email.upper(), "--output", str(path))
    lines = list(csv.DictReader(path.read_text().splitlines()))
    assert len(lines) == Hour.objects.count() >= 3 * HOURS
    assert f"{len(lines)} lines of Casa de Dueno" in said
    assert {line["resolution"] for line in lines} == {"1h"}
    assert [path.name for path in tmp_path.iterdir()] == ["casa.csv"]


@pytest.mark.parametrize("resolution", ["raw", "5m", "1h", "1d"])
def test_the_standard_output_gets_the_same(home: Home, tmp_path: Path, resolution: str) -> None:
    options = ["--home", str(home.pk), "--resolution", resolution, "--to", f"{some_hours_ago(1):%Y-%m-%dT%H:%M}"]
    path = tmp_path / "casa.csv"
    export(*options, "--output", str(path))
    assert export(*options, "--output", "-").encode() == path.read_bytes()


def test_another_home_gets_its_own(stranger: User) -> None:
    assert export("--email", stranger.email, "--output", "-").count("\n") == 1


def test_the_time_can_be_chosen(home: Home) -> None:
    start = some_hours_ago()
    first = export(
        "--home", str(home.pk), "--output", "-", "--from", f"{start:%Y-%m-%dT%H:%M}", "--to", f"{start:%Y-%m-%dT%H:%M:01}"
    )
    assert {line["start"] for line in csv.DictReader(first.splitlines())} == {f"{start:%Y-%m-%dT%H:00:00Z}"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--output", "-"], "one of the arguments --home --email is required"),
        (["--home", "1", "--email", "x", "--output", "-"], "not allowed with"),
        (["--home", "999999999", "--output", "-"], "There is no home 999999999"),
        (["--email", "nadie@example.com", "--output", "-"], "Nobody here has the e-mail"),
        (["--email", "dueno@example.com", "--output", "-", "--resolution", "1w"], "invalid choice"),
        (["--email", "dueno@example.com", "--output", "-", "--from", "ayer"], "is no date"),
        (["--email", "dueno@example.com", "--output", "-", "--from", "2026-11-02", "--to", "2026-11-01"], "before --to"),
        (["--email", "dueno@example.com", "--output", "/nowhere/at/all.csv"], "No such file or directory"),
        (["--email", "dueno@example.com"], "--output"),
    ],
)
def test_bad_input_is_named(arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        export(*arguments)


def test_a_signal_leaves_no_half_a_file(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any) -> Any:
        for page in csv_pages(*args):
            os.kill(os.getpid(), signal.SIGTERM)
            yield page

    monkeypatch.setattr(export_history, "csv_pages", interrupted)
    path = tmp_path / "casa.csv"
    path.write_text("the last good one")
    with pytest.raises(CommandError, match="Stopped before the end"):
        export("--home", str(home.pk), "--output", str(path))
    assert path.read_text() == "the last good one"
    assert [path.name for path in tmp_path.iterdir()] == ["casa.csv"]
