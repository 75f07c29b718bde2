"""Reads of the devices on behalf of a user."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from asgiref.sync import async_to_sync
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q, QuerySet
from redis.exceptions import RedisError

from accounts.models import Home, User
from accounts.selectors import require_changing_role, require_owner
from common.ids import row_id
from common.redis_connections import async_redis_client, redis_client
from devices import shelly_models as shelly
from devices.discovery import UnprovenDevice, seen_among, unclaimed_near
from devices.exceptions import DeviceNotFound
from devices.meter_roles import Role, roles_over_time
from devices.models import Device
from devices.ownership.proofs import Challenge, Proof, proof_of
from devices.ownership.switch_challenges import challenges_of
from devices.presence.redis_scripts import SEEN

log = structlog.get_logger(__name__)
MAC = r"^[0-9a-f]{12}$"


def devices_of(user: User) -> QuerySet[Device]:
    """Return the devices of the home that the app shows, by id, with owner and channels (2 queries)."""
    return Device.objects.in_home_of(user).with_owner().prefetch_related("channels").order_by("id")


def visible_pairs(*, user_ids: Iterable[int], device_ids: Iterable[int]) -> set[tuple[int, int]]:
    """Return the pairs of a user and a device that the user may see (1 query)."""
    rows = Device.objects.filter(pk__in=list(device_ids), home__memberships__user__in=list(user_ids))
    return set(rows.values_list("home__memberships__user_id", "pk"))


def macs_by_whole_prefix(prefixes: Collection[str]) -> dict[str, str]:
    """Return the MACs of devices whose MQTT prefix is one of these as it stands, by prefix (1 query).

    A model's name, or a prefix that several devices have, says nothing: each device's MAC stands behind it in its topics.
    """
    found: dict[str, set[str]] = {}
    own = [prefix for prefix in prefixes if shelly.model_of(prefix) is None]
    for prefix, mac in Device.objects.filter(mqtt_prefix__in=own, hardware_id__regex=MAC).values_list(
        "mqtt_prefix", "hardware_id"
    ):
        found.setdefault(prefix, set()).add(mac)
    return {prefix: macs.pop() for prefix, macs in found.items() if len(macs) == 1}


def device_get(*, user: User, device_id: str | int) -> Device:
    """Return a device that the user may see, whatever text stands for its id (2 queries).

    Raises DeviceNotFound, alike for another home's device, an unknown id and what is no id at all.
    """
    devices = Device.objects.with_role_of(user).with_owner().prefetch_related("channels")
    device = devices.filter(pk=row_id(device_id)).first()
    if device is None:
        raise DeviceNotFound
    return device


def device_of_home(*, home: Home, device_id: int) -> Device:
    """Return a device that the home has now (1 query). Raises DeviceNotFound."""
    device = Device.objects.filter(home=home, pk=device_id).first()
    if device is None:
        raise DeviceNotFound
    return device


def device_get_to_change(*, user: User, device_id: str | int) -> Device:
    """Return a device that the user may change (2 queries). Raises DeviceNotFound, ViewerMayNotChange."""
    device = device_get(user=user, device_id=device_id)
    require_changing_role(device.caller_role)
    return device


def device_get_as_owner(*, user: User, device_id: str | int) -> Device:
    """Return a device of a home that the user owns (2 queries). Raises DeviceNotFound, OwnerOnly."""
    device = device_get(user=user, device_id=device_id)
    require_owner(device.caller_role)
    return device


def roles_of(home: Home) -> list[Role]:
    """Return what measures a home and has measured it, with the devices that it has deleted (1 query)."""
    changes = ArrayAgg("role_changes__at", filter=Q(role_changes__isnull=False))
    devices = Device.with_retired.filter(home=home).order_by("id")
    rows = devices.annotate(changes=changes).values_list("id", "is_main", "retired_at", "changes")
    return [
        role
        for device_id, is_main, retired_at, changed in rows
        for role in roles_over_time(device_id, is_main=is_main, changes=changed or [], retired_at=retired_at)
    ]


class Address(NamedTuple):
    """How a device is reached by MQTT."""

    hardware_id: str
    mqtt_prefix: str
    is_active: bool


def addresses_of(*, device_ids: Iterable[int]) -> dict[int, Address]:
    """Return how the devices are reached, by id, without those that are gone (1 query)."""
    rows = Device.objects.filter(pk__in=list(device_ids)).values_list("pk", "hardware_id", "mqtt_prefix", "is_active")
    return {device_id: Address(hardware_id, prefix, is_active) for device_id, hardware_id, prefix, is_active in rows}


def online_devices() -> dict[int, datetime | None]:
    """Return the time at which each online device was last seen, as the database knows it, by id (1 query)."""
    return dict(Device.objects.filter(is_online=True).values_list("pk", "last_seen_at"))


def registered_among(macs: Iterable[str]) -> set[str]:
    """Return those of the MACs that some home has claimed (1 query, none for no MACs)."""
    wanted = list(macs)
    return set(Device.objects.filter(hardware_id__in=wanted).values_list("hardware_id", flat=True)) if wanted else set()


def seen_times(device_ids: Iterable[int]) -> dict[int, datetime]:
    """Return the last sign of life of those that are online, by id, in one round trip to Redis; empty where Redis is away."""
    ids = list(device_ids)
    try:
        scores = redis_client().zmscore(SEEN, ids) if ids else []  # type: ignore[arg-type]
    except RedisError as error:
        log.warning("last signs of life not read: Redis is away", error=type(error).__name__)
        return {}
    return {device_id: datetime.fromtimestamp(at, UTC) for device_id, at in zip(ids, scores, strict=True) if at is not None}


def last_seen(device: Device, seen_at: Mapping[int, datetime]) -> datetime | None:
    """Return a device's last sign of life, by the database or by `seen_times`; None if it never gave one."""
    return max((at for at in (device.last_seen_at, seen_at.get(device.pk)) if at), default=None)


