from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from telemetry.models import Reading
from telemetry.partitions import existing, horizon, partitions_maintain
from telemetry.samples import Sample
from telemetry.services import readings_store

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


def test_the_horizon_lies_inside_the_oldest_partition() -> None:
    assert horizon(NOW) == datetime(2026, 10, 24, 1, tzinfo=UTC)
