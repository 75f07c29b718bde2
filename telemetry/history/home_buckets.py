"""Which buckets make a home's total: of each hour those of its mains where they are known, else those of its circuits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from devices.meter_roles import Role
from telemetry.history import home_buckets_sql as counted_sql

TABLES = {"5m": "telemetry_bucket_5m", "1h": "telemetry_bucket_1h", "1d": "telemetry_bucket_1h"}


def counted(roles: Sequence[Role], resolution: str, start: datetime, end: datetime) -> tuple[str, dict[str, Any]]:
    """Return what stands in a FROM for the buckets of [start, end) that count, with `is_main`, and its parameters.

    Where nothing was ever the mains, every bucket does.
    """
    parameters = {
        "device_ids": [role.device_id for role in roles],
        "mains": [role.is_main for role in roles],
        "since": [role.since for role in roles],
        "until": [role.until for role in roles],
        "start": start,
        "end": end,
    }
    mains = {role.device_id for role in roles if role.is_main}
    if not mains:
        return counted_sql.CIRCUITS.format(table=TABLES[resolution]), parameters
    complete = counted_sql.ALL_MAINS_ARE_THERE if len(mains) > 1 else "true"
    return counted_sql.MAINS_OR_CIRCUITS.format(table=TABLES[resolution], complete=complete), parameters
