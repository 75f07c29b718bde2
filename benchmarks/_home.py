"""Homes with circuits and past readings, for the benchmarks that read them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accounts.models import User

# A circuit's power has two levels by the hour plus noise; its counter rises evenly. Parameters by name: start, end, device_ids.
FILL = """
INSERT INTO telemetry_reading (time, energy_wh, device_id, power_w, voltage_v, current_a, channel)
SELECT at, round((extract(epoch FROM at - %(start)s) / 36.0)::numeric, 3), device_id, power, 127 + random(), power / 127.5, 0
FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 second', interval '5 seconds') AS at
CROSS JOIN unnest(%(device_ids)s::int[]) AS device_id
CROSS JOIN LATERAL (SELECT 60 + device_id %% 50 + 400 * (extract(hour FROM at)::int / 18) + 9 * random() AS power) load
ORDER BY at
"""


def families(count: int, *, circuits: int = 1) -> list[tuple["User", list[int]]]:
    """Create users, each with a home and circuits whose MACs count up from `mac(0)`; return them with their device ids."""
    from django.utils import timezone
    from ingest_http import mac

    from accounts.models import Contract, Home, Membership, User
    from devices.models import Device
    from telemetry.partitions import partitions_maintain

    partitions_maintain(timezone.now())
    users = User.objects.bulk_create(User(email=f"banco-{number}@example.com", name="Banco") for number in range(count))
    homes = Home.objects.bulk_create(Home(name=f"Casa {number}") for number in range(count))
    tomorrow = (timezone.localdate() + timedelta(days=1)).day  # so that the current cycle is nearly over
    Contract.objects.bulk_create(Contract(home=home, billing_day=tomorrow) for home in homes)
    Membership.objects.bulk_create(Membership(user=user, home=home) for user, home in zip(users, homes, strict=True))
    devices = Device.objects.bulk_create(
        Device(home=homes[number // circuits], hardware_id=mac(number), name=f"Circuito {number}")
        for number in range(count * circuits)
    )
    ids = [device.pk for device in devices]
    return [(user, ids[number * circuits : (number + 1) * circuits]) for number, user in enumerate(users)]


def token_of(user: "User") -> str:
    """Return an access token for a new session of the user."""
    from accounts.models import Session
    from accounts.security.authentication import UserAccessToken

    token = UserAccessToken.for_session(Session.objects.create(user=user))
    token.set_exp(lifetime=timedelta(hours=2))
    return str(token)


def past(device_ids: Sequence[int], start: datetime, end: datetime) -> int:
    """Store a reading every 5 s of [start, end) for each device, and their buckets; return the number of readings."""
    from django.db import connection

    from telemetry.models import RollupState, Series
    from telemetry.services import rollup_rebuild

    with connection.cursor() as cursor:
        cursor.execute(FILL, {"start": start, "end": end, "device_ids": list(device_ids)})
        count = int(cursor.rowcount)
    Series.objects.bulk_create((Series(device_id=one, channel=0) for one in device_ids), ignore_conflicts=True)
    rollup_rebuild(device_ids=device_ids, start=start, end=end)
    RollupState.objects.update_or_create(id=1, defaults={"through": end})
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return count
