"""Which accounts devices have at the broker, where Mosquitto's dynamic security plugin is configured: one for each that has a key.

A change of a device leaves a row in the same transaction, which a task carries out: a broker that is away loses nothing.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from devices.models import BrokerAccountChange, Device
from devices.ownership.dynamic_security import (
    Account,
    Command,
    Response,
    carry_out,
    commands_for_ourselves,
    commands_to_make,
    commands_to_remove,
)
from devices.shelly_models import DEFAULT_PREFIX, is_mac

log = structlog.get_logger(__name__)

# Of the one process that changes accounts at a time, so that what it read last is what the broker gets last.
ACCOUNTS_LOCK = 0x6B657973
MOST_AT_ONCE = 500
NOTHING_TO_DELETE = ("Client not found", "Role not found")


def account_of(device: Device) -> Account | None:
    """Return the account that a device has; None without a MAC or a key.

    The password is made from the digest of the key and the installation's secret: it is stored nowhere, changes with the key, and can
    be given to a new broker. While no home has chosen the topic prefix, it is told the model's once that is learnt, and the device, which
    may have been told the usual one before, goes on under it.
    """
    if device.key_digest is None or not is_mac(device.hardware_id):
        return None
    made = salted_hmac("devices.ownership.broker_accounts", bytes(device.key_digest), algorithm="sha256").digest()
    password = base64.urlsafe_b64encode(made).decode().rstrip("=")
    prefixes = [device.mqtt_prefix] if device.is_prefix_chosen else [device.mqtt_prefix, DEFAULT_PREFIX]
    topics = tuple(dict.fromkeys(f"{prefix}-{device.hardware_id}" for prefix in prefixes))
    return Account(device.hardware_id, password, topics)


def change_note(hardware_id: str) -> None:
    """Note that a device's account may have to change, also if the device is gone; nothing where the plugin is not configured."""
    if settings.MQTT_DYNSEC_USER:
        BrokerAccountChange.objects.update_or_create(hardware_id=hardware_id, defaults={"asked_at": timezone.now()})


@transaction.atomic
def changes_apply() -> int:
    """Give the broker what changed, and return how many accounts that were. What it refuses stays noted. Raises BrokerAway."""
    if not _alone():
        return 0
    changes = list(BrokerAccountChange.objects.all()[:MOST_AT_ONCE])
    if not changes:
        return 0
    wanted = _accounts(Device.objects.filter(hardware_id__in=[one.hardware_id for one in changes]))
    refused = _refused(_given({one.hardware_id: wanted.get(one.hardware_id) for one in changes}))
    done = [one for one in changes if one.hardware_id not in refused]
    for one in done:  # unless it has changed again meanwhile
        BrokerAccountChange.objects.filter(pk=one.pk, asked_at=one.asked_at).delete()
    return len(done)


class Provisioned(NamedTuple):
    """What was done: accounts made, removed and refused, and devices without a key, which have none."""

    made: int
    removed: int
    refused: list[str]
    without_key: int


@transaction.atomic
def accounts_provision() -> Provisioned:
    """Make every account anew, EcoWatt's own too, and remove those of devices that are gone. Raises BrokerAway."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ACCOUNTS_LOCK])
    ours = []
    if settings.MQTT_SHELLY_USER and settings.MQTT_SHELLY_USER != settings.MQTT_DYNSEC_USER:
        ours = commands_for_ourselves(settings.MQTT_SHELLY_USER, settings.MQTT_SHELLY_PASS)
    listed, own = async_to_sync(carry_out)([[{"command": "listClients", "count": -1}], ours])
    wanted = _accounts(Device.objects.all())
    gone = [user for user in listed[0].data.get("clients", []) if is_mac(user) and user not in wanted]
    refused = _refused({settings.MQTT_SHELLY_USER: own} | _given(dict.fromkeys(gone) | wanted))
    without_key = Device.objects.filter(key_digest=None).count()
    return Provisioned(len(wanted.keys() - refused), len(set(gone) - refused), sorted(refused), without_key)


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ACCOUNTS_LOCK])
        return bool(cursor.fetchone()[0])


def _accounts(devices: Iterable[Device]) -> dict[str, Account]:
    return {account.user: account for device in devices if (account := account_of(device))}


def _given(wanted: Mapping[str, Account | None]) -> dict[str, Sequence[Response]]:
    """Make or remove (None) accounts, and return what the broker said to each."""
    groups: list[list[Command]] = [
        commands_to_make(account) if account else commands_to_remove(user) for user, account in wanted.items()
    ]
    return dict(zip(wanted, async_to_sync(carry_out)(groups), strict=True))


def _refused(responses: Mapping[str, Sequence[Response]]) -> set[str]:
    """Return the users of whose commands the broker refused one; that there was nothing to delete is no refusal."""
    refused = set()
    for user, said in responses.items():
        if errors := [one.error for one in said if one.error and one.error not in NOTHING_TO_DELETE]:
            log.error("the broker refuses an account", user=user, error=errors[0])
            refused.add(user)
    return refused
