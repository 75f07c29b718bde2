import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import psycopg
import pytest
from django.db import connection, connections
from pytest_django.fixtures import Settings

from telemetry.constants import WORK_LOCK
from telemetry.ingest.writer_connection import database_conninfo
from telemetry.models import Reading
from telemetry.partitions import existing, horizon, partitions_maintain
from telemetry.services import readings_store
from telemetry.shelly.samples import Sample

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def counted(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
        return int(cursor.fetchone()[0])


def test_partitions_reach_from_the_retention_to_a_week_ahead() -> None:
    made, dropped = partitions_maintain(NOW)
    days = existing("telemetry_reading")
    assert days[0] == "telemetry_reading_20261024"
    assert days[-1] == "telemetry_reading_20261130"
    assert "telemetry_bucket_5m_20251001" in made
    assert dropped == []
    assert partitions_maintain(NOW) == ([], [])


def test_the_key_of_a_partition_leaves_no_room_between_its_entries() -> None:
    partitions_maintain(NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE oid = 'telemetry_reading_20261123_pkey'::regclass")
        assert cursor.fetchone() == (["fillfactor=100"],)


def test_a_reading_without_a_partition_is_kept_and_moves_into_its_own_later() -> None:
    readings_store([(1, Sample(0, NOW, 5.0, None, None, None, None))])
    assert counted("telemetry_reading_default") == 1
    partitions_maintain(NOW)
    assert (counted("telemetry_reading_default"), counted("telemetry_reading_20261123")) == (0, 1)
    assert Reading.objects.count() == 1


def test_readings_beyond_the_retention_are_dropped(settings: Settings) -> None:
    settings.TELEMETRY_RETENTION_DAYS = 30
    partitions_maintain(NOW)
    readings_store((1, Sample(0, NOW - timedelta(days=day), 5.0, None, None, None, None)) for day in (0, 29, 45))
    settings.TELEMETRY_RETENTION_DAYS = 10
    _made, dropped = partitions_maintain(NOW)
    assert len(dropped) == 20
    assert list(Reading.objects.values_list("time", flat=True)) == [NOW]


T = TypeVar("T")


@pytest.fixture
def other(transactional_db: None) -> Iterator[psycopg.Connection]:
    """Another process's connection."""
    with psycopg.connect(database_conninfo()) as one:
        yield one


def at_once(work: Callable[[], T], pool: ThreadPoolExecutor) -> "Future[T]":
    """Start the work in a thread, with a connection that is closed after it."""

    def run() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    return pool.submit(run)


WAITING = """
SELECT count(DISTINCT pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE datname = current_database() AND NOT granted
"""


def await_waiting(count: int) -> None:
    """Wait until so many sessions wait for a lock."""
    for _ in range(400):
        with connection.cursor() as cursor:
            cursor.execute(WAITING)
            if cursor.fetchone()[0] == count:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


@pytest.fixture
def _without_new_partitions(transactional_db: None) -> Iterator[None]:
    """Leave the tables as they were: their definitions outlive the test."""
    before = {table: set(existing(table)) for table in ("telemetry_reading", "telemetry_bucket_5m")}
    yield
    for table, names in before.items():
        for name in set(existing(table)) - names:
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE {name}")


@pytest.mark.usefixtures("_without_new_partitions")
def test_upkeep_that_drops_and_a_reader_do_not_wait_for_each_other(other: psycopg.Connection, settings: Settings) -> None:
    partitions_maintain(NOW)
    settings.TELEMETRY_RETENTION_DAYS = 10
    with ThreadPoolExecutor(2) as pool:
        # Between making a partition and dropping one, upkeep waits for this lock, and a reader comes.
        other.execute("LOCK TABLE telemetry_reading IN SHARE UPDATE EXCLUSIVE MODE")
        upkeep = at_once(lambda: partitions_maintain(NOW + timedelta(days=1)), pool)
        await_waiting(1)
        reader = at_once(Reading.objects.count, pool)
        await_waiting(2)
        other.commit()
        assert reader.result(30) == 0
        _made, dropped = upkeep.result(30)
    assert len(dropped) == 21


@pytest.mark.usefixtures("_without_new_partitions")
def test_no_rows_move_while_a_roll_up_works(other: psycopg.Connection) -> None:
    readings_store([(1, Sample(0, NOW, 5.0, None, None, None, None))])
    with ThreadPoolExecutor(1) as pool:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [WORK_LOCK])
        upkeep = at_once(lambda: partitions_maintain(NOW), pool)
        await_waiting(1)
        assert counted("telemetry_reading_default") == 1
        other.commit()
        upkeep.result(30)
    assert (counted("telemetry_reading_default"), counted("telemetry_reading_20261123")) == (0, 1)


def test_the_horizon_lies_inside_the_oldest_partition() -> None:
    assert horizon(NOW) == datetime(2026, 10, 24, 1, tzinfo=UTC)