class Evidence(NamedTuple):
    """What is known of a device that a home claims: what it said, and what the home was asked to do with it."""

    device: UnprovenDevice | None
    challenge: Challenge | None

    def proof(self, address: str | None) -> Proof | None:
        """Return what shows that the device is the home's, whose member calls from the public address."""
        return proof_of(self.device, address=address, challenge=self.challenge)


def evidence_of(*, home_id: int, mac: str) -> Evidence:
    """Return what is known of a device that is perhaps the home's (two round trips to Redis). Raises RedisError."""
    seen = seen_among(redis_client(), [mac], now=time.time())
    return Evidence(seen.get(mac), challenges_of(redis_client(), home_id=home_id, macs=[mac]).get(mac))


def proofs_for(*, home_id: int, macs: Sequence[str], address: str | None) -> dict[str, Proof]:
    """Return what shows that the devices are the home's, by MAC, without those of which nothing does; empty where Redis is away."""
    try:
        seen = seen_among(redis_client(), macs, now=time.time())
        asked = challenges_of(redis_client(), home_id=home_id, macs=list(seen))  # nothing proves what nobody saw
    except RedisError as error:
        log.warning("proofs not read: Redis is away", error=type(error).__name__)
        return {}
    found = {mac: proof_of(device, address=address, challenge=asked.get(mac)) for mac, device in seen.items()}
    return {mac: proof for mac, proof in found.items() if proof}


def unclaimed_for(*, mac: str | None, address: str | None) -> list[UnprovenDevice]:
    """Return the unknown devices with the MAC or from the public address (1 query, or none); none where Redis is away."""
    try:
        found = async_to_sync(_unclaimed_near)(mac, address)
    except (RedisError, OSError) as error:
        log.warning("unclaimed devices not read: Redis is away", error=type(error).__name__)
        return []
    registered = registered_among(device.mac for device in found)
    return [device for device in found if device.mac not in registered]


async def _unclaimed_near(mac: str | None, address: str | None) -> list[UnprovenDevice]:
    async with async_redis_client() as store:
        return await unclaimed_near(store, mac=mac, address=address, now=time.time())
