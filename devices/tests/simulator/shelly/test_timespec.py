from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.simulator.shelly.timespec import Timespec

MEXICO, TIJUANA = ZoneInfo("America/Mexico_City"), ZoneInfo("America/Tijuana")
WEDNESDAY = datetime(2026, 11, 18, 10, 30, tzinfo=MEXICO)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 34 17 * * SUN,MON,TUE,WED,THU,FRI,SAT", "2026-11-18 17:34:00"),
        ("0 0 8 * * *", "2026-11-19 08:00:00"),
        ("0 0 8 * * MON", "2026-11-23 08:00:00"),
        ("0 0 8 * * 1-5", "2026-11-19 08:00:00"),
        ("0 0 8 * * SAT-SAT,0", "2026-11-21 08:00:00"),
        ("30 */15 * * * *", "2026-11-18 10:30:30"),
        ("0 5-59/20 10 * * wed", "2026-11-18 10:45:00"),
        ("0 0 0 1 JAN *", "2027-01-01 00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 30 10 * * *", "2026-11-19 10:30:00"),
        ("0 0 0 31 2 *", None),
    ],
)
def test_a_job_runs_next_when_its_time_says(text: str, expected: str | None) -> None:
    found = Timespec.parse(text).next_after(WEDNESDAY.timestamp(), MEXICO)
    assert (found and f"{datetime.fromtimestamp(found, MEXICO):%Y-%m-%d %H:%M:%S}") == expected


@pytest.mark.parametrize(
    "text",
    ["0 0 8 * *", "0 0 8 * * * *", "60 0 8 * * *", "0 0 08 * * *", "0 0 x * * *", "0 9-5 * * * *", "0 0 8 0 * *", "@sunset"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Timespec.parse(text)


def test_an_hour_that_the_clock_leaves_out_is_skipped_and_one_that_comes_twice_counts_once() -> None:
    daily = Timespec.parse("0 30 2 * * *")
    before = datetime(2026, 3, 7, 12, tzinfo=TIJUANA).timestamp()
    found = daily.next_after(before, TIJUANA)
    assert found
    assert f"{datetime.fromtimestamp(found, TIJUANA):%m-%d %H:%M}" == "03-09 02:30"  # on the 8th there is no 02:30
    twice = Timespec.parse("0 30 1 * * *")
    first = twice.next_after(datetime(2026, 11, 1, 0, tzinfo=TIJUANA).timestamp(), TIJUANA)
    assert first
    second = twice.next_after(first, TIJUANA)
    assert second
    assert second - first == 25 * 3600


@given(st.integers(0, 59), st.integers(0, 23), st.floats(1.7e9, 1.9e9))
def test_the_next_time_is_after_now_within_a_day_or_so_and_at_the_local_time(minute: int, hour: int, now: float) -> None:
    found = Timespec.parse(f"0 {minute} {hour} * * *").next_after(now, TIJUANA)
    assert found
    assert now < found <= now + 49 * 3600  # 23 and 25 hours' days, and one without such a time
    local = datetime.fromtimestamp(found, TIJUANA)
    assert (local.hour, local.minute, local.second) == (hour, minute, 0)
