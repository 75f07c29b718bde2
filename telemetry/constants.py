"""Constants that several packages of telemetry share."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BUCKET = timedelta(minutes=5)
# How far from the server's clock a device's own time is trusted.
DEVICE_TIME_PAST = timedelta(days=7)
DEVICE_TIME_AHEAD = timedelta(seconds=60)
# A reading older than this when it is stored is noted as late; the regular roll-up looks back further than that, by the margin.
LATE_AFTER = timedelta(seconds=60)
# What the writer knows of the database's clock is not exact: it takes for recent only what is younger than this.
SURELY_RECENT = timedelta(seconds=30)
ROLLUP_MARGIN = timedelta(seconds=60)
# The advisory lock of the one writer of buckets, so that none overwrites newer figures with older ones, and of moving readings.
WORK_LOCK = 0x45_57_03
